"""Output for people who watch: at once when it is rare, a few times a second when it pours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent_server.processes.bounded import HeadAndTail

BATCH_INTERVAL_S = 0.2
BATCH_LIMIT_BYTES = 64 * 1024
FREE_BYTES = 1024 * 1024
"""After this much a batch is limited to `FLOOD_LIMIT_BYTES`: nobody reads a flood, and it would fill the log."""
FLOOD_LIMIT_BYTES = 4 * 1024


class Batches:
    """Passes bytes on: the first at once, then at most once per `BATCH_INTERVAL_S`.

    A timer runs only while bytes wait. Of a batch that is too large the beginning is left out, and that is said.

    Req: TN-17
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._next_write_s = 0.0
        self._written_bytes = 0
        self._waiting = self._new_batch()
        self._is_empty = True

    def add(self, data: bytes) -> None:
        """More bytes; they are written now or when the interval is over."""
        self._waiting.add(data)
        self._is_empty = False
        if self._timer is not None:
            return
        if self._loop.time() >= self._next_write_s:
            self.flush()
        else:
            self._timer = self._loop.call_at(self._next_write_s, self.flush)

    def flush(self) -> None:
        """Write what waits, and stop the timer. Nothing runs on after this."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_empty:
            return
        batch, self._is_empty = self._waiting.take(), True
        self._written_bytes += len(batch)
        self._waiting = self._new_batch()
        self._next_write_s = self._loop.time() + BATCH_INTERVAL_S
        self._write(batch)

    def _new_batch(self) -> HeadAndTail:
        is_flood = self._written_bytes >= FREE_BYTES
        return HeadAndTail(head_bytes=0, tail_bytes=FLOOD_LIMIT_BYTES if is_flood else BATCH_LIMIT_BYTES)
