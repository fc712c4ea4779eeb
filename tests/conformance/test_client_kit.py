"""What the kit says of clients: of ours, of one on the TypeScript SDK, and of one that is broken on purpose."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import orjson
import psutil
import pytest

from conformance import npm, schema
from conformance.__main__ import main
from conformance.client.judge import judge_client
from conformance.client.play import Played, play
from conformance.client.registry import JUDGES, RULES
from conformance.client.scene import SCENES
from conformance.installing import INSTALL_S
from conformance.mutants.client import MUTANTS
from conformance.mutants.client_trial import client_options, failed, judged
from conformance.options import Options
from conformance.requirements import requirements, selected
from conformance.verdicts import Result, Verdict

# Every run starts dozens of clients, and one may pay for an installation.
pytestmark = pytest.mark.timeout(INSTALL_S + 120)

HERE = Path(__file__).parent
INTEROP = HERE.parents[1] / "conformance" / "interop"
EXEC = [sys.executable, "-m", "agent_server", "exec"]
LIBRARY = [sys.executable, str(HERE / "library_client.py"), "{agent}"]

# With a terminal of its own, in which nobody types, a question stays open until the timeout cancels the prompt.
IN_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"

ASKS_FOR_NOTHING_OPTIONAL = "exec makes one session and sends one text: it has no use for anything that is optional"
NOT_EXERCISED_BY_EXEC = dict.fromkeys(
    ("client.gated-methods", "client.gated-content", "client.gated-fields", "client.gated-mcp", "client.null-results"),
    ASKS_FOR_NOTHING_OPTIONAL,
)

TOGETHER = (
    ("anonymous", "servers-as-object", "keys-of-its-own", "fraction-as-id", "directories-for-all", "images-for-all",
     "closes-uninvited", "logs-to-the-agent", "relative-directory", "numbers-for-text-ids", "ignores-the-login"),
    ("pipelines", "version-zero", "no-jsonrpc", "same-id-twice", "answers-twice", "makes-up-an-option",
     "dies-of-late-updates", "writes-without-offering", "leaves-its-agent"),
)  # fmt: skip
"""Mutants that do not stand in each other's way, and cannot be in one run with the rest of them."""


@pytest.fixture
def environment() -> dict[str, str]:
    """Return a variable that marks whatever a run starts."""
    return {"CONFORMANCE_RUN": uuid.uuid4().hex}


def left_running(environment: dict[str, str]) -> list[str]:
    """Return the processes that a run has left."""
    found = []
    for process in psutil.process_iter():
        try:
            if environment.items() <= process.environ().items():
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            pass
    return found


def verdicts(
    command: Sequence[str], cancel_command: Sequence[str] = (), only: Sequence[str] = (), **environment: str
) -> list[Result]:
    """Return the verdicts on a client of somebody."""
    options = Options(
        command=command,
        cancel_command=cancel_command,
        schema=schema.load(None, unstable=False),
        environment=environment,
    )
    return asyncio.run(judge_client(selected(requirements("client"), only, unstable=False), options))


def with_verdict(results: Sequence[Result], verdict: Verdict) -> set[str]:
    return {result.requirement.id for result in results if result.verdict is verdict}


def test_every_requirement_of_a_client_has_one_judge() -> None:
    rows = requirements("client")
    by_hand = {row.id for row in rows if row.how == "check"}
    assert JUDGES.keys() == by_hand
    assert RULES.keys() == {row.id for row in rows} - by_hand
    assert {scene for judged_by in JUDGES.values() for scene in judged_by.scenes} <= SCENES.keys()


def test_our_command_line_client_keeps_every_requirement_that_it_meets() -> None:
    results = verdicts(
        [*EXEC, "--yes", "--agent", "{agent}", "hello"],
        [sys.executable, "-c", IN_A_TERMINAL, *EXEC, "--timeout", "3", "--agent", "{agent}", "hello"],
    )
    assert failed(results) == {}
    assert with_verdict(results, Verdict.NOT_EXERCISED) == NOT_EXERCISED_BY_EXEC.keys()
    assert with_verdict(results, Verdict.NOT_APPLICABLE) == {
        "client.terminal-not-offered",  # it offers files and terminals
        "client.terminal-login-not-called",  # it does not offer logins in its terminal
    }


def test_our_command_line_client_refuses_what_it_does_not_offer_when_it_may_only_read() -> None:
    rows = ("client.terminal-not-offered", "client.unadvertised-form", "client.permission-answered", "client.fs-read")
    results = verdicts([*EXEC, "--read-only", "--agent", "{agent}", "hello"], only=rows)
    assert with_verdict(results, Verdict.PASS) == set(rows)


def test_our_client_library_keeps_every_requirement() -> None:
    results = verdicts(LIBRARY, [*LIBRARY, "--cancel"])
    assert failed(results) == {}
    assert with_verdict(results, Verdict.NOT_EXERCISED) == set()
    assert with_verdict(results, Verdict.NOT_APPLICABLE) == {"client.terminal-not-offered"}


