"""Wire order per session: what came first is begun first, and notifications are finished before what follows them.

A lane exists only while it holds something up. While no asynchronous notification handler runs for a session, frames
are handled in the reader itself and no lane is made: the hot path costs one dictionary look-up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, TypeAlias

Job: TypeAlias = Callable[[], None]

MAX_WAITING: Final = 4096
"""Jobs that may wait over all lanes before the reader pauses."""


class Holder:
    """What a running notification handler and the tasks that it starts carry with them, while it holds a lane."""

    __slots__ = ("lanes", "session_id")

    def __init__(self, lanes: Lanes, session_id: str | None) -> None:
        self.lanes = lanes
        self.session_id = session_id


_HOLDER: Final[ContextVar[Holder | None]] = ContextVar("_HOLDER", default=None)


class Lanes:
    """The lanes of one connection, by session id.

    Attributes:
        holds: whether something of the session with that id must finish first.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Job]] = {}
        self.holds: Callable[[str], bool] = self._waiting.__contains__
        self.count = 0
        self.shrunk = asyncio.Event()

    def hold(self, session_id: str) -> None:
        """What comes for this session waits from now on, until `release`."""
        self._waiting.setdefault(session_id, deque())

    def enter(self, session_id: str | None) -> Holder:
        """The current task runs what holds the lane. Its end is to be marked by clearing the holder's session id."""
        holder = Holder(self, session_id)
        _HOLDER.set(holder)
        return holder

    def held_here(self, session_id: str | None) -> bool:
        """Whether the current task works for what holds that lane."""
        holder = _HOLDER.get()
        return holder is not None and holder.lanes is self and holder.session_id == session_id

    def append(self, session_id: str, job: Job) -> None:
        """Queue a job behind what holds the lane."""
        self._waiting[session_id].append(job)
        self.count += 1

    def prepend(self, session_id: str, job: Job) -> None:
        """Queue a job before everything that waits; it came before that."""
        self._waiting[session_id].appendleft(job)
        self.count += 1

    def drop(self) -> None:
        """Forget everything that waits: nothing more is to be begun."""
        for jobs in self._waiting.values():
            jobs.clear()
        self.count = 0

    def release(self, session_id: str) -> None:
        """What held the lane is done: run what waited, up to the next job that holds it."""
        jobs = self._waiting.pop(session_id, None)
        if jobs:
            self.shrunk.set()
        while jobs:
            job = jobs.popleft()
            self.count -= 1
            job()
            if session_id in self._waiting:  # the job holds the lane now: the rest waits behind it
                self._waiting[session_id].extendleft(reversed(jobs))
                return
