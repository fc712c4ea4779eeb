"""A server on loopback that keeps what it was asked, and answers what it is told to."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Asked:
    """One request: ``headers`` have lower-case names, ``body`` is decoded."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class RecordingServer:
    """``answers`` are the bodies of the event streams that it gives, one after another."""

    url: str
    answers: list[bytes]
    asked: list[Asked] = field(default_factory=list)


@contextlib.contextmanager
def recording(*answers: bytes) -> Iterator[RecordingServer]:
    """Serve until the block is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            recorder.asked.append(Asked(self.path, headers, body))
            answer = recorder.answers.pop(0)
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        recorder = RecordingServer(f"http://127.0.0.1:{server.server_address[1]}", list(answers))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join(10)