def test_a_client_on_the_official_typescript_sdk_fails_nothing(node: str, sdk_root: Path) -> None:
    command = [node, str(INTEROP / "ts_prompt.mjs"), "{agent}", "hello"]
    results = verdicts(command, ACP_SDK_ROOT=str(sdk_root))
    assert failed(results) == {}
    seen = {"client.schema", "client.unknown-update", "client.lenient-fields", "client.fs-read", "client.terminal-kill"}
    assert seen <= with_verdict(results, Verdict.PASS)


def test_a_client_of_others_is_told_what_it_does_not_keep(sdk_root: Path, tmp_path: Path) -> None:
    command = [*npm.command("acpx"), "--agent", "{agent}", "--approve-all", "exec", "hello"]
    kept = {"client.unknown-fields", "client.long-lines", "client.permission-by-kind", "client.terminal-kill"}
    broken = {"client.unsupported-version", "client.lenient-fields", "client.unadvertised-form"}
    results = verdicts(command, only=sorted(kept | broken), HOME=str(tmp_path))
    assert set(failed(results)) == broken
    assert with_verdict(results, Verdict.PASS) == kept


def test_a_client_that_keeps_every_requirement_fails_none(environment: dict[str, str]) -> None:
    results = judged([], environment)
    assert failed(results) == {}
    assert with_verdict(results, Verdict.NOT_EXERCISED) == set()
    assert left_running(environment) == []


@pytest.mark.parametrize("group", [*TOGETHER, ()])
def test_a_broken_client_fails_the_requirements_that_it_breaks_and_no_others(
    group: tuple[str, ...], environment: dict[str, str]
) -> None:
    rest = set(MUTANTS).difference(*TOGETHER)
    broken = group or sorted(rest)
    found = failed(judged(broken, environment))
    assert set(found) == {MUTANTS[name] for name in broken}, found
    assert left_running(environment) == []


def test_every_requirement_of_a_client_can_fail() -> None:
    assert set(MUTANTS.values()) == {row.id for row in requirements("client")}


@pytest.mark.parametrize("name", sorted(SCENES))
def test_a_scene_speaks_the_protocol_but_for_what_it_is_about(name: str) -> None:
    on_purpose = {"unknown-update", "malformed-fields"}
    run = played(name)
    shapes = schema.load(None, unstable=False)
    complaints = []
    for transcript in run.transcripts:
        for entry in transcript.sent_by("agent"):
            if entry.method is not None:
                complaints += shapes.complaints(entry.method, "params", entry.message["params"])
            elif entry.asked is not None and entry.asked.method is not None and "result" in entry.message:
                complaints += shapes.complaints(entry.asked.method, "result", entry.message["result"])
    assert bool(complaints) == (name in on_purpose), complaints
    assert run.client_requests("initialize")


def played(name: str) -> Played:
    options = client_options()
    command = options.cancel_command if SCENES[name].cancels else options.command
    return asyncio.run(play(name, command, options))


def test_what_was_said_before_an_agent_died_is_on_record() -> None:
    run = played("agent-dies")
    assert run.remarked("the agent dies")
    assert not run.remarked("the end of the input")
    assert [entry.method for entry in run.transcripts[0].sent_by("client")][-1] == "session/prompt"
    assert run.status == 1


def test_a_program_that_starts_no_agent_is_not_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    command = shlex.join([sys.executable, "-c", "print('I am no client')", "{agent}"])
    assert main(["--client", command, "--json", str(report), "--only", "client.schema", "client.hangs-up"]) == 3
    rows = orjson.loads(report.read_bytes())["results"]
    assert [row["verdict"] for row in rows] == ["not exercised", "not exercised"]
    assert all("I am no client" in row["why"] for row in rows)
    assert "not exercised" in capsys.readouterr().out


def test_a_client_that_is_not_told_of_its_agent_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--client", "some-client"])
    assert ended.value.code == 2
    assert "{agent}" in capsys.readouterr().err


def test_a_failure_is_told_with_what_was_said(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = client_options(["reads-all-lines"])
    arguments = ["--client", shlex.join(options.command), "--only", "client.fs-read", "--json", str(report)]
    run = subprocess.run(
        [sys.executable, "-m", "conformance", *arguments, "--transcript", str(tmp_path / "said")],
        capture_output=True, text=True, timeout=60, cwd=HERE.parents[1],
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    assert "FAIL" in run.stdout
    written = orjson.loads(report.read_bytes())
    jsonschema.validate(written, orjson.loads((schema.SCHEMAS / "conformance.schema.json").read_bytes()))
    [row] = written["results"]
    assert (row["id"], row["verdict"]) == ("client.fs-read", "fail")
    assert "fs/read_text_file" in (tmp_path / "said" / "client.fs-read.txt").read_text(encoding="utf-8")
