"""Which code judges which requirement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from conformance.case import Case
from conformance.transcript import Entry, Transcript

Check = Callable[[Case], Awaitable[None]]
"""Provokes one behaviour. Returns if it is as it must be; raises one of `verdicts.Ended` otherwise."""

Rule = Callable[[Transcript], Iterator["Seen"]]
"""Reads one conversation; yields one `Seen` for each time that the requirement counted."""


class Seen:
    """The requirement counted here: kept, or broken with the reason why and where."""

    __slots__ = ("broken", "entry")

    def __init__(self, broken: str | None = None, entry: Entry | None = None) -> None:
        self.broken = broken
        self.entry = entry


KEPT = Seen()

_CHECKS: dict[str, Check] = {}
_RULES: dict[str, Rule] = {}


def check(requirement_id: str) -> Callable[[Check], Check]:
    """Make the function the check of this requirement."""

    def register(function: Check) -> Check:
        assert requirement_id not in _CHECKS, requirement_id
        _CHECKS[requirement_id] = function
        return function

    return register


def rule(requirement_id: str) -> Callable[[Rule], Rule]:
    """Make the function the rule of this requirement."""

    def register(function: Rule) -> Rule:
        assert requirement_id not in _RULES, requirement_id
        _RULES[requirement_id] = function
        return function

    return register


def all_checks() -> dict[str, Check]:
    """Requirement id -> its check."""
    import conformance.checks  # noqa: F401  importing it registers them

    return dict(_CHECKS)


def all_rules() -> dict[str, Rule]:
    """Requirement id -> its rule."""
    import conformance.rules  # noqa: F401  importing it registers them

    return dict(_RULES)
