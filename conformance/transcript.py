"""Everything that went over one pipe, both ways, and what answers what."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from conformance.schema import Schema

Sender = Literal["agent", "client"]
SHOWN_CHARACTERS = 2000


@dataclass(slots=True, eq=False)
class Entry:
    """One line. ``value`` is what it says as JSON, `UNREADABLE` if it is none.

    ``asked`` is the request that a response answers; ``repeated`` says that this request was answered before. ``at``:
    seconds since the conversation began.
    """

    sender: Sender
    at: float
    line: bytes
    value: Any
    asked: Entry | None = None
    repeated: bool = False
    answer: Entry | None = None
    message: Mapping[str, Any] = field(init=False, repr=False)
    """The line as an object; an empty one if it is none."""
    method: str | None = field(init=False, repr=False)
    """The method of a request or a notification."""
    params: Mapping[str, Any] = field(init=False, repr=False)
    """The params; an empty object if there are none, or no object."""

    def __post_init__(self) -> None:
        self.message = self.value if isinstance(self.value, dict) else {}
        method, params = self.message.get("method"), self.message.get("params")
        self.method = method if isinstance(method, str) else None
        self.params = params if isinstance(params, dict) else {}

    @property
    def is_request(self) -> bool:
        return self.method is not None and "id" in self.message

    @property
    def is_notification(self) -> bool:
        return self.method is not None and "id" not in self.message

    @property
    def is_response(self) -> bool:
        message = self.message
        return "method" not in message and ("result" in message or "error" in message)

    @property
    def result(self) -> Mapping[str, Any]:
        """The result of a response; an empty object if it is an error, or no object."""
        result = self.message.get("result")
        return result if isinstance(result, dict) else {}

    @property
    def update(self) -> Mapping[str, Any]:
        """The update of a ``session/update``; an empty object for anything else."""
        update = self.params.get("update") if self.method == "session/update" else None
        return update if isinstance(update, dict) else {}

    @property
    def update_kind(self) -> str | None:
        kind = self.update.get("sessionUpdate")
        return kind if isinstance(kind, str) else None

    @property
    def session_id(self) -> str | None:
        """The session that the params name."""
        session_id = self.params.get("sessionId")
        return session_id if isinstance(session_id, str) else None

    def shown(self) -> str:
        """The line for people, cut off where it is very long."""
        text = self.line.decode("utf-8", "backslashreplace")
        if len(text) > SHOWN_CHARACTERS:
            text = f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"
        return f"{self.at:8.3f} {'<-' if self.sender == 'agent' else '->'} {text}"


UNREADABLE: Any = object()


def read_json(line: bytes) -> Any:
    """The value of a line, `UNREADABLE` if it is no JSON.

    A line with bytes that are no UTF-8 is read with those replaced, so that one that is wrong in this alone is not
    missed as an answer; half a surrogate pair, written as an escape, is JSON.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(line.decode("utf-8", "replace"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return UNREADABLE


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


@dataclass(slots=True, eq=False)
class Transcript:
    """One conversation. ``title`` says which check held it; ``offered`` are the client's capabilities, as it sent them.

    ``notes`` hold what is no line: that the agent exited, with what status, what it said on stderr. ``schema``: what
    the messages are held against.
    """

    title: str
    offered: Mapping[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    schema: Schema | None = None
    began: float = field(default_factory=time.monotonic)
    _open: dict[tuple[Sender, type, object], Entry] = field(default_factory=dict)
    _closed: dict[tuple[Sender, type, object], Entry] = field(default_factory=dict)

    def add(self, sender: Sender, line: bytes) -> Entry:
        """Record a line, without its newline, and find the request that it answers."""
        entry = Entry(sender, time.monotonic() - self.began, line, read_json(line))
        self.entries.append(entry)
        if entry.is_request:
            self._opens(entry)
        elif sender == "client" and isinstance(entry.value, list):
            # No agent has to take a batch; what answers one that it took is no answer out of nowhere.
            for item in entry.value:
                inner = Entry(sender, entry.at, line, item)
                if inner.is_request:
                    self._opens(inner)
        elif entry.is_response and "id" in entry.message:
            self._close(entry, _key("client" if sender == "agent" else "agent", entry.message["id"]))
        return entry

    def _opens(self, entry: Entry) -> None:
        key = _key(entry.sender, entry.message["id"])
        self._open[key] = entry
        self._closed.pop(key, None)

    def _close(self, entry: Entry, key: tuple[Sender, type, object]) -> None:
        asked = self._open.pop(key, None)
        if asked is not None:
            self._closed[key] = asked
            entry.asked, asked.answer = asked, entry
        elif key in self._closed:
            entry.asked, entry.repeated = self._closed[key], True

    def note(self, text: str) -> None:
        """Record something that is no line."""
        self.notes.append(f"{time.monotonic() - self.began:8.3f} -- {text}")

    def sent_by(self, sender: Sender) -> Iterator[Entry]:
        """The lines of one side."""
        return (entry for entry in self.entries if entry.sender == sender)

    def updates(self, *kinds: str) -> list[Entry]:
        """The agent's updates of these kinds, or all."""
        return [
            entry
            for entry in self.entries
            if entry.sender == "agent" and entry.update_kind is not None and (not kinds or entry.update_kind in kinds)
        ]

    def shown(self) -> str:
        """All of it, for people."""
        lines = sorted([entry.shown() for entry in self.entries] + self.notes, key=lambda line: float(line[:8]))
        return "\n".join([f"# {self.title}", *lines])


def _key(sender: Sender, request_id: object) -> tuple[Sender, type, object]:
    hashable = request_id if isinstance(request_id, str | int | float | None) else repr(request_id)
    return sender, type(request_id), hashable
