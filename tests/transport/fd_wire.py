"""A transport in the middle of two real pipes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from agent_server.transport.fds import FdTransport

from .listening import Listener

MIB = 1024 * 1024


class Wire:
    """A transport in the middle of two pipes; we hold the outer ends."""

    def __init__(self, limit_bytes: int = 64 * MIB, read_ahead: bytes | None = None) -> None:
        self.their_stdin, self.say_fd = os.pipe()
        self.hear_fd, self.their_stdout = os.pipe()
        self.transport = FdTransport(
            self.their_stdin, self.their_stdout, limit_bytes=limit_bytes, read_ahead=read_ahead
        )
        self.listener = Listener()
        self._open = {self.say_fd, self.hear_fd}

    def say(self, data: bytes) -> None:
        assert os.write(self.say_fd, data) == len(data)

    def hang_up(self, fd: int) -> None:
        self._open.discard(fd)
        os.close(fd)

    def close(self) -> None:
        self.transport.close()
        for fd in list(self._open):
            self.hang_up(fd)


@contextmanager
def wired(limit_bytes: int = 64 * MIB, read_ahead: bytes | None = None) -> Iterator[Wire]:
    wire = Wire(limit_bytes, read_ahead)
    try:
        yield wire
    finally:
        wire.close()


def on_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work()

    asyncio.run(bounded())


def read_all(fd: int, until_bytes: int) -> bytes:
    """Exactly that many bytes."""
    data = bytearray()
    while len(data) < until_bytes:
        piece = os.read(fd, until_bytes - len(data))
        assert piece, "the stream ended early"
        data += piece
    return bytes(data)
