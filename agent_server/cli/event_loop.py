"""The event loop that serves: asyncio's own, with fewer system calls for one message."""

from __future__ import annotations

import asyncio
import selectors


class QuickSelector(selectors.DefaultSelector):
    """Does not look at the descriptors in the turn of the loop that follows one in which some were ready.

    That turn runs what a message began: looking before it is a system call for nothing, because the sender waits for
    our answer. What has become ready meanwhile is heard of one turn later.
    """

    _heard = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; nothing, where the last call found something and callbacks wait to be run."""
        if timeout == 0 and self._heard:
            self._heard = False
            return []
        found = super().select(timeout)
        self._heard = bool(found)
        return found


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new loop, for `asyncio.Runner`."""
    return asyncio.SelectorEventLoop(QuickSelector())
