"""The event loop that serves: asyncio's own, which looks at its descriptors less often while it is busy."""

from __future__ import annotations

import asyncio
import selectors


class BusySelector(selectors.DefaultSelector):
    """Looks at the descriptors in every other turn of the loop only, as long as callbacks wait to be run.

    Most turns follow one in which a descriptor was ready, and run what that one began: looking again in between is a
    system call for nothing. What is ready is heard of one turn later at most.
    """

    _looked = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; nothing, where the last call looked and nobody wants to wait."""
        if timeout == 0 and self._looked:
            self._looked = False
            return []
        self._looked = True
        return super().select(timeout)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new loop, for `asyncio.Runner`."""
    return asyncio.SelectorEventLoop(BusySelector())
