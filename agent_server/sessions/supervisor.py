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
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Final

import anyio

from agent_server.conversation.events import ArchivedChanged, SessionCreated, TitleChanged
from agent_server.errors import SessionConflict, SessionNotFound
from agent_server.providers.provider import ModelInfo
from agent_server.sessions.beginnings import begin, resume
from agent_server.sessions.clock import Clock
from agent_server.sessions.entries import Entries
from agent_server.sessions.identity import new_instance_id, new_session_id
from agent_server.sessions.log import SessionLog
from agent_server.sessions.loop_turn import LoopTurn
from agent_server.sessions.one_at_a_time import OneAtATime
from agent_server.sessions.owning import append_to, busy_conflict, is_stored, owned
from agent_server.sessions.reclaim import IdleSessions
from agent_server.sessions.registry import Registry
from agent_server.sessions.restarts import Restarts
from agent_server.sessions.session import Session, checked_title
from agent_server.sessions.spec import SessionSpec, choose_model
from agent_server.sessions.status import Lifecycle
from agent_server.sessions.timestamps import later, ms_of, now_ms, rfc3339
from agent_server.sessions.workers import Workers
from agent_server.store.catalogue import Catalogue, MemoryCatalogue, SessionEntry
from agent_server.store.store import EventStore, SessionBusy

if TYPE_CHECKING:
    from agent_server.sessions.reading import StoredSession
    from agent_server.store.disk_worker import DiskWorker

logger = logging.getLogger(__name__)

IDLE_TIMEOUT_S: Final = 4 * 3600.0


