"""Reading what a child writes, as it comes, from the event loop itself: no thread, no task, no copy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import IO

import anyio

READ_BYTES = 64 * 1024
_LAST_READS = 32


class PipeReader:
    """Hands what arrives in a pipe to a callback until the pipe ends or the reader is closed.

    A callback that raises is not called again; what it raised comes out of `close`. The pipe is read on, so that the
    writer does not block.
    """

    def __init__(self, pipe: IO[bytes], on_output: Callable[[bytes], object]) -> None:
        self._descriptor = pipe.fileno()
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._failure: Exception | None = None
        os.set_blocking(self._descriptor, False)
        self._loop.add_reader(self._descriptor, self._read_once)

    async def ended_within(self, limit_s: float) -> bool:
        """Whether every writer closes the pipe within this time."""
        with anyio.move_on_after(limit_s):
            await self._ended.wait()
        return self._ended.is_set()

    def close(self) -> None:
        """Take what is in the pipe by now, and stop. The pipe itself stays open.

        Raises:
            Exception: the callback raised it, now or earlier.
        """
        reads = 0
        while not self._ended.is_set() and reads < _LAST_READS and self._read_once():
            reads += 1
        self._stop()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _read_once(self) -> bool:
        """One read. False: there is nothing more now, or ever."""
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self._stop()
            return False
        self._deliver(data)
        return True

    def _deliver(self, data: bytes) -> None:
        if self._failure is None:
            try:
                self._on_output(data)
            except Exception as failure:  # noqa: BLE001 - it belongs to whoever closes us, not to the event loop
                self._failure = failure

    def _stop(self) -> None:
        if not self._ended.is_set():
            self._loop.remove_reader(self._descriptor)
            self._ended.set()
