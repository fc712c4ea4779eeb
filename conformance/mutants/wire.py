"""JSON-RPC on lines, as the agent of the mutants speaks it; each step is a method that a mutant can break."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]
Params = Mapping[str, Any]

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
INTERNAL_ERROR, NOT_FOUND = -32603, -32002

LATER: Any = object()
"""Returned by what serves a request that will be answered later."""


class Refused(Exception):
    """Answers a request with this error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Wire:
    """Takes bytes apart into messages and puts messages together; what they mean is a subclass's business."""

    def __init__(self) -> None:
        self.buffer = b""
        self.ids = 0
        self.asked: dict[Any, Callable[[Json], None]] = {}
        self.afterwards: list[Callable[[], None]] = []

    # -- in

    def feed(self, data: bytes) -> None:
        """What one read brought."""
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            self.line(line)

    def line(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            value = self.decode(line)
        except (ValueError, RecursionError):
            self.unreadable()
        else:
            self.value(value)

    def decode(self, line: bytes) -> Any:
        return json.loads(line.decode("utf-8"))

    def unreadable(self) -> None:
        self.refuse(None, PARSE_ERROR, "Parse error")

    def value(self, value: Any) -> None:
        if isinstance(value, list):
            self.batch(value)
        elif not isinstance(value, dict):
            self.no_object(value)
        elif "method" in value:
            self.call_in(value)
        elif "result" in value or "error" in value:
            self.response(value)
        else:
            self.refuse(None, INVALID_REQUEST, "This is no message")

    def batch(self, values: list[Any]) -> None:
        self.refuse(None, INVALID_REQUEST, "Batches are not supported")

    def no_object(self, value: Any) -> None:
        self.refuse(None, INVALID_REQUEST, "A message is an object")

    def call_in(self, message: Json) -> None:
        method, params = message["method"], message.get("params")
        if not isinstance(method, str):
            self.refuse(None, INVALID_REQUEST, "A method is a text")
        elif "id" not in message:
            self.notification(method, params)
        elif isinstance(message["id"], bool | float | list | dict):
            self.refuse(None, INVALID_REQUEST, "An id is a number or a text")
        else:
            self.request(message["id"], method, params)

    def request(self, request_id: Any, method: str, params: Any) -> None:
        try:
            result = self.serve(request_id, method, params)
        except Refused as refused:
            self.refuse(request_id, refused.code, refused.message)
        else:
            if result is not LATER:
                self.answer(request_id, method, result)
        while self.afterwards:
            self.afterwards.pop(0)()

    def serve(self, request_id: Any, method: str, params: Any) -> Any:
        """The result of a request, or `LATER`.

        Raises:
            Refused: it is answered with an error.
        """
        raise NotImplementedError

    def notification(self, method: str, params: Any) -> None:
        raise NotImplementedError

    def response(self, message: Json) -> None:
        request_id = message.get("id")
        known = None if isinstance(request_id, list | dict) else self.asked.pop(request_id, None)
        if known is None:
            self.stray(message)
        else:
            known(message)

    def stray(self, message: Json) -> None:
        """A response to nothing."""

    # -- out

    def answer(self, request_id: Any, method: str, result: Any) -> None:
        self.send({"jsonrpc": "2.0", "id": request_id, "result": result})

    def refuse(self, request_id: Any, code: int, message: str) -> None:
        self.send({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}})

    def notify(self, method: str, params: Json) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method: str, params: Json, answered: Callable[[Json], None]) -> Any:
        """Send a request of our own; its id."""
        request_id = self.next_id()
        self.asked[request_id] = answered
        self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return request_id

    def next_id(self) -> Any:
        self.ids += 1
        return self.ids

    def send(self, message: Json) -> None:
        self.write(self.encode(message) + b"\n")

    def encode(self, message: Any) -> bytes:
        return json.dumps(message, separators=(",", ":")).encode()

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(1, data) :]
