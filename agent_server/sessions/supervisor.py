"""The supervisor: makes, opens, finds, watches and ends the sessions of one process.

A session outlives the connection that made it. What breaks inside a session stays there: its open prompts fail, it
leaves the registry, and one stopped event says so (promise P4).

Opening, copying and deleting read or remove a log, and so are done one after another for each session id, behind the
end of a session that is being stopped.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final

import anyio
from anyio.abc import TaskGroup

from agent_server.conversation.events import ArchivedChanged, Event, SessionCreated, TitleChanged
from agent_server.errors import SessionConflict, SessionNotFound
from agent_server.providers.provider import ModelInfo
from agent_server.sessions.ended import EndedSessions
from agent_server.sessions.entries import Entries
from agent_server.sessions.listeners import Listeners
from agent_server.sessions.log import SessionLog
from agent_server.sessions.loop_turn import LoopTurn
from agent_server.sessions.one_at_a_time import OneAtATime
from agent_server.sessions.session import Session, checked_title
from agent_server.sessions.spec import SessionSpec, choose_model
from agent_server.sessions.status import Lifecycle
from agent_server.sessions.timestamps import later, ms_of, now_ms, rfc3339
from agent_server.store.catalogue import Catalogue, MemoryCatalogue, SessionEntry
from agent_server.store.store import EventStore, NewerLog, SessionBusy, UnknownSession

if TYPE_CHECKING:
    from agent_server.sessions.description import Description
    from agent_server.sessions.reading import StoredSession
    from agent_server.store.disk_worker import DiskWorker

logger = logging.getLogger(__name__)

_UUID4_MASK: Final = 0xF000 << 64 | 0xC000 << 48
_UUID4_MARK: Final = 0x4000 << 64 | 0x8000 << 48
"""The bits that say: a UUID, at random."""


class SessionSupervisor:
    """The registry of live sessions, and the owner of their tasks. Use as an async context manager.

    ``on_created``, ``on_status`` (session, status, status before) and ``on_stopped`` (session, reason) tell whoever
    is added to them. A status goes from ``initializing`` through those of `Session.status` to ``terminated``, each told
    once (Req: SM-28..SM-30, ST-07). The end is told once per instance; its reason is ``closed``, ``deleted``,
    ``archived``, ``crash`` or ``shutdown`` (Req: SM-14).

    Args:
        store: where the logs live.
        catalogue: what lists of sessions are made from; one in memory when none is given.
        worker: the thread in which a catalogue that other processes share is used.
        on_stopped: the first to hear of every session that ended.
        on_status: the first to hear of every change of a session's status.
    """

    def __init__(
        self,
        store: EventStore,
        catalogue: Catalogue | None = None,
        *,
        worker: DiskWorker | None = None,
        on_stopped: Callable[[Session, str], None] | None = None,
        on_status: Callable[[Session, str, str], None] | None = None,
    ) -> None:
        self._store = store
        self.entries = Entries(catalogue if catalogue is not None else MemoryCatalogue(), worker)
        """What lists of sessions are made from, with every live session as it is now."""
        self.on_created: Listeners[[Session]] = Listeners()
        self.on_status: Listeners[[Session, str, str]] = Listeners()
        self.on_stopped: Listeners[[Session, str]] = Listeners()
        self.on_save_trouble: Listeners[[Session, str | None]] = Listeners()
        if on_status is not None:
            self.on_status.add(on_status)
        if on_stopped is not None:
            self.on_stopped.add(on_stopped)
        self._sessions: dict[str, Session] = {}
        self._ending: dict[str, anyio.Event] = {}
        self._ended = EndedSessions()
        self._alone = OneAtATime()
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._started = 0
        self._loop_turn = LoopTurn()
        self._to_start: list[Session] = []
        self._group: TaskGroup | None = None
        self._shut = False
        self._kept_nowhere: EventStore | None = None

    async def __aenter__(self) -> SessionSupervisor:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        for session in self._to_start:
            self._start(session)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """End every session (Req: SM-33)."""
        assert self._group is not None
        self._shut = True  # what is being opened now will not be
        async with anyio.create_task_group() as closers:
            for ending in list(self._ending.values()):
                closers.start_soon(ending.wait)
            for session in self.live():
                closers.start_soon(self._stop, session, "shutdown")
        await self.entries.settled()
        self._group.cancel_scope.cancel()
        return await self._group.__aexit__(kind, error, trace)

    @property
    def store(self) -> EventStore:
        """Where the logs are, to be read by whoever wants to."""
        return self._store

    # Making

    def create(self, spec: SessionSpec) -> Session:
        """Make a session and register it. A failure leaves no trace, and spends no alias (Req: SM-02..SM-04)."""
        session_id = _new_id()
        model = choose_model(spec)
        store = self._store if spec.persist else self._forgetful()
        log = SessionLog(store, session_id, store.create(session_id, fresh=True), self._loop_turn)
        session = self._make(session_id, spec, model, log)
        try:
            session.begin()
        except BaseException:
            store.purge(session_id)
            raise
        self._register(session)
        return session

    async def open(self, session_id: str, spec: SessionSpec) -> Session:
        """The live session with this id; where there is none, its log is read and it lives again as a new instance.

        A turn that the log breaks off in ends as interrupted. ``spec`` is only for a session that was not live.

        Raises:
            SessionNotFound: there is no such log, or the supervisor has ended.
            ValueError: the session works in another directory than the spec's.
        """
        session = self._sessions.get(session_id)
        if session is not None:
            return session
        async with self._alone_with(session_id):
            session = self._sessions.get(session_id)
            return session if session is not None else await self._open(session_id, spec)

    async def _open(self, session_id: str, spec: SessionSpec) -> Session:
        from agent_server.sessions.reading import read_log

        epoch = self._acquire(session_id)
        try:
            stored = await read_log(self._store, session_id, spec.workspace.cwd)
            known = self._store.written_ms(session_id) is not None
            entry = None if known else await self.entries.get(session_id)
            return self._resume(session_id, spec, epoch, stored, entry)
        except BaseException:
            self._store.release(session_id, epoch)
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
            if not self._is_stored(session_id):
                raise SessionNotFound(session_id)
            whole = session_id not in self._sessions
            cut = None if message_id is None else await find_cut(self._store, session_id, message_id, live=not whole)
            fork_id = _new_id()
            created = SessionCreated(spec.workspace.cwd, tuple(spec.workspace.roots), rfc3339(now_ms()))
            epoch = self._store.create(fork_id, fresh=True)
            try:
                stored = await copy_log(self._store, session_id, fork_id, epoch, created, whole=whole, cut=cut)
                return self._resume(fork_id, spec, epoch, stored, await self.entries.get(session_id))
            except BaseException:
                self._store.purge(fork_id)
                raise

    def _acquire(self, session_id: str) -> int:
        """Take a session over that does not live here.

        Raises:
            SessionNotFound: there is no such log.
            SessionConflict: ``session_busy``, another process has it; ``newer_log``, a later version wrote to it.
        """
        try:
            return self._store.acquire(session_id)
        except UnknownSession:
            raise SessionNotFound(session_id) from None
        except SessionBusy as busy:
            raise _conflict(busy) from None
        except NewerLog as newer:
            raise SessionConflict("newer_log", str(newer)) from None

    def _append(self, session_id: str, event: Event) -> None:
        """Write an event into the log of a session that does not live here. Raises as `_acquire`."""
        epoch = self._acquire(session_id)
        try:
            self._store.append(session_id, epoch, (event,))
        finally:
            self._store.release(session_id, epoch)

    def _resume(
        self, session_id: str, spec: SessionSpec, epoch: int, stored: StoredSession, entry: SessionEntry | None
    ) -> Session:
        """A session behind a log that was read; ``entry`` is its own, or that of the session that it is a copy of."""
        if self._shut:
            raise SessionNotFound(session_id)
        same = entry if entry is not None and entry.session_id == session_id else None
        model = choose_model(spec, stored.record.model, entry.model if entry is not None else None)
        log = SessionLog(self._store, session_id, epoch, self._loop_turn, stored.record, stored.head)
        session = self._make(session_id, spec, model, log)
        times = [ms_of(same.updated_at if same is not None else stored.record.created_at)]
        if (written_ms := self._store.written_ms(session_id)) is not None:
            times.append(written_ms)
        session.resume(
            stored.repairs(),
            max(times),
            damage=self._store.damage(session_id),
        )
        self._register(session)
        return session

    def _forgetful(self) -> EventStore:
        """Where the sessions are that nobody wants kept (Req: ST-18)."""
        if self._kept_nowhere is None:
            from agent_server.store.memory import MemoryStore

            self._kept_nowhere = MemoryStore()
        return self._kept_nowhere

    def _make(self, session_id: str, spec: SessionSpec, model: ModelInfo, log: SessionLog) -> Session:
        alias = f"session-{self._started + 1}"
        instance_id = f"instance_{os.urandom(8).hex()}"
        session = Session(session_id, instance_id, alias, spec, model, log, self.entries, self.on_status)
        log.on_broken = lambda error: self._crashed(session, error)
        return session

    def _register(self, session: Session) -> None:
        self._started += 1
        self._sessions[session.id] = session
        session.entry_changed()
        self._ended.forget(session.id)
        if self.on_created:
            self.on_created.tell(session)
        if self.on_status:
            self.on_status.tell(session, session.status, Lifecycle.INITIALIZING.value)

    def save_trouble(self, session_id: str, error: OSError | None) -> None:
        """A session cannot be saved any more, or is saved again: say so, once (Req: PE-02)."""
        # Not from within: whoever appends just now is not done yet.
        asyncio.get_running_loop().call_soon(self._tell_save_trouble, session_id, error)

    def _tell_save_trouble(self, session_id: str, error: OSError | None) -> None:
        from agent_server.sessions.notices import tell_saving

        session = self._sessions.get(session_id)
        if session is not None:
            said = (error.strerror or type(error).__name__) if error is not None else None
            tell_saving(session.log, said)
            self.on_save_trouble.tell(session, said)

    # Finding

    def get(self, session_id: str) -> Session:
        """The live session with this id.

        Raises:
            SessionNotFound: none is live (Req: SM-12).
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionNotFound(session_id)
        return session

    def find(
        self, *, session_id: str | None = None, instance_id: str | None = None, alias: str | None = None
    ) -> Session:
        """The live session that has all of the given names (Req: SM-08..SM-10, SM-25).

        Raises:
            SessionNotFound: none has; a former instance of a session is none.
            ValueError: no name is given.
        """
        names = {"id": session_id, "instance_id": instance_id, "alias": alias}
        given = {name: value for name, value in names.items() if value is not None}
        if not given:
            raise ValueError("a session is found by its id, its instance id or its alias")
        some = self.live() if session_id is None else [self.get(session_id)]
        for session in some:
            if all(getattr(session, name) == value for name, value in given.items()):
                return session
        raise SessionNotFound(next(iter(given.values())))

    def live(self) -> list[Session]:
        """Every live session, oldest first. Asks no session anything, so a busy one delays nobody (Req: SM-11)."""
        return list(self._sessions.values())

    def description(self, session_id: str) -> Description:
        """What is known of a live session, or of one that ended lately (Req: SM-26).

        Raises:
            SessionNotFound: it is neither.
        """
        session = self._sessions.get(session_id)
        if session is not None:
            return session.info()
        return self._ended.get(session_id)

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
            self._append(session_id, TitleChanged(title, "user"))
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
            session = self._sessions.get(session_id)
            if session is not None and archived:
                await self._stop(session, "archived")
            elif session is not None:
                session.unarchive()
            entry = await self.entries.get(session_id)
            if entry is None:
                raise SessionNotFound(session_id)
            if entry.archived != archived:
                self._append(session_id, ArchivedChanged(archived))
                await self.entries.put(entry._replace(archived=archived))

    async def delete(self, session_id: str, *, unused_since: str | None = None) -> bool:
        """Forget a session and its log; whether there was one. One that is live is closed first.

        With ``unused_since``, RFC 3339, one that is live or has changed since is left alone.

        Raises:
            SessionConflict: ``session_busy``; another server has it.
        """
        async with self._alone_with(session_id):
            session = self._sessions.get(session_id)
            entry = await self.entries.get(session_id)
            if unused_since is not None and (session is not None or entry is None or entry.updated_at >= unused_since):
                return False
            if session is not None:
                await self._stop(session, "deleted")
            elif entry is None and not self._is_stored(session_id):
                return False
            try:
                self._store.purge(session_id)
            except SessionBusy as busy:
                raise _conflict(busy) from None
            await self.entries.remove(session_id)
            self._ended.forget(session_id)
            return True

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

    # Working

    def ensure_working(self, session: Session) -> None:
        """Start the session's task, if it has none yet: sessions that are never prompted cost no task."""
        if session.instance_id not in self._scopes:
            self._scopes[session.instance_id] = anyio.CancelScope()
            if self._group is None:
                self._to_start.append(session)  # prompted before the context was entered
            else:
                self._start(session)

    def _start(self, session: Session) -> None:
        assert self._group is not None
        scope = self._scopes.get(session.instance_id)
        if scope is not None:  # it has not ended meanwhile
            self._group.start_soon(self._watch, session, scope, name=session.alias)

    async def _watch(self, session: Session, scope: anyio.CancelScope) -> None:
        """The crash boundary: nothing that breaks in a session gets past here."""
        try:
            with scope:
                await self._work(session)
        except asyncio.CancelledError:  # after a model that swallowed a cancel; the group would take it for its own end
            logger.info("session %s ended late", session.id)

    async def _work(self, session: Session) -> None:
        try:
            await session.work()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and anyio.current_effective_deadline() == -math.inf:
                raise  # the session was stopped; any other CancelledError is a failure like any other
            self._crashed(session, error)

    # Ending

    async def stop(self, session_id: str, reason: str = "closed") -> None:
        """Cancel its work, wait until its prompts are answered, and unregister it. Its log stays.

        Raises:
            SessionNotFound: none is live, or it is being stopped already (Req: SM-07, SM-23).
        """
        await self._stop(self.get(session_id), reason)

    async def _stop(self, session: Session, reason: str) -> None:
        if self._sessions.get(session.id) is not session:
            return
        del self._sessions[session.id]
        ended = self._ending[session.id] = anyio.Event()
        if self._group is None:
            await self._close(session, reason)
        else:  # an end that has begun is completed, whether or not somebody still waits for it
            self._group.start_soon(self._close, session, reason, name=f"end of {session.alias}")
        await ended.wait()

    async def _close(self, session: Session, reason: str) -> None:
        try:
            await session.close()
        except Exception:
            logger.exception("session %s was closed with a broken log", session.id)
        finally:
            try:
                self._end(session, reason)
            except Exception:
                logger.exception("session %s did not end in order", session.id)
            finally:
                self._ending.pop(session.id).set()

    def _crashed(self, session: Session, error: BaseException) -> None:
        logger.error("session %s crashed", session.id, exc_info=error)
        if self._sessions.get(session.id) is session:
            del self._sessions[session.id]
            self._end(session, "crash", f"the session crashed ({type(error).__name__})")

    def _end(self, session: Session, reason: str, error: str | None = None) -> None:
        """Stop its task, give its log back, answer what is still open, and say so."""
        scope = self._scopes.pop(session.instance_id, None)
        if scope is not None:
            scope.cancel()
        try:
            session.log.close()  # before any answer: what was streamed last leaves with it (promise P3)
            if not session.spec.persist:
                self._forgetful().purge(session.id)
        except Exception:
            logger.exception("the log of session %s was not given back", session.id)
        session.terminated(error)
        if not self._shut:  # else nobody is left to ask
            self._ended.add(session.info())
        self.on_stopped.tell(session, reason)


def _conflict(busy: SessionBusy) -> SessionConflict:
    return SessionConflict("session_busy", str(busy), {"pid": busy.pid, "startedAt": busy.started_at})


def _new_id() -> str:
    """A random UUID of version 4 in hex; `uuid` would spend three times as long on it."""
    number = int.from_bytes(os.urandom(16), "big") & ~_UUID4_MASK | _UUID4_MARK
    return f"session_{number:032x}"
