"""What is due when the event loop has turned a few times, for all sessions of a process in one callback.

Deltas that arrive in these turns are stored as one record, and what became visible leaves in one write. One callback
for all sessions instead of one for each keeps a hundred streams as cheap as one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from agent_server.sessions.ports import Outlet

logger = logging.getLogger(__name__)

TURNS = 6
"""A model that gives a delta in every turn costs a quarter less than if each left by itself; where the loop has nothing
else to do, a turn takes two microseconds."""


class Due(Protocol):
    """Something with work for the end of the turns."""

    def end_loop_turn(self) -> None:
        """Store what is pending."""


class LoopTurn:
    """The work for the end of the turns."""

    def __init__(self) -> None:
        self._due: list[Due] = []
        self._outlets: dict[Outlet, None] = {}
        self._scheduled = False
        self._turns_left = 0

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
        self._turns_left = TURNS
        self._wait_a_turn()

    def _wait_a_turn(self) -> None:
        self._turns_left -= 1
        asyncio.get_running_loop().call_soon(self._wait_a_turn if self._turns_left else self._end)

    def _end(self) -> None:
        due, self._due = self._due, []
        for one in due:
            try:
                one.end_loop_turn()
            except Exception:  # one broken session must not hold up the others; it fails at its next event
                logger.exception("storing a session's events failed")
        self._scheduled = False
        self.hurry()
