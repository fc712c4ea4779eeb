"""The three axes of a session's state, and the single status words derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Lifecycle(StrEnum):
    """Whether the session object lives."""

    INITIALIZING = "initializing"
    LIVE = "live"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


class Activity(StrEnum):
    """What a live session is doing."""

    IDLE = "idle"
    THINKING = "thinking"
    TOOL_EXECUTING = "tool_executing"
    ERROR = "error"


LIFECYCLE_MOVES: Final[Mapping[Lifecycle, frozenset[Lifecycle]]] = {
    Lifecycle.INITIALIZING: frozenset({Lifecycle.LIVE, Lifecycle.TERMINATED}),
    Lifecycle.LIVE: frozenset({Lifecycle.TERMINATING, Lifecycle.TERMINATED}),  # the second is a crash
    Lifecycle.TERMINATING: frozenset({Lifecycle.TERMINATED}),
    Lifecycle.TERMINATED: frozenset(),
}


def agent_status(activity: Activity, mode: str) -> str:
    """The one word of idle, plan, thinking, tool_executing, error: plan is shown while nothing runs (Req: ST-01)."""
    return mode if mode == "plan" and activity is Activity.IDLE else activity.value


def manager_status(lifecycle: Lifecycle, activity: Activity) -> str:
    """The one word of initializing, active, idle, terminating, terminated (Req: SM-28..SM-30)."""
    if lifecycle is Lifecycle.LIVE:
        return "idle" if activity in (Activity.IDLE, Activity.ERROR) else "active"
    return lifecycle.value
