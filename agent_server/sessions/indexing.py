"""Making the catalogue right from the logs: after servers that died, and where there is no catalogue any more.

Whoever looks at a list does it first, so that nothing is missing there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from agent_server.sessions.reading import PAGE_RECORDS, StoredSession
from agent_server.sessions.timestamps import ms_of, rfc3339
from agent_server.store.catalogue import SessionEntry
from agent_server.store.instances import DeadInstance
from agent_server.store.store import EventStore, UnknownSession

if TYPE_CHECKING:
    from agent_server.sessions.entries import Entries
    from agent_server.store.leftovers import Leftovers

logger = logging.getLogger(__name__)

ENTRIES_AT_ONCE: Final = 200
MANY_SERVERS: Final = 32


async def entry_from(store: EventStore, session_id: str) -> SessionEntry | None:
    """What a list shows of a session, read from its log; None where that does not begin as one does.

    Raises:
        UnknownSession: there is no such log.
        OSError: it cannot be read.
    """
    stored = StoredSession()
    while page := store.read(session_id, stored.head, PAGE_RECORDS):
        stored.take(page[-1][0], [event for _, event in page])
        await asyncio.sleep(0)
    record = stored.record
    if not record.cwd:
        return None
    written_ms = store.written_ms(session_id)
    return SessionEntry(
        session_id,
        record.cwd,
        record.roots,
        record.created_at,
        rfc3339(max(written_ms or 0, ms_of(record.created_at))),
        record.title,
        record.first_prompt,
        record.message_count,
        record.user_messages,
        record.model,
        record.archived,
        record.cost_usd,
    )


class Indexing:
    """Brings the entries up to date with the logs of servers that died."""

    def __init__(self, store: EventStore, leftovers: Leftovers, entries: Entries) -> None:
        self._store = store
        self._leftovers = leftovers
        self._entries = entries
        self._alone = asyncio.Lock()

    def is_due(self) -> bool:
        """Whether so many servers have left something that it should not wait for somebody who looks at a list."""
        return self._leftovers.servers() >= MANY_SERVERS

    async def up_to_date(self, *, anew: bool) -> None:
        """Return when every session of every server that died has its entry.

        ``anew``: the catalogue was empty: all logs are read.
        """
        async with self._alone:
            for dead in self._leftovers.dead_instances():
                await self._clean_up_after(dead)
            if anew:
                await self._index(self._leftovers.session_ids())

    async def _clean_up_after(self, dead: DeadInstance) -> None:
        try:
            for session_id, beginning in dead.journal.beginnings.items():
                self._leftovers.give_a_file(session_id, beginning)
                await asyncio.sleep(0)
            if dead.journal.beginnings:
                self._leftovers.sync()
            await self._index(dead.journal.touched)
        except OSError:
            logger.warning("what a server left that died stays as it is", exc_info=True)
        else:
            dead.forget()

    async def _index(self, session_ids: Iterable[str]) -> None:
        found: list[SessionEntry] = []
        for session_id in session_ids:
            try:
                entry = await entry_from(self._store, session_id)
            except UnknownSession:  # deleted since
                await self._entries.remove(session_id)
            except OSError:
                logger.warning("the log of session %s cannot be read", session_id, exc_info=True)
            else:
                found += [entry] if entry is not None else []
            await asyncio.sleep(0)
            if len(found) >= ENTRIES_AT_ONCE:
                await self._entries.put_all(found)
                found = []
        if found:
            await self._entries.put_all(found)
