"""The JSON-RPC 2.0 messages and their text.

Decoding is strict where a wrong guess would corrupt a conversation (ids, the envelope) and silent where JSON-RPC says
so (responses are never answered). Whatever `decode` accepts can be encoded again: nesting and integers are bounded.

Spec: PROTOCOL framing and JSON-RPC; Req: JR-14, JR-17.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isinf
from typing import Any, Final, TypeAlias

import orjson

RequestId: TypeAlias = int | str | None

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
INTERNAL_ERROR: Final = -32603

MAX_DEPTH: Final = 128
"""Deepest nesting accepted. orjson reads 1,024 levels but writes only 254: what we could not echo is refused here."""

SHORT_FRAME_BYTES: Final = 2 * MAX_DEPTH
"""Up to this size, whatever is JSON cannot be nested too deep: each level is opened and closed."""

BIG_FRAME_BYTES: Final = 2 * 1024 * 1024
"""Above this size a frame is decoded by jiter: ten times faster on long strings, and without a second copy."""

MAX_ID_CHARS: Final = 4096
"""Longest string id accepted: it is echoed, and what we send is bounded."""

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
_UINT64_MAX: Final = 2**64 - 1

_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels, or holds a number above 64 bits"

_SECOND_LOOK_BYTES: Final = 4 * 1024 * 1024
"""Longer garbage is not worth a second look."""

_UNHOLDABLE: Final = "it holds half of a surrogate pair, or a number that is too big"

# Compiled when a frame is first found broken: that takes longer than everything else here.
_LEADING_ID: Final = (
    rb'\s*\{(?:\s*"(?:jsonrpc|method)"\s*:\s*"[^"\\]{0,256}"\s*,)*\s*"id"\s*:\s*(-?\d{1,19}|"[^"\\]{0,256}")\s*[,}]'
)
_LEADING_RESPONSE: Final = (
    rb'\s*\{(?:\s*"(?:jsonrpc|id)"\s*:\s*(?:-?\d{1,19}|null|"[^"\\]{0,256}")\s*,)*\s*"(?:result|error)"\s*:'
)
_HEAD_BYTES: Final = 4096


@dataclass(slots=True)
class Request:
    """The far end asks and wants an answer."""

    id: RequestId
    method: str
    params: Any


@dataclass(slots=True)
class Notification:
    """The far end tells and wants no answer."""

    method: str
    params: Any


@dataclass(slots=True)
class Success:
    """The far end answered one of our requests."""

    id: RequestId
    result: Any


@dataclass(slots=True)
class Failure:
    """The far end could not answer one of our requests."""

    id: RequestId
    code: int
    message: str
    data: Any


@dataclass(slots=True)
class Violation:
    """A frame that is not a legal message. ``reply`` is the frame to answer with, where JSON-RPC wants one.

    ``request_id`` is the id that the reply carries.
    """

    reason: str
    reply: bytes | None
    request_id: RequestId = None


Incoming: TypeAlias = Request | Notification | Success | Failure | Violation


def decode(frame: bytes | bytearray) -> Incoming:
    """One frame as a message; whatever is wrong with it comes back as a `Violation`."""
    try:
        body = orjson.loads(frame) if len(frame) <= BIG_FRAME_BYTES else _load_big(frame)
    except ValueError as error:
        return _unreadable(frame, error)
    if type(body) is not dict:
        if type(body) is list:
            return violation(INVALID_REQUEST, "Invalid request", "JSON-RPC batches are not supported", None)
        return violation(INVALID_REQUEST, "Invalid request", "a JSON-RPC message is an object", None)
    if "id" not in body and len(frame) <= SHORT_FRAME_BYTES:  # what streams are made of: `_classify` asks more
        method = body.get("method")
        if type(method) is str and body.get("jsonrpc") == "2.0":
            return Notification(method, body.get("params"))
    return _classify(body, frame)


def _load_big(frame: bytes | bytearray) -> Any:
    from pydantic_core import from_json

    return from_json(bytes(frame), allow_inf_nan=False, cache_strings="none")


def _unreadable(frame: bytes | bytearray, error: ValueError) -> Failure | Violation:
    if "limit exceeded" in str(error):  # so both parsers say: it is nested deeper than they read
        return unread(bytes(frame[:_HEAD_BYTES]), f"nested deeper than {MAX_DEPTH} levels")
    if is_response(head := bytes(frame[:_HEAD_BYTES])):  # whoever waits for it must not wait for ever
        return unread(head, "it is not JSON")
    if len(frame) <= _SECOND_LOOK_BYTES and leading_id(head) is not None and _is_json_by_grammar(frame):
        return unread(head, _UNHOLDABLE)
    return violation(PARSE_ERROR, "Parse error", f"the line is not JSON: {_position(error)}", None)


def _is_json_by_grammar(frame: bytes | bytearray) -> bool:
    """Whether it is JSON with something in it that has no value: programs write such, and want an answer."""
    import json

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(frame, parse_constant=refuse, parse_int=float)
    except (ValueError, RecursionError):
        return False
    return True


def _classify(body: dict[str, Any], frame: bytes | bytearray) -> Incoming:
    method = body.get("method")
    if method is None and ("result" in body or "error" in body):
        return _response(body, frame)
    request_id = body.get("id")
    if request_id is not None and not _legal_id(request_id):
        details = f"an id is a string of at most {MAX_ID_CHARS} characters, an int64 or null"
        return violation(INVALID_REQUEST, "Invalid request", details, None)
    if body.get("jsonrpc") != "2.0":
        return violation(INVALID_REQUEST, "Invalid request", 'the field jsonrpc must be "2.0"', request_id)
    if type(method) is not str:
        return violation(INVALID_REQUEST, "Invalid request", "the field method must be a string", request_id)
    if _too_deep(body, frame):
        return violation(INVALID_REQUEST, "Invalid request", _TOO_DEEP, request_id)
    if "id" in body:
        return Request(request_id, method, body.get("params"))
    return Notification(method, body.get("params"))


def _response(body: dict[str, Any], frame: bytes | bytearray) -> Incoming:
    request_id = body.get("id")
    if request_id is not None and not _legal_id(request_id):
        return Violation("a response with an illegal id", None)
    if _too_deep(body, frame):
        return Failure(request_id, INTERNAL_ERROR, "Internal error", {"details": f"the answer is {_TOO_DEEP}"})
    if body.get("error") is None:
        return Success(request_id, body.get("result"))
    error = body["error"]
    if type(error) is dict and type(error.get("code")) is int and type(error.get("message")) is str:
        return Failure(request_id, error["code"], error["message"], error.get("data"))
    return Failure(request_id, INTERNAL_ERROR, "the other side sent a malformed error object", None)


def _legal_id(value: Any) -> bool:
    kind = type(value)  # not isinstance: True is an int, but it is not 1
    return (kind is str and len(value) <= MAX_ID_CHARS) or (kind is int and _INT64_MIN <= value <= _INT64_MAX)


def _too_deep(body: dict[str, Any], frame: bytes | bytearray) -> bool:
    """Whether it nests too deep, or holds a number that orjson would not write again.

    Only big frames can hold such a number: orjson itself reads huge integers as floats and refuses 1e400.
    """
    size = len(frame)
    if size <= SHORT_FRAME_BYTES or (size <= BIG_FRAME_BYTES and frame.count(b"{") + frame.count(b"[") <= MAX_DEPTH):
        return False
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if any(_too_big(value) for value in level):
            return True
        level = [value for value in level if type(value) is dict or type(value) is list]
        if not level:
            return False
    return True


def _too_big(value: Any) -> bool:
    kind = type(value)
    return (kind is int and not _INT64_MIN <= value <= _UINT64_MAX) or (kind is float and isinf(value))


def _children(value: Any) -> Iterable[Any]:
    return value.values() if type(value) is dict else value


def _position(error: ValueError) -> str:
    text = str(error)
    return text if len(text) < 200 else "unreadable"


def leading_id(head: bytes) -> RequestId:
    """The id of a message of which only the beginning is known, if it stands before the params; else None."""
    match = re.match(_LEADING_ID, head)
    if match is None:
        return None
    try:
        value: int | str = orjson.loads(match[1])
    except ValueError:
        return None
    return value if _legal_id(value) else None


def is_response(head: bytes) -> bool:
    """Whether a message of which only the beginning is known is a response."""
    return re.match(_LEADING_RESPONSE, head) is not None


def unread(head: bytes, details: str) -> Failure | Violation:
    """What becomes of a message of which only the beginning was read: a response fails, anything else is refused."""
    request_id = leading_id(head)
    if is_response(head):
        return Failure(request_id, INTERNAL_ERROR, "Internal error", {"details": f"the answer: {details}"})
    return violation(INVALID_REQUEST, "Invalid request", details, request_id)


def violation(code: int, message: str, details: str, request_id: RequestId) -> Violation:
    """A frame to be answered with an error."""
    return Violation(details, encode_error(request_id, code, message, {"details": details}), request_id)


def encode_request(request_id: int, method: str, params: bytes) -> bytes:
    """A request; ``params`` is JSON text already."""
    return b'{"jsonrpc":"2.0","id":%d,"method":"%b","params":%b}' % (request_id, method.encode(), params)


def encode_notification(method: str, params: bytes) -> bytes:
    """A notification; ``params`` is JSON text already."""
    return b'{"jsonrpc":"2.0","method":"%b","params":%b}' % (method.encode(), params)


def encode_result(request_id: RequestId, result: bytes) -> bytes:
    """A successful response; ``result`` is JSON text already."""
    if type(request_id) is int:
        return b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (request_id, result)
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (orjson.dumps(request_id), result)


def encode_error(request_id: RequestId, code: int, message: str, data: Any = None) -> bytes:
    """A failed response."""
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "error": error})
