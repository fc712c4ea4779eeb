"""``python -m conformance.faults --agent CMD``: throw hostile input at any ACP agent, and count what it loses."""

from __future__ import annotations

import argparse
import fnmatch
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from conformance.faults.attacks import ATTACKS, AttackResult, carried_out
from conformance.faults.documents import DOCUMENTS
from conformance.faults.frames import FRAMES
from conformance.faults.single import LineResult, Lines
from conformance.private_state import give_private_state

STREAM_PROMPT = "/test stream 200000 256"
SECTIONS = ("frames", "documents", "attacks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0: no defect, 1: some, 2: a wrong command line."""
    given = _parser().parse_args(arguments)
    command = shlex.split(given.agent)
    defects = 0
    began = time.monotonic()
    if "frames" in given.sections:
        defects += _told("hostile frames", list(frames(command, given.only)), verbose=given.verbose)
    if "documents" in given.sections:
        defects += _told(
            "edge documents, each bare and inside a request", list(documents(command)), verbose=given.verbose
        )
    if "attacks" in given.sections:
        defects += _attacks(command, given.stream_prompt, given.only)
    print(f"{defects} defects, {time.monotonic() - began:.1f} s")
    return 1 if defects else 0


def frames(command: Sequence[str], only: str = "*") -> Iterator[LineResult]:
    """Every hostile frame against one agent."""
    with Lines(command) as lines:
        for frame in FRAMES:
            if fnmatch.fnmatchcase(frame.name, only):
                yield lines.frame(frame)


def documents(command: Sequence[str]) -> Iterator[LineResult]:
    """Every document, inside a request and bare."""
    with Lines(command) as lines:
        for number, document in enumerate(DOCUMENTS, 1):
            yield lines.document(document, number)
            yield lines.bare(document)


def attacks(command: Sequence[str], stream_prompt: str, only: str = "*") -> Iterator[AttackResult]:
    """Every attack, each on an agent of its own."""
    for name in ATTACKS:
        if fnmatch.fnmatchcase(name, only):
            yield carried_out(name, command, stream_prompt)


def _told(title: str, results: Sequence[LineResult], *, verbose: bool) -> int:
    count = Counter(result.finding for result in results)
    print(
        f"{len(results)} {title}: {count['lost']} losses, {count['unanswered']} unanswered, "
        f"{count['wrong answer']} answered wrongly, {count['too many answers']} answered more than once"
    )
    for result in results:
        if result.is_defect or (verbose and result.finding != "ok"):
            print(f"  {result.finding:16} {result.name}  {result.detail}")
    return sum(result.is_defect for result in results)


def _attacks(command: Sequence[str], stream_prompt: str, only: str) -> int:
    defects = 0
    for result in attacks(command, stream_prompt, only):
        verdict = "LOST" if result.lost else "DEFECT" if result.defect else "ok"
        print(f"  {verdict:6} {result.seconds:5.1f} s  {result.name}  {result.defect or ''}", flush=True)
        defects += result.defect is not None
    return defects


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.faults", description=__doc__, allow_abbrev=False)
    parser.add_argument("--agent", metavar="CMD", required=True, help="the agent to attack")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=SECTIONS, help="what to do (everything)")
    parser.add_argument("--only", metavar="NAME", default="*", help="frames and attacks of this name; a pattern")
    parser.add_argument("--stream-prompt", default=STREAM_PROMPT, help=f"a prompt that streams much ({STREAM_PROMPT})")
    parser.add_argument("--verbose", action="store_true", help="also say where the rules leave room and it was used")
    return parser


if __name__ == "__main__":
    give_private_state()
    sys.exit(main())
