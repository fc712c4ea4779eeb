"""A model server that does wrong on purpose: bytes on a socket of the loopback, written by the test.

A *play* is what the server does with one request. Each request gets the next play; the last one is played again.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

EVENT_STREAM = "text/event-stream"


@dataclass(slots=True)
class Received:
    """A request as it came; headers by their lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def length(self) -> int:
        """How long the body is, by its header."""
        return int(self.headers.get("content-length", "0"))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def received(head: bytes) -> Received:
    """The request that begins with this head."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ")
    return Received(method, path, headers)


class Line:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Each piece in a segment of its own, as far as the system goes along with that."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the client has closed it."""
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            pass

    def reset(self) -> None:
        """Close it so that the other side hears of a reset, not of an end."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def request(self) -> Received | None:
        """The next request; None if there is none."""
        try:
            request = received(await self._reader.readuntil(b"\r\n\r\n"))
            request.body = await self._reader.readexactly(request.length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return request


Play: TypeAlias = Callable[[Line, Received], Awaitable[bool | None]]
"""True: the connection is kept for another request; else it is closed."""


@dataclass(slots=True)
class FaultServer:
    """``received``: the requests so far. ``accepted``: how many connections there were. ``live``: those there are."""

    plays: list[Play]
    url: str = ""
    received: list[Received] = field(default_factory=list)
    accepted: int = 0
    live: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, holds: Callable[[FaultServer], bool], within_s: float = 5.0) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(within_s):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        self.accepted += 1
        self.live += 1
        try:
            kept: bool | None = True
            while kept and (request := await line.request()) is not None:
                play = self.plays[min(len(self.received), len(self.plays) - 1)]
                self.received.append(request)
                self._changed.set()
                kept = await play(line, request)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            writer.close()
            self.live -= 1
            self._changed.set()


@asynccontextmanager
async def fault_server(*plays: Play) -> AsyncIterator[FaultServer]:
    """Serve these plays on a port of the loopback."""
    server = FaultServer(list(plays))
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def head(status: int = 200, content_type: str = EVENT_STREAM, **headers: str) -> bytes:
    """The head of an answer whose body ends with the connection; ``retry_after`` is the header retry-after."""
    lines = [f"HTTP/1.1 {status} Said", f"content-type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """The data as a chunk of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


LAST_CHUNK = b"0\r\n\r\n"


def says(*pieces: bytes, kept: bool = False) -> Play:
    """Send these pieces, and close."""

    async def play(line: Line, _request: Received) -> bool:
        await line.send(*pieces)
        return kept

    return play


def refuses(status: int, body: Any = None, **headers: str) -> Play:
    """Answer with an error."""
    data = body if isinstance(body, bytes) else json.dumps(body or {"error": {"message": "no"}}).encode()
    return says(head(status, "application/json", content_length=str(len(data)), **headers), data)


def resets(*pieces: bytes) -> Play:
    """Send these pieces, and break off."""

    async def play(line: Line, _request: Received) -> None:
        await line.send(*pieces)
        line.reset()

    return play


def stalls(*pieces: bytes) -> Play:
    """Send these pieces, and then nothing more until the client goes."""

    async def play(line: Line, _request: Received) -> None:
        await line.send(*pieces)
        await line.gone()

    return play


def text_chunk(text: str) -> bytes:
    """A delta of Chat Completions, as an event."""
    return event({"choices": [{"index": 0, "delta": {"content": text}}]})


def event(data: Any, name: str = "") -> bytes:
    """An event of a stream."""
    shown = data if isinstance(data, bytes) else json.dumps(data).encode()
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + shown + b"\n\n"


CHAT_END = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + event(b"[DONE]")


def chat(*texts: str) -> bytes:
    """A whole response of Chat Completions with these deltas."""
    return b"".join(map(text_chunk, texts)) + CHAT_END