class SessionSupervisor(Registry):
    """The registry of live sessions, and the owner of their tasks. Use as an async context manager.

    Args:
        store: where the logs live.
        catalogue: what lists of sessions are made from; one in memory when none is given.
        worker: the thread in which a catalogue that other processes share is used.
        on_stopped: the first to hear of every session that ended.
        on_status: the first to hear of every change of a session's status.
        idle_timeout_s: how long a session stays in memory that nobody sees and that does nothing; 0: for ever.

    Attributes:
        store: where the logs are, to be read by whoever wants to.
        clock: the time that idle sessions and restarts go by.
        entries: what lists of sessions are made from, with every live session as it is now.
        delays_s: how long an ``open`` and a ``restart`` take longer than they need, for tests.
        restarts: which sessions crashed and are about to live again.
    """

    def __init__(
        self,
        store: EventStore,
        catalogue: Catalogue | None = None,
        *,
        worker: DiskWorker | None = None,
        on_stopped: Callable[[Session, str], None] | None = None,
        on_status: Callable[[Session, str, str], None] | None = None,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
    ) -> None:
        self.store = store
        super().__init__()
        self.entries = Entries(catalogue if catalogue is not None else MemoryCatalogue(), worker)
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
        self.delays_s = dict[str, float]()
        self._idle = IdleSessions(idle_timeout_s, self.clock, self._idle_is_over) if idle_timeout_s else None
        self.restarts = Restarts(self.clock.now, self._alone_with, self._make, self._register, self._stopped)
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
        await self.entries.settled()
        return await self._workers.end(kind, error, trace)

    # Making

    def create(self, spec: SessionSpec, session_id: str | None = None) -> Session:
        """Make a session and register it. A failure leaves no trace, and spends no alias (Req: SM-02..SM-04).

        Raises:
            SessionExists: there is a log of the id that was given.
        """
        fresh, session_id = session_id is None, session_id or new_session_id()
        model = choose_model(spec)
        store = self.store if spec.persist else self._forgetful
        log = SessionLog(store, session_id, store.create(session_id, fresh=fresh), self._loop_turn)
        session = self._make(session_id, spec, model, log)
        try:
            begin(session)
        except BaseException:
            store.purge(session_id)
            raise
        self._register(session)
        return session

    async def open(self, session_id: str, spec: SessionSpec) -> Session:
        """The live session with this id; where there is none, its log is read and it lives again as a new instance.

        A turn that the log breaks off in ends as interrupted. ``spec`` is only for a session that was not live. One
        that crashed and is about to live again is waited for.

        Raises:
            SessionNotFound: there is no such log, or the supervisor has ended.
            ValueError: the session works in another directory than the spec's.
        """
        await self.restarts.decided(session_id)
        return await self._live_or_opened(session_id, spec, may_create=False)

    async def open_or_create(self, session_id: str, spec: SessionSpec) -> Session:
        """As `open`; where there is no log of that id, one is begun.

        Raises:
            SessionConflict: ``restart_pending``; it crashed, and will live again by itself (Req: SM-05).
        """
        return await self._live_or_opened(session_id, spec, may_create=True)

    async def _live_or_opened(self, session_id: str, spec: SessionSpec, *, may_create: bool) -> Session:
        session = self._present(session_id)
        if session is not None:
            return session
        async with self._alone_with(session_id):
            session = self._present(session_id)
            if session is not None:
                return session
            try:
                return await self._open(session_id, spec)
            except SessionNotFound:
                if not may_create or self._shut:
                    raise
            return self.create(spec, session_id)

    def _present(self, session_id: str) -> Session | None:
        if self.restarts.pending(session_id) is not None:
            raise SessionConflict("restart_pending", "the session crashed and is about to live again")
        return self._sessions.get(session_id)

    async def _open(self, session_id: str, spec: SessionSpec) -> Session:
        from agent_server.sessions.reading import read_log

        await self._delayed("open")
        epoch = owned(self.store, session_id)
        try:
            stored = await read_log(self.store, session_id, spec.workspace.cwd)
            known = self.store.written_ms(session_id) is not None
            entry = None if known else await self.entries.get(session_id)
            return self._resume(session_id, spec, epoch, stored, entry)
        except BaseException:
            self.store.release(session_id, epoch)
            raise

    async def fork(self, session_id: str, spec: SessionSpec, message_id: int | None = None) -> Session:
        """A new session that goes on from where this one is: its log begins with a copy of the other's.

        Of a live session all completed turns are copied, and not the one that runs. With ``message_id`` the copy ends
        with that message or, if the user said it, before it (see `find_cut`).

        Raises:
            SessionNotFound: there is no such log, or the supervisor has ended.
            NoSuchMessage: there is no such message.
        """
        from agent_server.sessions.forking import copy_log, find_cut

        async with self._alone_with(session_id):
            if not is_stored(self.store, session_id):
                raise SessionNotFound(session_id)
            whole = session_id not in self._sessions
            cut = None if message_id is None else await find_cut(self.store, session_id, message_id, live=not whole)
            fork_id = new_session_id()
            created = SessionCreated(spec.workspace.cwd, tuple(spec.workspace.roots), rfc3339(now_ms()))
            epoch = self.store.create(fork_id, fresh=True)
            try:
                stored = await copy_log(self.store, session_id, fork_id, epoch, created, whole=whole, cut=cut)
                return self._resume(fork_id, spec, epoch, stored, await self.entries.get(session_id))
            except BaseException:
                self.store.purge(fork_id)
                raise

    def _resume(
        self, session_id: str, spec: SessionSpec, epoch: int, stored: StoredSession, entry: SessionEntry | None
    ) -> Session:
        """A session behind a log that was read; ``entry`` is its own, or that of the session that it is a copy of."""
        if self._shut:
            raise SessionNotFound(session_id)
        same = entry if entry is not None and entry.session_id == session_id else None
        model = choose_model(spec, stored.record.model, entry.model if entry is not None else None)
        log = SessionLog(self.store, session_id, epoch, self._loop_turn, stored.record, stored.head)
        session = self._make(session_id, spec, model, log)
        times = [ms_of(same.updated_at if same is not None else stored.record.created_at)]
        if (written_ms := self.store.written_ms(session_id)) is not None:
            times.append(written_ms)
        resume(
            session,
            stored.repairs(),
            max(times),
            damage=self.store.damage(session_id),
        )
        self._register(session)
        return session

    @cached_property
    def _forgetful(self) -> EventStore:
        """Where the sessions are that nobody wants kept (Req: ST-18)."""
        from agent_server.store.memory import MemoryStore

        return MemoryStore()

    def _make(
        self, session_id: str, spec: SessionSpec, model: ModelInfo, log: SessionLog, alias: str | None = None
    ) -> Session:
        alias = alias or f"session-{self._started + 1}"
        session = Session(session_id, new_instance_id(), alias, spec, model, log, self.entries, self.on_status)
        log.on_broken = lambda error: self.crash(session, error)
        if self._idle is not None and spec.persist:  # what is kept nowhere could not come back
            session.on_unattended = self._idle.note
        return session

    def _register(self, session: Session, former: Session | None = None) -> None:
        """It lives: as a session that was not there, or in the place of a former instance."""
        if former is None:
            self._started += 1
        self._sessions[session.id] = session
        session.entry_changed()
        self._ended.forget(session.id)
        session.left_alone()
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
            if (session := self._sessions.get(session_id)) is not None:
                session.set_title(title)
                return title
            append_to(self.store, session_id, TitleChanged(title, "user"))
            entry = await self.entries.get(session_id)
            if entry is not None:
                updated_at = rfc3339(later(ms_of(entry.updated_at)))
                await self.entries.put(entry._replace(title=title, updated_at=updated_at))
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
                session.unarchive()
            entry = await self.entries.get(session_id)
            if entry is None:
                raise SessionNotFound(session_id)
            if entry.archived != archived:
                append_to(self.store, session_id, ArchivedChanged(archived))
                await self.entries.put(entry._replace(archived=archived))

    async def delete(self, session_id: str, *, unused_since: str | None = None) -> bool:
        """Forget a session and its log; whether there was one. One that is live is closed first.

        With ``unused_since``, RFC 3339, one that is live or has changed since is left alone.

        Raises:
            SessionConflict: ``session_busy``; another server has it.
        """
        async with self._alone_with(session_id):
            self._abandon(session_id, "deleted")
            session = self._sessions.get(session_id)
            entry = await self.entries.get(session_id)
            if unused_since is not None and (session is not None or entry is None or entry.updated_at >= unused_since):
                return False
            if session is not None:
                await self._stop(session, "deleted")
            elif entry is None and not is_stored(self.store, session_id):
                return False
            try:
                self.store.purge(session_id)
            except SessionBusy as busy:
                raise busy_conflict(busy) from None
            await self.entries.remove(session_id)
            self._ended.forget(session_id)
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
                self._stopped(session, reason)
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

    def _stopped(self, session: Session, reason: str) -> None:
        """The instance has ended, and no other takes its place."""
        if not session.spec.persist:
            self._forgetful.purge(session.id)
        self.on_stopped.tell(session, reason)

    # Idle sessions

    def _idle_is_over(self, session_id: str) -> None:
        """It may have been idle for long enough. One that is not saved stays, and is asked again (Req: EV-07)."""
        session = self._sessions.get(session_id)
        if session is None or not session.unattended:
            return
        if session.log.unsaved:
            session.left_alone()
            return
        del self._sessions[session_id]  # nothing need be waited for, so there is no task for it
        session.terminating()
        self._end(session)
        self._stopped(session, "idle_timeout")

    # Crashes

    def crash(self, session: Session, error: BaseException) -> None:
        """A session broke: by this, in its task or its log. Of no effect where it lives no more."""
        logger.error("session %s crashed", session.id, exc_info=error)
        if self._sessions.get(session.id) is not session:
            return
        del self._sessions[session.id]
        can_restart = self._workers.running and not self._shut
        restart = self.restarts.plan(session) if can_restart else None
        self._end(session, f"the session crashed ({type(error).__name__})")
        if restart is not None:
            extra_s = self.delays_s.get("restart", 0.0)
            self._workers.spawn(self.restarts.run, restart, extra_s, name=f"restart of {session.alias}")
        else:
            self._stopped(session, "restart_exhausted" if can_restart else "crash")

    def _abandon(self, session_id: str, reason: str) -> bool:
        """Whether a restart was pending, of which nothing comes now."""
        restart = self.restarts.settle(session_id)
        if restart is not None:
            self._stopped(restart.session, reason)
        return restart is not None
