"""A receiver that remembers what it heard, and waits for more within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

WAIT_S = 10.0


class Listener:
    """Hears a transport: frames, (head, limit) of skipped lines, and how often the end came."""

    def __init__(self) -> None:
        self.heard: list[bytes | tuple[bytes, int]] = []
        self.deliveries: list[int] = []
        self.ends = 0
        self._news = asyncio.Event()

    @property
    def frames(self) -> list[bytes]:
        return [item for item in self.heard if isinstance(item, bytes)]

    def receive_frames(self, frames: list[bytes | bytearray]) -> None:
        self.deliveries.append(len(frames))
        self.heard += map(bytes, frames)
        self._news.set()

    def receive_oversized(self, head: bytes, limit_bytes: int) -> None:
        self.heard.append((head, limit_bytes))
        self._news.set()

    def receive_eof(self) -> None:
        self.ends += 1
        self._news.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not reached():
                self._news.clear()
                await self._news.wait()

    async def until_end(self) -> None:
        await self.until(lambda: self.ends > 0)


async def turns(count: int = 3) -> None:
    """Let the event loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)
