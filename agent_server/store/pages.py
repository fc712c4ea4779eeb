"""A log in pages, up to where it ended when reading began: for readers that do not own it (Req: EV-01)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent_server.conversation.events import Event
from agent_server.store.store import EventStore

PAGE_RECORDS: Final = 512


def pages(store: EventStore, session_id: str, after: int = 0) -> Iterator[list[tuple[int, Event]]]:
    """The records whose last seq is beyond ``after``, oldest first, each with that seq. No page is empty.

    What is appended meanwhile is left out, so that a busy session has an end.

    Raises:
        UnknownSession: there is no such log.
    """
    head = store.visible(session_id)
    while after < head:
        records = store.read(session_id, after, PAGE_RECORDS)
        wanted = [record for record in records if record[0] <= head]
        if not wanted:
            return
        yield wanted
        after = wanted[-1][0]
