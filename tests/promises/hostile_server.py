"""A server of models that means harm: raw bytes on the loopback, from threads, so that a test may wait for a process.

A *play* is what is answered to a request: the bytes, piece by piece. The connection ends with them.
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

EVENT_STREAM = "text/event-stream"
JSON = "application/json"


@dataclass(frozen=True)
class Sent:
    """A request as it came; headers by their lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    head: bytes


Play: TypeAlias = Callable[[Sent], Iterable[bytes]]


class HostileServer:
    """``play`` answers requests for responses, ``listing`` those for lists of models. ``sent`` is what came."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.play: Play = lambda _: refusal(404)
        self.listing: Play = lambda _: refusal(404)
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    server._answer(self)
                except OSError:
                    pass  # who asked has gone

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def _answer(self, handler: socketserver.StreamRequestHandler) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = handler.rfile.readline()
            if not line:
                return
            head += line
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = handler.rfile.read(int(headers.get("content-length", "0")))
        method, path, _ = first.split(" ")
        sent = Sent(method, path, headers, body, head)
        self.sent.append(sent)
        for piece in (self.listing if method == "GET" else self.play)(sent):
            handler.connection.sendall(piece)
        handler.connection.shutdown(socket.SHUT_WR)
        handler.connection.settimeout(5.0)
        while handler.connection.recv(65536):
            pass

    @contextmanager
    def running(self) -> Iterator[HostileServer]:
        """Serve as long as the block lasts."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(10)


def head(status: int = 200, content_type: str = EVENT_STREAM, **headers: str) -> bytes:
    """The head of an answer whose body ends with the connection; ``retry_after`` is the header retry-after."""
    lines = [f"HTTP/1.1 {status} Said", f"content-type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def refusal(status: int, body: Any = None, **headers: str) -> tuple[bytes, ...]:
    """An error."""
    data = body if isinstance(body, bytes) else json.dumps(body or {"error": {"message": "no"}}).encode()
    return head(status, JSON, **headers), data


def event(data: Any, name: str = "") -> bytes:
    """An event of a stream."""
    shown = data if isinstance(data, bytes) else json.dumps(data).encode()
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + shown + b"\n\n"


def chat(*deltas: dict[str, Any], finish: str = "stop", usage: Any = None) -> Iterator[bytes]:
    """A whole response of Chat Completions."""
    yield head()
    for delta in deltas:
        yield event({"choices": [{"index": 0, "delta": delta}]})
    yield event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}], "usage": usage}) + event(b"[DONE]")
