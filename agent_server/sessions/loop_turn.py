"""What is due when the event loop has turned twice, for all sessions of a process in one callback.

Deltas that arrive in these turns are stored as one record, and what became visible leaves in one write. One callback
for all sessions instead of one for each keeps a hundred streams as cheap as one. Two turns instead of one: a model that
gives a delta in each of them costs a sixth less, and a turn of an idle loop takes two microseconds.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from agent_server.sessions.ports import Outlet

logger = logging.getLogger(__name__)


class Due(Protocol):
    """Something with work for the end of the two turns."""

    def end_loop_turn(self) -> None:
        """Store what is pending."""


class LoopTurn:
    """The work for the end of the turns, the current one and the next."""

    def __init__(self) -> None:
        self._due: list[Due] = []
        self._outlets: dict[Outlet, None] = {}
        self._scheduled = False

    def at_end(self, due: Due) -> None:
        """Run it once at the end. The caller asks once until then."""
        self._due.append(due)
        if not self._scheduled:
            self._schedule()

    def hurry_at_end(self, outlet: Outlet) -> None:
        """Let what waits at the outlet leave at the end, in one write."""
        if outlet not in self._outlets:
            self._outlets[outlet] = None
            if not self._scheduled:
                self._schedule()

    def hurry(self) -> None:
        """Let everything that waits leave now."""
        outlets, self._outlets = self._outlets, {}
        for outlet in outlets:
            outlet.hurry()

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        due, self._due = self._due, []
        for one in due:
            try:
                one.end_loop_turn()
            except Exception:  # one broken session must not hold up the others; it fails at its next event
                logger.exception("storing a session's events failed")
        self._scheduled = False
        self.hurry()
