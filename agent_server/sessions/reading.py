"""Reading a stored log, to open its session again.

It goes through the log page by page and lets others run in between, so that a long log holds up nobody and is never in
memory twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from agent_server.conversation.events import Event
from agent_server.errors import SessionNotFound
from agent_server.sessions.loose_ends import LooseEnds
from agent_server.sessions.record import Record
from agent_server.store.store import EventStore

PAGE_RECORDS: Final = 512
KEPT_PAGES: Final = 32
"""What is decoded once for opening a session and telling it: enough for most, and not a second copy of a long log."""


class StoredSession:
    """A log that was read to its ``head``: what it says, and what it leaves open.

    ``pages`` are those of its beginning, where they will be wanted again at once. ``cut_short`` says that it leaves a
    turn open because a copy was to end there, and not because a session did.
    """

    def __init__(self) -> None:
        self.head = 0
        self.record = Record()
        self.loose_ends = LooseEnds(self.record)
        self.cut_short = False
        self.pages: deque[list[tuple[int, Event]]] = deque()

    def take(self, head: int, events: list[Event]) -> None:
        """The next events, and the seq of the last."""
        self.head = head
        self.record.apply(events)
        self.loose_ends.apply(events)

    def repairs(self) -> list[Event]:
        """The events that end what is open."""
        return self.loose_ends.repairs(cut_short=self.cut_short)


async def read_log(store: EventStore, session_id: str, cwd: str, *, keep: bool = False) -> StoredSession:
    """Read a whole log that nobody else writes to; ``keep``: with the first pages of it.

    Raises:
        SessionNotFound: it does not begin as the log of a session does.
        ValueError: the session works in another directory than ``cwd``.
        UnknownSession: there is no such log.
    """
    stored = StoredSession()
    while records := store.read(session_id, stored.head, PAGE_RECORDS):
        stored.take(records[-1][0], [event for _, event in records])
        if keep and len(stored.pages) < KEPT_PAGES:
            stored.pages.append(records)
        if stored.record.cwd != cwd:
            break
        await asyncio.sleep(0)
    if not stored.record.cwd:
        raise SessionNotFound(session_id)
    if stored.record.cwd != cwd:
        raise ValueError("the session works in another directory")
    return stored
