"""The catalogue: one entry for each session that has a log, for lists of sessions that need not read the logs.

Entries are ordered newest first. A page ends at a *position*, which names the order of its last entry and not a count,
so that sessions may come, go and change between two pages: whatever stays where it is, is shown once.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

_TIME_CHARS: Final = len("2026-01-01T00:00:00.000Z")

Archived: TypeAlias = Literal["exclude", "include", "only"]


class SessionEntry(NamedTuple):
    """What a list shows of a session (Req: ST-16).

    ``roots`` are all its directories, ``cwd`` first. Times are RFC 3339 in UTC with milliseconds. ``first_prompt`` is
    the beginning of what the user first said. ``message_count`` counts notes, messages, thoughts and tool calls,
    ``turn_count`` what the user said. ``cost_usd`` is None where no model call had a price.

    One is made for every turn that ends, so it is a named tuple: a frozen dataclass takes three times as long to make.
    """

    session_id: str
    cwd: str
    roots: tuple[str, ...]
    created_at: str
    updated_at: str
    title: str | None = None
    first_prompt: str | None = None
    message_count: int = 0
    turn_count: int = 0
    model: str | None = None
    archived: bool = False
    cost_usd: float | None = None


class Catalogue(Protocol):
    """Where the entries live. No method awaits.

    ``shared``: other processes use it too, so that its methods may take the time of a disk and of their locks.
    """

    shared: bool

    @property
    def opened(self) -> bool:
        """Whether it can be used without being opened first."""

    def begin(self) -> bool:
        """Open it; true if it is empty because it was made anew, so that whoever has the logs must fill it."""

    def put(self, entry: SessionEntry) -> None:
        """Add the session's entry, or replace it."""

    def put_all(self, entries: Iterable[SessionEntry]) -> None:
        """As `put`, for several."""

    def get(self, session_id: str) -> SessionEntry | None:
        """The session's entry, or None."""

    def page(
        self, *, cwd: str | None = None, archived: Archived = "exclude", after: str | None = None, limit: int = 50
    ) -> tuple[list[SessionEntry], str | None]:
        """At most ``limit`` entries, newest first by (updated_at, session_id), and the position behind the last.

        Args:
            cwd: only the sessions of exactly this directory.
            after: the position that an earlier page ended with; None begins.

        Returns the position None when nothing follows.

        Raises:
            ValueError: ``after`` is no position, or ``limit`` is below 1.
        """

    def remove(self, session_id: str) -> None:
        """Forget the session's entry. Without effect when there is none."""


class MemoryCatalogue:
    """A `Catalogue` in a dictionary: putting is cheap, a page looks at every entry."""

    shared = False
    opened = True

    def __init__(self) -> None:
        self._entries: dict[str, SessionEntry] = {}

    def begin(self) -> bool:
        """There is nothing to open."""
        return False

    def put(self, entry: SessionEntry) -> None:
        """Add or replace."""
        self._entries[entry.session_id] = entry

    def put_all(self, entries: Iterable[SessionEntry]) -> None:
        """Add or replace several."""
        for entry in entries:
            self.put(entry)

    def get(self, session_id: str) -> SessionEntry | None:
        """The entry, or None."""
        return self._entries.get(session_id)

    def page(
        self, *, cwd: str | None = None, archived: Archived = "exclude", after: str | None = None, limit: int = 50
    ) -> tuple[list[SessionEntry], str | None]:
        """One page, newest first."""
        if limit < 1:
            raise ValueError("a page holds at least one entry")
        before = read_position(after) if after is not None else None
        found = heapq.nlargest(limit + 1, self._matching(cwd, archived, before), key=_order)
        if len(found) <= limit:
            return found, None
        return found[:limit], write_position(found[limit - 1])

    def remove(self, session_id: str) -> None:
        """Forget the entry."""
        self._entries.pop(session_id, None)

    def _matching(
        self, cwd: str | None, archived: Archived, before: tuple[str, str] | None
    ) -> Iterator[SessionEntry]:
        for entry in self._entries.values():
            if archived != "include" and entry.archived != (archived == "only"):
                continue
            if (cwd is None or entry.cwd == cwd) and (before is None or _order(entry) < before):
                yield entry


def unused_since(catalogue: Catalogue, time: str) -> Iterator[SessionEntry]:
    """The sessions that last changed before a time, newest first; none that are archived, which is to be kept.

    What was given may be removed before more is read.
    """
    after: str | None = position_at(time)
    while after is not None:
        entries, after = catalogue.page(after=after)
        yield from entries


def position_at(time: str) -> str:
    """The position behind everything that changed at that time or later."""
    return f"{time} !"  # no id comes before that sign


def write_position(entry: SessionEntry) -> str:
    """The position behind an entry."""
    return f"{entry.updated_at} {entry.session_id}"


def read_position(text: str) -> tuple[str, str]:
    """The order (updated_at, session_id) that a position names.

    Raises:
        ValueError: it is no position.
    """
    updated_at, _, session_id = text.partition(" ")
    if len(updated_at) != _TIME_CHARS or not updated_at.endswith("Z") or not session_id:
        raise ValueError("no position in the catalogue")
    datetime.fromisoformat(updated_at)
    return updated_at, session_id


def _order(entry: SessionEntry) -> tuple[str, str]:
    return entry.updated_at, entry.session_id
