"""A log in pages, for readers that do not own it (Req: EV-01)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from agent_server.conversation.events import Event

PAGE_RECORDS: Final = 512

Page: TypeAlias = list[tuple[int, Event]]
Reader: TypeAlias = Callable[[int, int], Page]
"""Reads one log, as `EventStore.read` does: behind a seq, at most so many records."""


def pages(read: Reader, after: int = 0) -> Iterator[Page]:
    """The records whose last seq is beyond ``after``, oldest first, each with that seq. No page is empty.

    Raises:
        UnknownSession: there is no such log.
    """
    while records := read(after, PAGE_RECORDS):
        yield records
        after = records[-1][0]
