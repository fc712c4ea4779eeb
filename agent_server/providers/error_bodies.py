"""What the body of an error says, whichever server wrote it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from agent_server.providers.json_reading import json_of

MAX_DEPTH: Final = 6
MAX_TEXT_CHARS: Final = 20_000


@dataclass(slots=True)
class Told:
    """What an error says of itself.

    Attributes:
        message: the server's own sentence; empty where there is none.
        words: its types, codes, states and reasons, in lower case.
        text: everything that may be searched: the messages of all levels, or the body itself where it is no JSON.
        status: the HTTP status that it names.
        request_id: the id of the request that it names.
        retry_delay: when to try again, as it wrote that (``14s``).
    """

    message: str = ""
    words: set[str] = field(default_factory=set)
    text: str = ""
    status: int | None = None
    request_id: str | None = None
    retry_delay: str | None = None


def told(body: Any) -> Told:
    """Read the body of an error: bytes as they came, or what they hold."""
    if isinstance(body, bytes | bytearray):
        body = _decoded(bytes(body))
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, str):
        return Told(message=body.strip()[:MAX_TEXT_CHARS], text=body[:MAX_TEXT_CHARS])
    found = Told()
    if isinstance(body, dict):
        _look(body, found, 0)
        found.message = _message(body)
        found.text = found.text[:MAX_TEXT_CHARS]
    return found


def _decoded(body: bytes) -> Any:
    for data in (body, _first_data(body)):
        try:
            return json_of(data)
        except ValueError:
            continue
    return body.decode("utf-8", "replace")


def _first_data(body: bytes) -> bytes:
    """The data of the first event, where an error was written as a stream."""
    for line in body.splitlines():
        if line.startswith(b"data:"):
            return line[5:]
    return b""


def _look(value: Any, found: Told, depth: int) -> None:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value[:20]:
            _look(item, found, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _note(key, item, found)
            if isinstance(item, dict | list):
                _look(item, found, depth + 1)


def _note(key: str, item: Any, found: Told) -> None:
    if key in ("type", "code", "status", "status_code", "reason", "error_code", "error", "quotaId"):
        if type(item) is int:
            found.words.add(str(item))
        elif isinstance(item, str) and len(item) <= 100:
            found.words.add(item.lower())
    if key in ("code", "status", "status_code") and found.status is None:
        found.status = status_in(item)
    if isinstance(item, str):
        if key in ("message", "error", "detail", "msg", "raw", "error_description", "failed_generation_reason"):
            if len(found.text) < MAX_TEXT_CHARS:
                found.text += item[:MAX_TEXT_CHARS] + "\n"
        elif key == "request_id":
            found.request_id = item
        elif key == "retryDelay":
            found.retry_delay = item


def status_in(value: Any) -> int | None:
    """The HTTP status of an error that a value is, as a number or as text; None: it is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) == 3:
        value = int(value)
    return value if type(value) is int and 400 <= value <= 599 else None


def _message(body: dict[str, Any]) -> str:
    """The sentence for people: that of whoever is behind a relay, where the relay says nothing of its own."""
    sentences = list(_sentences(body, 0))
    error = body.get("error")
    relayed = error.get("metadata") if isinstance(error, dict) else None
    if isinstance(relayed, dict) and isinstance(relayed.get("raw"), str):
        inner = told(relayed["raw"].encode("utf-8", "replace")).message
        if inner:
            return inner
    return sentences[0] if sentences else ""


def _sentences(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if value.strip():
            yield value.strip()[:MAX_TEXT_CHARS]
    elif isinstance(value, list) and depth <= MAX_DEPTH:
        for item in value[:20]:
            yield from _sentences(item, depth + 1)
    elif isinstance(value, dict) and depth <= MAX_DEPTH:
        for key in ("error", "message", "detail", "msg", "error_description"):
            if key in value:
                yield from _sentences(value[key], depth + 1)
