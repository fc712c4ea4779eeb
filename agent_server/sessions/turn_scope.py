"""Cancelling a turn: cheap while only the model is listened to, thorough while tools run.

While a model streams, a cancel goes to the turn's task itself: nothing of ours needs more there, and a cancel scope
for every prompt would be a sixth of a short prompt's round trip. While tools run, an anyio scope is open, because
task groups and child processes are only safe in one. A cancel that is swallowed somewhere is sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import anyio

T = TypeVar("T")

REPEAT_S: Final = 0.25
"""How long a cancel may go unnoticed before it is sent again."""


class TurnCancelled(Exception):
    """The turn was cancelled."""


class TurnScope:
    """The cancellation of one turn, which runs in ``task``."""

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.cancelled = False
        self._task = task
        self._scope: anyio.CancelScope | None = None
        self._sent = 0
        self._timer: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        """End the turn soon. Idempotent."""
        if not self.cancelled:
            self.cancelled = True
            self._send()

    def check(self) -> None:
        """For code that runs long without waiting for anything.

        Raises:
            TurnCancelled: the turn was cancelled.
        """
        if self.cancelled:
            raise TurnCancelled

    @contextmanager
    def tools(self) -> Iterator[None]:
        """Tools run inside.

        Raises:
            TurnCancelled: the turn was cancelled before or meanwhile.
        """
        self.check()
        with anyio.CancelScope() as scope:
            self._scope = scope
            try:
                yield
            finally:
                self._scope = None
        self.check()

    async def run(self, work: Awaitable[T]) -> T:
        """The result of the turn's work.

        Raises:
            TurnCancelled: the turn was cancelled.
        """
        try:
            result = await work
        except asyncio.CancelledError:
            if not self._sent or self._task.cancelling() > self._sent:  # somebody else's cancel
                raise
            self._take_back()
            raise TurnCancelled from None
        finally:
            if self._timer is not None:
                self._timer.cancel()
        if self._sent:
            await self._absorb()
        self.check()
        return result

    def _send(self) -> None:
        if self._scope is not None:
            self._scope.cancel()
            return
        self._sent += 1
        self._task.cancel()
        self._timer = asyncio.get_running_loop().call_later(REPEAT_S, self._send)

    async def _absorb(self) -> None:
        """A cancel that the work ended without noticing must not hit what this task does next."""
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            if self._task.cancelling() > self._sent:
                raise
        self._take_back()

    def _take_back(self) -> None:
        while self._sent:
            self._sent -= 1
            self._task.uncancel()
