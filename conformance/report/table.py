"""The verdicts as a table for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from conformance.report.tally import tally
from conformance.requirements import Requirement
from conformance.verdicts import Result, Verdict

MARKS = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "FAIL",
    Verdict.NOT_APPLICABLE: "n/a",
    Verdict.NOT_EXERCISED: "not exercised",
    Verdict.BLOCKED: "blocked",
}
WIDTH = 120


def listed(rows: Sequence[Requirement]) -> str:
    """The requirements, a line each."""
    width = max((len(row.id) for row in rows), default=0)
    return "\n".join(f"{row.id:{width}}  {row.level:6}  {row.section:22}  {row.text}" for row in rows)


def rendered(results: Sequence[Result], seconds: float, *, passes: bool = True) -> str:
    """Every verdict with its reason, then the counts. ``passes``: whether those that passed have lines of their own."""
    lines = [line for result in results if passes or result.verdict is not Verdict.PASS for line in _row(result)]
    return "\n".join([*lines, "", *_counts(results), f"{len(results)} requirements in {seconds:.1f} s"])


def _row(result: Result) -> Iterator[str]:
    yield f"{MARKS[result.verdict]:13}  {result.requirement.level:6}  {result.requirement.id}"
    if result.verdict is Verdict.FAIL:
        yield from textwrap.wrap(result.requirement.text, WIDTH, initial_indent=" " * 23, subsequent_indent=" " * 23)
    if result.why:
        yield from textwrap.wrap(result.why, WIDTH, initial_indent=" " * 23, subsequent_indent=" " * 23)


def _counts(results: Sequence[Result]) -> Iterator[str]:
    yield "        " + "".join(f"{MARKS[verdict]:>15}" for verdict in Verdict)
    for level, counts in tally(results).items():
        if any(counts.values()):
            yield f"{level:8}" + "".join(f"{counts[verdict]:15}" for verdict in Verdict)
