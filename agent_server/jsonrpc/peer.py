"""One end of a JSON-RPC conversation, without I/O.

Rule 1: everything that decides whether a message is legal now lives here (and what a message is, in `messages`).
Rule 2: this file does not know which side of ACP it serves, nor any method's name.

Frames go in through `Peer.receive`; the other methods turn an intention into a frame for the caller to send. Two peers
wired back to back test each other.
"""

from __future__ import annotations

from typing import Any

from agent_server.jsonrpc.messages import (
    INVALID_REQUEST,
    Failure,
    Incoming,
    Notification,
    Request,
    RequestId,
    Success,
    Violation,
    decode,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
    unread,
    violation,
)


class LocalProtocolError(Exception):
    """We tried to say something that JSON-RPC forbids: always a bug on this side."""


class Peer:
    """Correlates requests and responses in both directions.

    Invariants, kept here and nowhere else:

    * every request received is answered exactly once (promise P1);
    * no id is in flight twice in one direction;
    * a response always belongs to a request that we sent and still wait for.
    """

    def __init__(self) -> None:
        self._last_id = 0
        self._asked: set[RequestId] = set()
        self._owed: set[RequestId] = set()

    @property
    def owed(self) -> frozenset[RequestId]:
        """Ids of received requests that still await our answer."""
        return frozenset(self._owed)

    def receive(self, frame: bytes | bytearray) -> Incoming:
        """Take one frame from the wire. A legal request is owed an answer from now on."""
        message = decode(frame)
        if isinstance(message, Notification):
            return message
        if isinstance(message, Request):
            if message.id in self._owed:
                # Answered with null: with its own id, the first request would seem to have failed.
                return violation(INVALID_REQUEST, "Invalid request", "this request id is already in flight", None)
            self._owed.add(message.id)
            return message
        return self._correlated(message)

    def refuse_oversized(self, head: bytes, limit_bytes: int) -> Success | Failure | Violation:
        """What becomes of a line that was skipped because it was longer than ``limit_bytes``."""
        return self._correlated(unread(head, f"the message is longer than {limit_bytes} bytes; it was skipped"))

    def _correlated(self, message: Success | Failure | Violation) -> Success | Failure | Violation:
        if isinstance(message, Violation):
            if message.request_id is not None and message.request_id in self._owed:
                return violation(INVALID_REQUEST, "Invalid request", message.reason, None)
            return message
        if message.id not in self._asked:
            return Violation("a response to no request of ours", None)
        self._asked.discard(message.id)
        return message

    def request(self, method: str, params: bytes) -> tuple[int, bytes]:
        """A new request: its id and its frame."""
        self._last_id = request_id = self._last_id + 1
        self._asked.add(request_id)
        return request_id, encode_request(request_id, method, params)

    def notification(self, method: str, params: bytes) -> bytes:
        """A notification's frame."""
        return encode_notification(method, params)

    def result(self, request_id: RequestId, result: bytes) -> bytes:
        """The answer to a request.

        Raises:
            LocalProtocolError: no such request is owed an answer.
        """
        self._settle(request_id)
        return encode_result(request_id, result)

    def error(self, request_id: RequestId, code: int, message: str, data: Any = None) -> bytes:
        """The refusal of a request.

        Raises:
            LocalProtocolError: no such request is owed an answer.
            TypeError: the error is not JSON. The request is still owed an answer.
        """
        frame = encode_error(request_id, code, message, data)
        self._settle(request_id)
        return frame

    def forget(self, request_id: RequestId) -> None:
        """Wait no longer for the answer to one of our requests; a late one is ignored."""
        self._asked.discard(request_id)

    def _settle(self, request_id: RequestId) -> None:
        if request_id not in self._owed:
            raise LocalProtocolError(f"request {request_id!r} was never received, or is answered already")
        self._owed.discard(request_id)
