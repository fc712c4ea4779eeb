"""The scripted agent's end of the pipe: reads, writes and records every line. Standard library only."""

from __future__ import annotations

import fcntl
import json
import os
import select
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

READ_BYTES = 65536
INTERNAL_ERROR = -32603

Message = dict[str, Any]


class InputEnded(Exception):
    """The client closed our input, or reads no more."""


class Unanswered(Exception):
    """The client did not answer a request in time."""


class Refusal(Exception):
    """Answers the client's request with this error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Record:
    """One file for one process: a JSON object a line, locked as long as the process lives.

    ``{"at", "sender", "line", "label"?}`` for a line of either side, ``{"at", "note"}`` for anything else.
    """

    def __init__(self, directory: Path) -> None:
        name = f"{time.time_ns()}-{os.getpid()}.jsonl"
        self._file = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._directory = directory
        self._began = time.monotonic()

    @property
    def logged_in(self) -> bool:
        """Whether a login in a terminal was held in this run."""
        return (self._directory / "logged-in").exists()

    def log_in(self) -> None:
        """A login in a terminal was held."""
        (self._directory / "logged-in").touch()

    def line(self, sender: str, data: bytes, label: str | None = None) -> None:
        text = data.decode("utf-8", "surrogateescape")
        self._write({"sender": sender, "line": text, **({"label": label} if label else {})})

    def note(self, text: str) -> None:
        self._write({"note": text})

    def _write(self, row: Message) -> None:
        row["at"] = time.monotonic() - self._began
        os.write(self._file, json.dumps(row).encode() + b"\n")


Answer = Callable[["Wire", str, Mapping[str, Any]], Any]
"""Answers a request of the client: method and params to the result. May raise Refusal."""


class Wire:
    """Talks to the client, one thing at a time; while it waits it goes on answering what it is asked.

    ``timeout_s``: how long an answer of the client may take.
    """

    def __init__(self, record: Record, answer: Answer, timeout_s: float) -> None:
        self.record = record
        self.timeout_s = timeout_s
        self.called: set[str] = set()
        self.client_capabilities: Mapping[str, Any] = {}
        self._answer = answer
        self._buffer = bytearray()
        self._lines: deque[bytes] = deque()
        self._ids = 0
        self._answers: dict[Any, Message] = {}

    # -- out

    def send(self, message: Mapping[str, Any], label: str | None = None) -> None:
        self.send_raw([self.encoded(message, label)])

    def encoded(self, message: Mapping[str, Any], label: str | None = None) -> bytes:
        """The message as a line, recorded as said."""
        data = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False, separators=(",", ":")).encode()
        self.record.line("agent", data, label)
        return data + b"\n"

    def send_raw(self, pieces: list[bytes], pause_s: float = 0.0) -> None:
        """Write these pieces, each on its own."""
        for piece in pieces:
            unwritten = piece
            try:
                while unwritten:
                    unwritten = unwritten[os.write(sys.stdout.fileno(), unwritten) :]
            except OSError:
                raise InputEnded from None
            if pause_s:
                time.sleep(pause_s)

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        self.send({"method": method, "params": params})

    def ask(self, method: str, params: Mapping[str, Any], label: str, request_id: object = None) -> Message:
        """Ask the client and wait for its answer, the whole message.

        Raises:
            Unanswered: none came in time.
        """
        return self.wait_for(self.start(method, params, label, request_id))

    def start(self, method: str, params: Mapping[str, Any], label: str, request_id: object = None) -> object:
        """Ask the client; the id of the request."""
        request_id = self.next_id() if request_id is None else request_id
        self.send({"id": request_id, "method": method, "params": params}, label)
        return request_id

    def next_id(self) -> int:
        self._ids += 1
        return self._ids

    def heard(self, method: str) -> bool:
        """Whether the client has sent it as a notification (or, wrongly, as a request)."""
        return method in self.called

    def wait_for(self, request_id: object) -> Message:
        """The answer to a request.

        Raises:
            Unanswered: none came in time.
        """
        if not self.serve(lambda: request_id in self._answers, self.timeout_s):
            self.record.note(f"no answer to the request {request_id!r} within {self.timeout_s:g} s")
            raise Unanswered
        return self._answers.pop(request_id)

    # -- in

    def serve(self, until: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Take what the client says until this holds; False if it does not in time."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not until():
            line = self._next_line(deadline)
            if line is None:
                return False
            self._take(line)
        return True

    def listen(self, seconds: float) -> None:
        """Record what the client says meanwhile; it is taken later."""
        deadline = time.monotonic() + seconds
        held: list[bytes] = []
        while (line := self._next_line(deadline)) is not None:
            held.append(line)
        self._lines.extend(held)

    def _next_line(self, deadline: float | None) -> bytes | None:
        while not self._lines:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([0], [], [], wait)[0]:
                return None
            data = os.read(0, READ_BYTES)
            if not data:
                if self._buffer.strip():
                    self.record.line("client", bytes(self._buffer))
                self.record.note("the end of the input")
                raise InputEnded
            self._buffer += data
            *lines, rest = self._buffer.split(b"\n")
            self._buffer = bytearray(rest)
            for line in lines:
                if line.strip():
                    self.record.line("client", bytes(line))
                    self._lines.append(bytes(line))
        return self._lines.popleft()

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        method, request_id = message.get("method"), message.get("id")
        if not isinstance(method, str):
            if isinstance(request_id, int | str) and ("result" in message or "error" in message):
                self._answers[request_id] = message
            return
        self.called.add(method)
        if "id" in message:
            params = message.get("params")
            self._reply(request_id, method, params if isinstance(params, dict) else {})

    def _reply(self, request_id: object, method: str, params: Mapping[str, Any]) -> None:
        try:
            self.send({"id": request_id, "result": self._answer(self, method, params)})
        except Refusal as refusal:
            self.send({"id": request_id, "error": {"code": refusal.code, "message": refusal.message}})
