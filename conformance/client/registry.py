"""Which code judges which requirement of a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from conformance.client.play import Played
from conformance.client.record import Conversation
from conformance.registry import Seen
from conformance.verdicts import NotExercised

PLAIN = "plain"


class Runs:
    """What was played, by scene."""

    def __init__(self, played: Mapping[str, Played]) -> None:
        self._played = played

    def __getitem__(self, scene: str) -> Played:
        """The run of this scene.

        Raises:
            NotExercised: there is nothing to see of it.
        """
        played = self._played[scene]
        if played.not_started is not None:
            raise NotExercised(f"in the scene {scene}: {played.not_started}")
        return played

    @property
    def plain(self) -> Played:
        return self[PLAIN]


Judge = Callable[[Runs], None]
"""Looks at the runs for one requirement. Returns if it is kept; raises one of `verdicts.Ended` otherwise."""

Rule = Callable[[Conversation], Iterator[Seen]]
"""Reads one conversation; yields one `Seen` for each time that the requirement counted."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A judge and the scenes that it looks at."""

    judge: Judge
    scenes: tuple[str, ...]


JUDGES: dict[str, Judged] = {}
RULES: dict[str, Rule] = {}


def judge(requirement_id: str, *scenes: str) -> Callable[[Judge], Judge]:
    """Make the function the judge of this requirement; it may look at these scenes and the plain one."""

    def register(function: Judge) -> Judge:
        assert requirement_id not in JUDGES, requirement_id
        JUDGES[requirement_id] = Judged(function, (PLAIN, *scenes))
        return function

    return register


def rule(requirement_id: str) -> Callable[[Rule], Rule]:
    """Make the function the rule of this requirement."""

    def register(function: Rule) -> Rule:
        assert requirement_id not in RULES, requirement_id
        RULES[requirement_id] = function
        return function

    return register
