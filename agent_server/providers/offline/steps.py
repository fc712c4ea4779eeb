"""How work over several model calls is written: a generator that is replayed from its beginning at every call.

A flow yields a `Step` (what to say, which tools to run) and is sent the results of those tools; what it returns is
its last step. Because the provider keeps no state, `play` feeds a fresh flow the results that the conversation
already holds. A flow must therefore depend on nothing but its arguments and those results.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias

from agent_server.conversation.content import text_of
from agent_server.conversation.events import PlanEntry
from agent_server.conversation.messages import ToolResultMessage


class Call(NamedTuple):
    """A tool to run, with its arguments."""

    name: str
    arguments: dict[str, Any]


class Step:
    """One response: its text, then its plan (empty: none is shown), then the tools it asks for (none: the end)."""

    __slots__ = ("calls", "plan", "text")

    def __init__(self, text: str = "", *calls: Call, plan: tuple[PlanEntry, ...] = ()) -> None:
        self.text = text
        self.calls = calls
        self.plan = plan


class Result:
    """What a tool gave back: its text, and whether it failed."""

    __slots__ = ("is_error", "text")

    def __init__(self, message: ToolResultMessage | None) -> None:
        self.text = text_of(message.parts) if message else "no result was recorded"
        self.is_error = message.is_error if message else True


class Round(NamedTuple):
    """The tools that one response asked for, and their results in the same order."""

    names: list[str]
    results: list[Result]


Flow: TypeAlias = Generator[Step, list[Result], Step]


def play(work: Flow | Step, rounds: Sequence[Round]) -> Step:
    """Return the first step of the work that the recorded rounds do not answer yet, or its last step."""
    if isinstance(work, Step):
        return work
    step, over = _advance(work, None)
    for recorded in rounds:
        if over:
            break
        # Another provider may have begun this turn; its results would be misread.
        if recorded.names != [call.name for call in step.calls]:
            work.close()
            return Step("These tool calls were not made by the offline provider, so it has nothing to add.")
        step, over = _advance(work, recorded.results)
    work.close()
    return step


def _advance(flow: Flow, results: list[Result] | None) -> tuple[Step, bool]:
    try:
        return (next(flow) if results is None else flow.send(results)), False
    except StopIteration as end:
        last: Step = end.value
        return last, True
