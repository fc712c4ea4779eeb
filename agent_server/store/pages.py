"""A log in pages, for readers that do not own it (Req: EV-01)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent_server.conversation.events import Event
from agent_server.store.store import EventStore

PAGE_RECORDS: Final = 512


def pages(store: EventStore, session_id: str, after: int = 0) -> Iterator[list[tuple[int, Event]]]:
    """The records whose last seq is beyond ``after``, oldest first, each with that seq. No page is empty.

    Raises:
        UnknownSession: there is no such log.
    """
    while records := store.read(session_id, after, PAGE_RECORDS):
        yield records
        after = records[-1][0]
