"""Verdicts counted, each level apart, and what they mean for the exit code."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.requirements import LEVELS, Level
from conformance.verdicts import Result, Verdict

ALL_MET, A_MUST_FAILED, NOT_ALL_SEEN = 0, 1, 3


def tally(results: Sequence[Result]) -> dict[Level, dict[Verdict, int]]:
    """Level -> verdict -> how many."""
    counts = {level: dict.fromkeys(Verdict, 0) for level in LEVELS}
    for result in results:
        counts[result.requirement.level][result.verdict] += 1
    return counts


def exit_code(results: Sequence[Result]) -> int:
    """1 if a MUST failed; else 3 if one was not exercised or is blocked (that is never a pass); else 0."""
    musts = tally(results)["MUST"]
    if musts[Verdict.FAIL]:
        return A_MUST_FAILED
    return NOT_ALL_SEEN if musts[Verdict.NOT_EXERCISED] + musts[Verdict.BLOCKED] else ALL_MET
