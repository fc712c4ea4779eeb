"""The supervisor: makes, opens, finds, watches, restarts and ends the sessions of one process.

A session outlives the connection that made it. What breaks inside a session stays there: its open prompts fail, and it
lives again from its log as another instance; or, where that is of no use, one stopped event says so (promise P4).

Opening, copying and deleting read or remove a log, and so are done one after another for each session id, behind the
end of a session that is being stopped.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Final

import anyio

from agent_server.conversation.events import SessionCreated, TitleChanged
from agent_server.errors import SessionConflict, SessionNotFound
from agent_server.providers.provider import ModelInfo
from agent_server.sessions.beginnings import begin, resume, succeed
from agent_server.sessions.clock import Clock
from agent_server.sessions.entries import Entries
from agent_server.sessions.identity import new_instance_id, new_session_id
from agent_server.sessions.log import SessionLog
from agent_server.sessions.loop_turn import LoopTurn
from agent_server.sessions.one_at_a_time import OneAtATime
from agent_server.sessions.reclaim import IdleSessions
from agent_server.sessions.registry import Registry
from agent_server.sessions.restarts import Restart, Restarts, own_again
from agent_server.sessions.session import Session, checked_title
from agent_server.sessions.spec import SessionSpec, choose_model
from agent_server.sessions.status import Lifecycle
from agent_server.sessions.timestamps import later, ms_of, now_ms, rfc3339
from agent_server.sessions.workers import Workers
from agent_server.store.catalogue import Catalogue, MemoryCatalogue
from agent_server.store.store import EventStore, UnknownSession

if TYPE_CHECKING:
    from agent_server.sessions.reading import StoredSession

logger = logging.getLogger(__name__)

IDLE_TIMEOUT_S: Final = 4 * 3600.0


class SessionSupervisor(Registry):
    """The registry of live sessions, and the owner of their tasks. Use as an async context manager.

    Args:
        store: where the logs live.
        catalogue: what lists of sessions are made from; one in memory when none is given.
        on_stopped: the first to hear of every session that ended.
        on_status: the first to hear of every change of a session's status.
        idle_timeout_s: how long a session stays in memory that nobody sees and that does nothing; 0: for ever.

    Attributes:
        clock: the time that idle sessions and restarts go by.
        delays_s: how long an ``open`` and a ``restart`` take longer than they need, for tests.
        restarts: which sessions crashed and are about to live again.
    """

    def __init__(
        self,
        store: EventStore,
        catalogue: Catalogue | None = None,
        *,
        on_stopped: Callable[[Session, str], None] | None = None,
        on_status: Callable[[Session, str, str], None] | None = None,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
    ) -> None:
        self._store = store
        super().__init__()
        self._entries = Entries(catalogue if catalogue is not None else MemoryCatalogue())
        if on_status is not None:
            self.on_status.add(on_status)
        if on_stopped is not None:
            self.on_stopped.add(on_stopped)
        self._ending: dict[str, anyio.Event] = {}
        self._alone = OneAtATime()
        self._started = 0
        self._loop_turn = LoopTurn()
        self._workers = Workers(self.crash)
        self._shut = False
        self.clock = Clock()
        self.delays_s: dict[str, float] = {}
        self._idle = IdleSessions(idle_timeout_s, self.clock, self._idle_is_over) if idle_timeout_s else None
        self.restarts = Restarts(self.clock.now, self._alone_with, self._revive, self.on_stopped.tell)
        self.ensure_working: Callable[[Session], None] = self._workers.ensure

    async def __aenter__(self) -> SessionSupervisor:
        await self._workers.begin()
        if self._idle is not None:
            self._idle.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """End every session (Req: SM-33)."""
        self._shut = True  # what is being opened now will not be
        if self._idle is not None:
            self._idle.end()
        for restart in self.restarts.all_pending():
            self._abandon(restart.session.id, "shutdown")
        async with anyio.create_task_group() as closers:
            for ending in list(self._ending.values()):
                closers.start_soon(ending.wait)
            for session in self.live():
                closers.start_soon(self._stop, session, "shutdown")
        return await self._workers.end(kind, error, trace)

    @property
    def catalogue(self) -> Catalogue:
        """What lists of sessions are made from, with every live session as it is now."""
        return self._entries.catalogue

    # Making

    def create(self, spec: SessionSpec, session_id: str | None = None) -> Session:
        """Make a session and register it. A failure leaves no trace, and spends no alias (Req: SM-02..SM-04).

        Raises:
            SessionExists: there is a log of the id that was given.
        """
        session_id = session_id or new_session_id()
        model = choose_model(spec)
        log = SessionLog(self._store, session_id, self._store.create(session_id), self._loop_turn)
        session = self._make(session_id, spec, model, log)
        try:
            begin(session)
        except BaseException:
            self._store.purge(session_id)
            raise
        self._register(session)
        return session

    async def open(self, session_id: str, spec: SessionSpec) -> Session:
        """The live session with this id; where there is none, its log is read and it lives again as a new instance.

        A turn that the log breaks off in ends as interrupted. ``spec`` is only for a session that was not live.

        Raises:
            SessionNotFound: there is no such log, or the supervisor has ended.
            SessionConflict: ``restart_pending``; it crashed, and will live again by itself (Req: SM-05).
            ValueError: the session works in another directory than the spec's.
        """
        return await self._live_or_opened(session_id, spec, may_create=False)

    async def open_or_create(self, session_id: str, spec: SessionSpec) -> Session:
        """As `open`; where there is no log of that id, one is begun (Req: SM-05)."""
        return await self._live_or_opened(session_id, spec, may_create=True)

    async def _live_or_opened(self, session_id: str, spec: SessionSpec, *, may_create: bool) -> Session:
        session = self._present(session_id)
        if session is not None:
            return session
        async with self._alone_with(session_id):
            session = self._present(session_id)
            if session is not None:
                return session
            if may_create and not self._shut and not self._is_stored(session_id):
                return self.create(spec, session_id)
            return await self._open(session_id, spec)

    def _present(self, session_id: str) -> Session | None:
        if self.restarts.pending(session_id) is not None:
            raise SessionConflict("restart_pending", "the session crashed and is about to live again")
        return self._sessions.get(session_id)

    async def _open(self, session_id: str, spec: SessionSpec) -> Session:
        from agent_server.sessions.reading import read_log

        await self._delayed("open")
        try:
            epoch = self._store.acquire(session_id)
        except UnknownSession:
            raise SessionNotFound(session_id) from None
        try:
            stored = await read_log(self._store, session_id, spec.workspace.cwd)
            return self._resume(session_id, session_id, spec, epoch, stored)
        except BaseException:
            self._store.release(session_id, epoch)
            raise

    async def fork(self, session_id: str, spec: SessionSpec) -> Session:
        """A new session that goes on from where this one is: its log begins with a copy of the other's.

        Of a live session all completed turns are copied, and not the one that runs.

        Raises:
            SessionNotFound: there is no such log, or the supervisor has ended.
        """
        from agent_server.sessions.reading import copy_log

        async with self._alone_with(session_id):
            try:
                self._store.visible(session_id)
            except UnknownSession:
                raise SessionNotFound(session_id) from None
            whole = session_id not in self._sessions
            fork_id = new_session_id()
            created = SessionCreated(spec.workspace.cwd, tuple(spec.workspace.roots), rfc3339(now_ms()))
            epoch = self._store.create(fork_id)
            try:
                stored = await copy_log(self._store, session_id, fork_id, epoch, created, whole=whole)
                return self._resume(fork_id, session_id, spec, epoch, stored)
            except BaseException:
                self._store.purge(fork_id)
                raise

    def _resume(
        self, session_id: str, source_id: str, spec: SessionSpec, epoch: int, stored: StoredSession
    ) -> Session:
        """A session behind a log that was read; what only the catalogue knows comes from the source's entry."""
        if self._shut:
            raise SessionNotFound(session_id)
        entry = self.catalogue.get(source_id)
        same = entry if source_id == session_id else None
        model = choose_model(spec, stored.record.model, entry.model if entry is not None else None)
        log = SessionLog(self._store, session_id, epoch, self._loop_turn, stored.record, stored.head)
        session = self._make(session_id, spec, model, log)
        resume(
            session,
            stored.loose_ends.repairs(),
            ms_of(same.updated_at if same is not None else stored.record.created_at),
            archived=same is not None and same.archived,
        )
        self._register(session)
        return session

    def _make(
        self, session_id: str, spec: SessionSpec, model: ModelInfo, log: SessionLog, alias: str | None = None
    ) -> Session:
        alias = alias or f"session-{self._started + 1}"
        session = Session(session_id, new_instance_id(), alias, spec, model, log, self._entries, self.on_status)
        log.on_broken = lambda error: self.crash(session, error)
        if self._idle is not None:
            session.on_unattended = self._idle.note
        return session

    def _register(self, session: Session, former: Session | None = None) -> None:
        """It lives: as a session that was not there, or in the place of a former instance."""
        if former is None:
            self._started += 1
        self._sessions[session.id] = session
        session.entry_changed()
        self._ended.forget(session.id)
        if self._idle is not None:
            self._idle.note(session.id)
        if former is not None:
            self.on_restarted.tell(former, session, "crash")
        elif self.on_created:
            self.on_created.tell(session)
        if self.on_status:
            self.on_status.tell(session, session.status, Lifecycle.INITIALIZING.value)

    # Changing what is not live

    async def set_title(self, session_id: str, title: str) -> str:
        """Name a session, live or not; the title as it is kept (Req: ST-16).

        Raises:
            SessionNotFound: there is no such log.
            ValueError: see `Session.set_title`.
        """
        title = checked_title(title)
        async with self._alone_with(session_id):
            session = self._sessions.get(session_id)
            if session is not None:
                session.set_title(title)
                return title
            try:
                epoch = self._store.acquire(session_id)
            except UnknownSession:
                raise SessionNotFound(session_id) from None
            try:
                self._store.append(session_id, epoch, (TitleChanged(title, "user"),))
            finally:
                self._store.release(session_id, epoch)
            entry = self.catalogue.get(session_id)
            if entry is not None:
                updated_at = rfc3339(later(ms_of(entry.updated_at)))
                self.catalogue.put(entry._replace(title=title, updated_at=updated_at))
        return title

    async def set_archived(self, session_id: str, archived: bool) -> None:
        """Put a session out of the usual lists, or back. One that is live is closed first.

        Raises:
            SessionNotFound: it has no entry in the catalogue.
        """
        async with self._alone_with(session_id):
            if archived:
                self._abandon(session_id, "archived")
            session = self._sessions.get(session_id)
            if session is not None and archived:
                await self._stop(session, "archived")
            elif session is not None:
                session.archived = False
            entry = self.catalogue.get(session_id)
            if entry is None:
                raise SessionNotFound(session_id)
            if entry.archived != archived:
                self.catalogue.put(entry._replace(archived=archived))

    async def delete(self, session_id: str) -> None:
        """Forget a session and its log; one that is live is closed first. Without effect for an unknown id."""
        async with self._alone_with(session_id):
            self._abandon(session_id, "deleted")
            session = self._sessions.get(session_id)
            if session is not None:
                await self._stop(session, "deleted")
            elif self.catalogue.get(session_id) is None and not self._is_stored(session_id):
                return
            self._store.purge(session_id)
            self.catalogue.remove(session_id)
            self._ended.forget(session_id)

    def _is_stored(self, session_id: str) -> bool:
        try:
            self._store.visible(session_id)
        except UnknownSession:
            return False
        return True

    @asynccontextmanager
    async def _alone_with(self, session_id: str) -> AsyncIterator[None]:
        """Nobody else opens, copies, changes or deletes the session meanwhile, and none of its instances is ending."""
        async with self._alone.at(session_id):
            while (ending := self._ending.get(session_id)) is not None:
                await ending.wait()
            yield

    async def _delayed(self, where: str) -> None:
        if delay_s := self.delays_s.get(where):
            await anyio.sleep(delay_s)

    # Ending

    async def stop(self, session_id: str, reason: str = "closed") -> None:
        """Cancel its work, wait until its prompts are answered, and unregister it. Its log stays.

        Raises:
            SessionNotFound: none is live, or it is being stopped already (Req: SM-07, SM-23).
        """
        if not self._abandon(session_id, reason):
            await self._stop(self.get(session_id), reason)

    async def _stop(self, session: Session, reason: str) -> None:
        if self._sessions.get(session.id) is session:
            await self._begin_to_stop(session, reason).wait()

    def _begin_to_stop(self, session: Session, reason: str) -> anyio.Event:
        """Nobody finds it any more; the event tells that it has ended."""
        del self._sessions[session.id]
        ended = self._ending[session.id] = anyio.Event()
        # An end that has begun is completed, whether or not somebody still waits for it.
        self._workers.spawn(self._close, session, reason, name=f"end of {session.alias}")
        return ended

    async def _close(self, session: Session, reason: str) -> None:
        try:
            await session.close()
        except Exception:
            logger.exception("session %s was closed with a broken log", session.id)
        finally:
            try:
                self._end(session)
                self.on_stopped.tell(session, reason)
            except Exception:
                logger.exception("session %s did not end in order", session.id)
            finally:
                self._ending.pop(session.id).set()

    def _end(self, session: Session, error: str | None = None) -> None:
        """Stop its task, give its log back and answer what is still open."""
        self._workers.stop(session)
        if self._idle is not None:
            self._idle.forget(session.id)
        try:
            session.log.close()  # before any answer: what was streamed last leaves with it (promise P3)
        except Exception:
            logger.exception("the log of session %s was not given back", session.id)
        session.terminated(error)
        if not self._shut:  # else nobody is left to ask
            self._ended.add(session.info())

    # Idle sessions

    def _idle_is_over(self, session_id: str) -> None:
        """It may have been idle for long enough. One that is not saved stays, and is asked again (Req: EV-07)."""
        session = self._sessions.get(session_id)
        if session is None or not session.unattended:
            return
        if self._store.unsaved(session_id):
            session.left_alone()
        else:
            self._begin_to_stop(session, "idle_timeout")

    # Crashes

    def crash(self, session: Session, error: BaseException) -> None:
        """A session broke: by this, in its task or its log. Of no effect where it lives no more."""
        logger.error("session %s crashed", session.id, exc_info=error)
        if self._sessions.get(session.id) is not session:
            return
        del self._sessions[session.id]
        restart = self.restarts.plan(session) if self._workers.running and not self._shut else None
        self._end(session, f"the session crashed ({type(error).__name__})")
        if restart is not None:
            extra_s = self.delays_s.get("restart", 0.0)
            self._workers.spawn(self.restarts.run, restart, extra_s, name=f"restart of {session.alias}")
        else:
            running = self._workers.running and not self._shut
            self.on_stopped.tell(session, "restart_exhausted" if running else "crash")

    def _abandon(self, session_id: str, reason: str) -> bool:
        """Whether a restart was pending, of which nothing comes now."""
        restart = self.restarts.settle(session_id)
        if restart is not None:
            self.on_stopped.tell(restart.session, reason)
        return restart is not None

    async def _revive(self, restart: Restart) -> None:
        """The session lives again, unless nobody wants it any more."""
        old = restart.session
        epoch, stored = await own_again(self._store, old)
        if self.restarts.pending(old.id) is not restart:
            self._store.release(old.id, epoch)
            return
        try:
            self._register(self._again(old, epoch, stored), old)
        except BaseException:
            self._store.release(old.id, epoch)
            raise
        self.restarts.settle(old.id)

    def _again(self, old: Session, epoch: int, stored: StoredSession | None) -> Session:
        """The next instance of a session that crashed; who saw the session sees it now. None: its log is lost."""
        record = stored.record if stored is not None else old.record.emptied()
        spec = replace(old.spec, workspace=old.workspace, system_prompt=old.record.system_prompt)
        head = stored.head if stored is not None else self._store.visible(old.id)
        log = SessionLog(self._store, old.id, epoch, self._loop_turn, record, head)
        session = self._make(old.id, spec, choose_model(spec, record.model, old.model), log, old.alias)
        succeed(session, old, stored.loose_ends.repairs() if stored is not None else None)
        return session
