"""Reading a stored log: opening a session again, and copying it into another.

Both go through the log page by page and let others run in between, so that a long log holds up nobody and is never in
memory twice.
"""

from __future__ import annotations

import asyncio
from typing import Final

from agent_server.conversation.events import Event, SessionCreated, TurnEnded, TurnStarted
from agent_server.errors import SessionNotFound
from agent_server.sessions.loose_ends import LooseEnds
from agent_server.sessions.record import Record
from agent_server.store.store import EventStore

PAGE_RECORDS: Final = 512


class StoredSession:
    """A log that was read to its ``head``: what it says, and what it leaves open."""

    def __init__(self) -> None:
        self.head = 0
        self.record = Record()
        self.loose_ends = LooseEnds(self.record)

    def take(self, head: int, events: list[Event]) -> None:
        """The next events, and the seq of the last."""
        self.head = head
        self.record.apply(events)
        self.loose_ends.apply(events)


async def read_log(store: EventStore, session_id: str, cwd: str) -> StoredSession:
    """Read a whole log that nobody else writes to.

    Raises:
        SessionNotFound: it does not begin as the log of a session does.
        ValueError: the session works in another directory than ``cwd``.
        UnknownSession: there is no such log.
    """
    stored = StoredSession()
    while records := store.read(session_id, stored.head, PAGE_RECORDS):
        stored.take(records[-1][0], [event for _, event in records])
        if stored.record.cwd != cwd:
            break
        await asyncio.sleep(0)
    if not stored.record.cwd:
        raise SessionNotFound(session_id)
    if stored.record.cwd != cwd:
        raise ValueError("the session works in another directory")
    return stored


async def copy_log(
    store: EventStore, source_id: str, target_id: str, epoch: int, created: SessionCreated, *, whole: bool
) -> StoredSession:
    """Copy a log up to its present head behind an event of the copy's own, and read it on the way.

    A turn that is still open there is left out, unless the ``whole`` log is wanted.

    Raises:
        UnknownSession: there is no such log.
    """
    stored = StoredSession()
    stored.take(store.append(target_id, epoch, (created,)), [created])
    head, seq = store.visible(source_id), 0
    turn: list[Event] = []  # the events of a turn that has not ended yet
    while seq < head and (records := store.read(source_id, seq, PAGE_RECORDS)):
        seq = records[-1][0]
        copied: list[Event] = []
        for last, event in records:
            if last > head:
                break
            if turn or (type(event) is TurnStarted and not whole):
                turn.append(event)
                if type(event) is TurnEnded:
                    copied += turn
                    turn = []
            elif type(event) is not SessionCreated:
                copied.append(event)
        if copied:
            stored.take(store.append(target_id, epoch, copied), copied)
        await asyncio.sleep(0)
    return stored
