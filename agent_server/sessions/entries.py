"""The catalogue's entries of sessions: written when somebody looks, and soon after a change where others may look.

A busy session changes its entry with every prompt, and hardly anybody looks; so a change is only noted. A catalogue
that other processes read is brought up to date half a second after the first change, in the thread of the disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from agent_server.sessions.status import Lifecycle
from agent_server.store.catalogue import Archived, Catalogue, SessionEntry

if TYPE_CHECKING:
    from agent_server.sessions.indexing import Indexing
    from agent_server.sessions.session import Session
    from agent_server.store.disk_worker import DiskWorker

logger = logging.getLogger(__name__)

T = TypeVar("T")

LATE_S: Final = 0.5
"""How far a shared catalogue may be behind."""


class Entries:
    """Keeps a catalogue in step with the sessions that live.

    Args:
        worker: where a shared catalogue is used; None where it is not shared.
    """

    def __init__(self, catalogue: Catalogue, worker: DiskWorker | None = None) -> None:
        self._catalogue = catalogue
        self._worker = worker if catalogue.shared else None
        self._changed: dict[Session, None] = {}
        self._pending: dict[str, SessionEntry] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.unsaved: set[str] = set()
        """The sessions whose entry could not be written."""
        self.indexing: Indexing | None = None
        """Who finds out what a shared catalogue does not know."""
        self._indexed = False
        self._alone = asyncio.Lock()

    def changed(self, session: Session) -> None:
        """The session's entry is no longer what it was."""
        self._changed[session] = None
        # Most sessions that editors open are never used; they are entered when this process looks, or ends.
        if self._worker is not None and self._timer is None and session.record.user_messages:
            self._timer = asyncio.get_running_loop().call_later(LATE_S, self._write_soon)

    def ended(self, session: Session) -> None:
        """The session is about to end: its entry is noted as it is now."""
        self._changed.pop(session, None)
        self._note(session)

    async def page(
        self, *, cwd: str | None = None, archived: Archived = "exclude", after: str | None = None, limit: int = 50
    ) -> tuple[list[SessionEntry], str | None]:
        """See `Catalogue.page`; with every session as it is now."""
        await self.written()
        await self._index()
        return await self._in_turn(
            lambda: self._catalogue.page(cwd=cwd, archived=archived, after=after, limit=limit)
        )

    async def get(self, session_id: str) -> SessionEntry | None:
        """The session's entry as it is now, or None."""
        await self.written()
        return await self._in_turn(lambda: self._catalogue.get(session_id))

    async def put(self, entry: SessionEntry) -> None:
        """Add the entry of a session that does not live, or replace it."""
        await self.put_all([entry])

    async def put_all(self, entries: list[SessionEntry]) -> None:
        """As `put`, for several."""
        await self._in_turn(lambda: self._catalogue.put_all(entries))

    async def remove(self, session_id: str) -> None:
        """Forget the session's entry."""
        self._pending.pop(session_id, None)
        for session in [one for one in self._changed if one.id == session_id]:
            del self._changed[session]
        await self._in_turn(lambda: self._catalogue.remove(session_id))

    async def written(self, *, used_only: bool = False) -> None:
        """Write every change. A catalogue that fails costs nobody anything but its being up to date."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for session in list(self._changed):
            if not used_only or session.record.user_messages:
                del self._changed[session]
                self._note(session)
        async with self._alone:  # whoever comes while others write waits for what they write
            pending, self._pending = self._pending, {}
            if not pending:
                return
            try:
                await self._in_turn(lambda: self._catalogue.put_all(pending.values()))
                self.unsaved.difference_update(pending)
            except Exception:
                self.unsaved.update(pending)
                logger.exception("%d sessions were not entered in the catalogue", len(pending))

    async def settled(self) -> None:
        """Write every change if that is quickly done: the end of the process.

        A shared catalogue that nobody has opened yet is left to whoever cleans up after this process.
        """
        if self._worker is None or self._catalogue.opened:
            await self.written()

    @property
    def up_to_date(self) -> bool:
        """Whether the catalogue holds every session as it is."""
        return not (self._changed or self._pending or self.unsaved or self._alone.locked())

    def _note(self, session: Session) -> None:
        if session.lifecycle is Lifecycle.TERMINATED or not session.spec.persist:
            return  # it may be deleted by now, or live again as another instance
        try:
            self._pending[session.id] = entry_of(session)
        except Exception:
            logger.exception("session %s cannot be entered in the catalogue", session.id)

    def _write_soon(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._write_and_index())

    async def _write_and_index(self) -> None:
        await self.written(used_only=True)
        if self.indexing is not None and not self._indexed and self.indexing.is_due():
            await self._index()

    async def _index(self) -> None:
        if self.indexing is None:
            return
        self._indexed = True
        try:
            anew = await self._in_turn(self._catalogue.begin)
            await self.indexing.up_to_date(anew=anew)
        except Exception:
            logger.exception("the list of sessions may lack some")

    async def _in_turn(self, use: Callable[[], T]) -> T:
        return use() if self._worker is None else await self._worker.run(use)


def entry_of(session: Session) -> SessionEntry:
    """What a list shows of the session."""
    record = session.record
    return SessionEntry(
        session.id,
        session.cwd,
        record.roots,
        record.created_at,
        session.updated_at,
        record.title,
        record.first_prompt,
        record.message_count,
        record.user_messages,
        session.model,
        session.archived,
        record.cost_usd,
    )
