"""The command line: ``python -m conformance --agent CMD`` or ``--client CMD``."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from conformance import schema
from conformance.client.judge import judge_client
from conformance.client.play import AGENT
from conformance.options import PROMPTS, Options
from conformance.private_state import give_private_state
from conformance.programs import words
from conformance.report import machine, table
from conformance.report.tally import exit_code
from conformance.requirements import Requirement, Side, requirements, selected
from conformance.run import judge_agent
from conformance.verdicts import Result

USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0: every MUST that applies is met, 1: one failed, 2: usage, 3: one was not seen at work."""
    parser = _parser()
    given = parser.parse_args(arguments)
    side: Side = "client" if given.client else "agent"
    try:
        rows = selected(requirements(side), given.only, unstable=given.unstable)
    except LookupError as error:
        parser.error(str(error))
    if given.list:
        print(table.listed(rows))
        return 0
    if not (given.agent or given.client):
        parser.error("--agent CMD or --client CMD is needed")
    for command in (given.client, given.cancel_client):
        if command is not None and AGENT not in command:
            parser.error(f"the command of a client names its agent by {AGENT}: {command}")
    options = _options(given)
    started, began = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.monotonic()
    results = asyncio.run(_judge(side, rows, options, given))
    seconds = time.monotonic() - began
    _write(given, results, side, started, seconds)
    print(table.rendered(results, seconds, passes=not given.quiet))
    return exit_code(results)


async def _judge(side: Side, rows: Sequence[Requirement], options: Options, given: argparse.Namespace) -> list[Result]:
    return await (judge_client if side == "client" else judge_agent)(rows, options)


def _options(given: argparse.Namespace) -> Options:
    prompts = {name: getattr(given, f"{name}_prompt") for name in PROMPTS}
    return Options(
        command=words(given.agent or given.client),
        cancel_command=words(given.cancel_client or ""),
        prompts=prompts,
        unstable=given.unstable,
        timeout_s=given.timeout_s,
        quiet_s=given.quiet_s,
        jobs=given.jobs,
        login=given.login,
        schema=schema.load(given.schema, unstable=given.unstable),
    )


def _write(given: argparse.Namespace, results: Sequence[Result], side: str, started: str, seconds: float) -> None:
    program = given.agent or given.client
    if given.json is not None:
        report = machine.as_json(results, program, side, started, seconds)
        given.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    if given.junit is not None:
        given.junit.write_text(machine.as_junit(results, program, seconds), encoding="utf-8")
    if given.transcript is not None:
        given.transcript.mkdir(parents=True, exist_ok=True)
        for result in results:
            if result.transcripts:
                text = "\n\n".join(transcript.shown() for transcript in result.transcripts)
                head = f"# {result.requirement.id}: {result.verdict.value}\n# {result.why}\n\n"
                (given.transcript / f"{result.requirement.id}.txt").write_text(head + text + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m conformance",
        description="Judge an ACP agent or client by what it writes.",
        epilog="Exit status: 0 every MUST that applies is met; 1 one failed; 2 the command line is wrong; 3 none "
        "failed, but one was not exercised or is blocked by a login.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--agent", metavar="CMD", help="the agent to judge")
    add("--client", metavar="CMD", help="the client to judge; {agent} stands for the agent that it starts")
    add("--cancel-client", metavar="CMD", help="a client that cancels its prompt; {agent} likewise")
    add("--only", metavar="ID", nargs="+", default=[], help="only these requirements; patterns like cancel.*")
    add("--list", action="store_true", help="list the requirements, and do nothing")
    add("--unstable", action="store_true", help="judge what is no part of the protocol yet, too")
    add("--json", metavar="FILE", type=Path, help="write the report as JSON")
    add("--junit", metavar="FILE", type=Path, help="write the report as JUnit's XML")
    add("--transcript", metavar="DIR", type=Path, help="write what was said, a file for each requirement")
    add("--quiet", action="store_true", help="print no line for what passed")
    add("--jobs", metavar="N", type=int, default=Options.jobs, help="how many checks run side by side")
    add("--timeout-s", metavar="S", type=float, default=Options.timeout_s, help="how long an answer may take")
    add("--quiet-s", metavar="S", type=float, default=Options.quiet_s, help="how long silence is listened to")
    add("--login", metavar="ID", help="log in with this method first")
    add("--schema", metavar="FILE", type=Path, help="the JSON Schema to hold messages against")
    for name, (text, does) in PROMPTS.items():
        add(f"--{name}-prompt", metavar="TEXT", default=text, help=f"a prompt that {does} ({text})")
    return parser


if __name__ == "__main__":
    give_private_state()
    sys.exit(main())
