"""Writing to stdout and stderr without ever holding up the event loop.

A thread writes, so that Ctrl-C is heard even while nobody reads our output. Both streams pass one queue: where they
are one terminal, the order is kept. The same thread draws the status line, and takes it away before it writes
anything else.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

MAX_QUEUED_BYTES: Final = 1024 * 1024
"""What may wait to be written before whoever produces it is asked to pause."""

STATUS_PERIOD_S: Final = 0.1

_CLEAR_LINE: Final = b"\r\x1b[K"


class OutputWriter:
    """The only writer of this process's stdout and stderr.

    Args:
        stdout, stderr: their descriptors.
        on_broken: called in the event loop, once, when nobody reads stdout any more.
        on_full: called in the event loop with True when too much waits, and with False when it has gone.
        spinner: the frames of the status line's spinner; empty for no status line.
    """

    def __init__(
        self,
        stdout: int,
        stderr: int,
        *,
        on_broken: Callable[[], object],
        on_full: Callable[[bool], object] = lambda _full: None,
        spinner: Sequence[str] = (),
    ) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._on_broken = on_broken
        self._on_full = on_full
        self._spinner = spinner
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._full = False
        self._status = ""
        self._status_shown = False
        self._frame = 0
        self._broken: set[int] = set()
        self._ended = asyncio.Event()
        threading.Thread(target=self._write_all, name="output", daemon=True).start()

    def out(self, text: str) -> None:
        """Queue text for stdout."""
        self._put(self._stdout, text)

    def err(self, text: str) -> None:
        """Queue text for stderr."""
        self._put(self._stderr, text)

    def status(self, text: str) -> None:
        """Show this under the output until something else is said; empty for nothing. One line."""
        if self._spinner and text != self._status:
            self._status = text
            self._queue.put((-1, b""))

    def give_up_if_full(self) -> None:
        """If too much waits to be written, throw it away: nobody reads it, and something else is more urgent."""
        if self._full:
            self._broken.add(self._stdout)
            self._on_full(False)

    async def finish(self) -> None:
        """Return when everything has been written. Nothing may be queued after."""
        self._status = ""
        self._queue.put(None)
        await self._ended.wait()

    def _put(self, descriptor: int, text: str) -> None:
        if not text:
            return
        data = text.encode("utf-8", "backslashreplace")
        with self._lock:
            self._queued_bytes += len(data)
            filled = not self._full and self._queued_bytes > MAX_QUEUED_BYTES
            self._full = self._full or filled
        self._queue.put((descriptor, data))
        if filled:
            self._on_full(True)

    # In the thread

    def _write_all(self) -> None:
        while (item := self._next()) is not None:
            descriptor, data = item
            if descriptor >= 0:
                self._clear_status()
                self._write(descriptor, data)
                self._account(len(data))
        self._clear_status()
        self._call(self._ended.set)

    def _next(self) -> tuple[int, bytes] | None:
        while True:
            # Without a status line to draw, nothing wakes up while nothing is to be written.
            period_s = STATUS_PERIOD_S if self._status or self._status_shown else None
            try:
                return self._queue.get(timeout=period_s)
            except queue.Empty:
                self._draw_status()

    def _draw_status(self) -> None:
        if not self._status:
            self._clear_status()
            return
        self._frame = (self._frame + 1) % len(self._spinner)
        self._write(self._stderr, _CLEAR_LINE + f"{self._spinner[self._frame]} {self._status}".encode())
        self._status_shown = True

    def _clear_status(self) -> None:
        if self._status_shown:
            self._status_shown = False
            self._write(self._stderr, _CLEAR_LINE)

    def _write(self, descriptor: int, data: bytes) -> None:
        if descriptor in self._broken:
            return
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(descriptor, view) :]
        except OSError:
            self._broken.add(descriptor)
            if descriptor == self._stdout:
                self._call(self._on_broken)

    def _account(self, count: int) -> None:
        with self._lock:
            self._queued_bytes -= count
            emptied = self._full and self._queued_bytes <= MAX_QUEUED_BYTES // 2
            if emptied:
                self._full = False
        if emptied:
            self._call(lambda: self._on_full(False))

    def _call(self, callback: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed: nobody waits any more
            pass
