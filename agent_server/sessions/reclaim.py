"""Sessions that nobody has been at for a while: when to look at each of them again (Req: EV-05..EV-08).

Nothing is cancelled here and no token is compared: a session is only noted, at the end, whenever it may have become
idle, and when its time has come it is looked at as it is then. All wait equally long, so they stand in the order of
their times, and one timer, for the first, serves all.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Final

from agent_server.sessions.clock import Clock

COLLECT_DELAY_S: Final = 0.1
COLLECT_AFTER: Final = 64
"""So many sessions may be garbage: they are in circles, which nobody would find for days in a server that is idle."""


class IdleSessions:
    """The sessions that may be idle, by id, and since when.

    ``due`` is called for each whose time has come. It may note the session again, to be asked again later.
    """

    def __init__(self, timeout_s: float, clock: Clock, due: Callable[[str], None]) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._due = due
        self._since: dict[str, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._looked_at = 0
        clock.on_advanced = self._look

    def begin(self) -> None:
        """The event loop runs: from now on there is a timer."""
        self._loop = asyncio.get_running_loop()
        self._look()

    def end(self) -> None:
        """Nobody is to be reclaimed any more."""
        self._loop = None
        self._since.clear()
        self._look()

    def note(self, session_id: str) -> None:
        """The session may be idle from now on; what was noted of it before no longer counts."""
        self._since.pop(session_id, None)
        self._since[session_id] = self._clock.now()
        if self._timer is None and self._loop is not None:
            self._timer = self._loop.call_later(self._timeout_s, self._look)

    def forget(self, session_id: str) -> None:
        """The session ended. The timer stays: it costs nothing until it goes off, and then finds what there is."""
        self._since.pop(session_id, None)

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loop is None:
            return
        now = self._clock.now()
        while self._since:
            session_id, since = next(iter(self._since.items()))
            if since + self._timeout_s > now:
                break
            del self._since[session_id]
            self._due(session_id)
            self._looked_at += 1
        if self._looked_at >= COLLECT_AFTER:
            self._looked_at = 0
            self._loop.call_later(COLLECT_DELAY_S, gc.collect)  # when their tasks have ended
        if self._since and self._timer is None:
            first = next(iter(self._since.values()))
            self._timer = self._loop.call_later(first + self._timeout_s - now, self._look)
