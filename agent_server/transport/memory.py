"""Two transport ends back to back in one process: for embedding both sides, and for tests."""

from __future__ import annotations

import asyncio
from typing import Final

from agent_server.transport.port import Receiver

HIGH_WATER_BYTES: Final = 64 * 1024


class MemoryTransport:
    """One end; make two with `memory_pair`. What one loop turn sent arrives in one delivery, in the next turn."""

    def __init__(self) -> None:
        self._far: MemoryTransport
        self._receiver: Receiver | None = None
        self._inbox: list[bytes | bytearray] = []
        self._inbox_bytes = 0
        self._paused = False
        self._scheduled = False
        self._ended = False
        self._eof_delivered = False
        self._emptied = asyncio.Event()

    def start(self, receiver: Receiver) -> None:
        """Begin to read."""
        self._receiver = receiver
        self._schedule()

    def send(self, frame: bytes) -> None:
        """Queue a frame for the far end."""
        far = self._far
        if far._ended or self._ended:
            return
        far._inbox.append(frame)
        far._inbox_bytes += len(frame)
        far._emptied.clear()
        far._schedule()

    def send_all(self, frames: list[bytes]) -> None:
        """Queue the frames of one loop turn, in order."""
        for frame in frames:
            self.send(frame)

    def hurry(self) -> None:
        """Nothing to do: delivery is in the next turn of the loop."""

    @property
    def congested(self) -> bool:
        """Whether the far end is not reading as fast as we write."""
        return self._far._inbox_bytes > HIGH_WATER_BYTES

    @property
    def unsent_bytes(self) -> int:
        """What is queued and not yet delivered."""
        return self._far._inbox_bytes

    async def drained(self) -> None:
        """Return when no longer congested, or closed."""
        while self.congested and not self._far._ended and not self._ended:
            await self._far._emptied.wait()

    def pause_reading(self) -> None:
        """Stop delivering frames, until resumed."""
        self._paused = True

    def resume_reading(self) -> None:
        """Deliver frames again."""
        self._paused = False
        self._schedule()

    async def flush(self) -> None:
        """Return when everything queued has been delivered, or cannot be."""
        while self._far._inbox and not self._far._ended and not self._ended:
            await self._far._emptied.wait()

    def close(self) -> None:
        """End both directions; the far end hears the end of the stream after what was queued."""
        if self._ended:
            return
        self._ended = True
        self._inbox.clear()
        self._inbox_bytes = 0
        self._emptied.set()
        self._far._emptied.set()
        self._far._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self._receiver is not None:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        if self._paused or self._receiver is None or self._eof_delivered:
            return
        frames, self._inbox = self._inbox, []
        self._inbox_bytes = 0
        self._emptied.set()
        if frames and not self._ended:
            self._receiver.receive_frames(frames)
        if self._far._ended and not self._ended and not self._eof_delivered:
            self._eof_delivered = True
            self._receiver.receive_eof()


def memory_pair() -> tuple[MemoryTransport, MemoryTransport]:
    """Two ends: what one sends, the other receives."""
    one, two = MemoryTransport(), MemoryTransport()
    one._far, two._far = two, one
    return one, two
