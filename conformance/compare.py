"""``python -m conformance.compare --agent NAME=CMD ...``: several agents judged alike, in one table.

Prints Markdown: the counts of each agent and level, and for each agent the requirements that it does not meet.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from conformance import schema
from conformance.options import Options
from conformance.private_state import give_private_state
from conformance.programs import words
from conformance.report.tally import tally
from conformance.requirements import LEVELS, requirements, selected
from conformance.run import judge_agent
from conformance.verdicts import Result, Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """One agent: the verdicts, and how long they took."""

    results: Sequence[Result]
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0: all agents were judged, whatever came of it, 2: a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m conformance.compare", description=__doc__, allow_abbrev=False)
    parser.add_argument("--agent", metavar="NAME=CMD", action="append", required=True, help="an agent; repeat it")
    parser.add_argument("--timeout-s", metavar="S", type=float, default=Options.timeout_s)
    parser.add_argument("--jobs", metavar="N", type=int, default=Options.jobs)
    given = parser.parse_args(arguments)
    agents = dict(agent.partition("=")[::2] for agent in given.agent)
    if not all(agents.values()):
        parser.error("an agent is given as NAME=CMD")
    judged = {name: _judged(command, given.timeout_s, given.jobs) for name, command in agents.items()}
    print("\n".join(rendered(judged, datetime.datetime.now(datetime.UTC).date())))
    return 0


def _judged(command: str, timeout_s: float, jobs: int) -> Judged:
    options = Options(words(command), timeout_s=timeout_s, jobs=jobs, schema=schema.load(None, unstable=False))
    rows = selected(requirements("agent"), (), unstable=False)
    began = time.monotonic()
    results = asyncio.run(judge_agent(rows, options))
    return Judged(results, time.monotonic() - began)


def rendered(judged: Mapping[str, Judged], day: datetime.date) -> Iterator[str]:
    """The lines of the table."""
    yield f"| {day.isoformat()} | level | " + " | ".join(verdict.value for verdict in Verdict) + " | time |"
    yield "|---" * (len(Verdict) + 3) + "|"
    for name, agent in judged.items():
        counts = tally(agent.results)
        for level in LEVELS:
            if any(counts[level].values()):
                cells = " | ".join(str(counts[level][verdict]) for verdict in Verdict)
                yield f"| {name} | {level} | {cells} | {agent.seconds:.0f} s |"
    yield ""
    for name, agent in judged.items():
        for level in LEVELS:
            failed = [
                f"`{result.requirement.id}`"
                for result in agent.results
                if result.verdict is Verdict.FAIL and result.requirement.level == level
            ]
            if failed:
                yield f"- {name} fails {len(failed)} {level}: {', '.join(failed)}"


if __name__ == "__main__":
    give_private_state()
    sys.exit(main())
