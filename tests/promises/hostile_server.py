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
from typing import Any, TypeAlias

from tests.providers.fault_server import Received, head, received

JSON = "application/json"


Play: TypeAlias = Callable[[Received], Iterable[bytes]]


class HostileServer:
    """``play`` answers requests for responses, ``listing`` those for lists of models. ``sent`` is what came."""

    def __init__(self) -> None:
        self.sent: list[Received] = []
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
        sent = received(head)
        sent.body = handler.rfile.read(sent.length)
        self.sent.append(sent)
        for piece in (self.listing if sent.method == "GET" else self.play)(sent):
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


def refusal(status: int, body: Any = None, **headers: str) -> tuple[bytes, ...]:
    """An error."""
    data = body if isinstance(body, bytes) else json.dumps(body or {"error": {"message": "no"}}).encode()
    return head(status, JSON, **headers), data
