"""The supervisor: makes, finds, watches and ends the sessions of one process.

A session outlives the connection that made it. What breaks inside a session stays there: its open prompts fail, it
leaves the registry, and one stopped event says so (promise P4).
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import Callable
from types import TracebackType
from typing import TypeAlias
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from agent_server.errors import SessionNotFound
from agent_server.sessions.loop_turn import LoopTurn
from agent_server.sessions.session import Session, StatusListener
from agent_server.sessions.spec import SessionSpec
from agent_server.store.store import EventStore

logger = logging.getLogger(__name__)

StoppedListener: TypeAlias = Callable[[Session, str], None]


class SessionSupervisor:
    """The registry of live sessions, and the owner of their tasks. Use as an async context manager.

    Args:
        store: where the logs live.
        on_stopped: hears of every session that ended, once per instance, with the reason: ``closed``, ``crash`` or
            ``shutdown`` (Req: SM-14).
        on_status: hears of every change of a session's status.
    """

    def __init__(
        self,
        store: EventStore,
        *,
        on_stopped: StoppedListener | None = None,
        on_status: StatusListener | None = None,
    ) -> None:
        self._store = store
        self._on_stopped = on_stopped
        self._on_status = on_status
        self._sessions: dict[str, Session] = {}
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._started = 0
        self._loop_turn = LoopTurn()
        self._to_start: list[Session] = []
        self._group: TaskGroup | None = None

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
        async with anyio.create_task_group() as closers:
            for session_id in list(self._sessions):
                closers.start_soon(self._stop_quietly, session_id)
        self._group.cancel_scope.cancel()
        return await self._group.__aexit__(kind, error, trace)

    def create(self, spec: SessionSpec) -> Session:
        """Make a session and register it. A failure leaves no trace, and spends no alias (Req: SM-02..SM-04)."""
        session_id = f"session_{uuid4().hex}"
        alias = f"session-{self._started + 1}"
        instance_id = f"instance_{os.urandom(8).hex()}"
        session = Session(session_id, instance_id, alias, spec, self._store, self._loop_turn, self._on_status)
        session.log.on_broken = lambda error: self._crashed(session, error)
        self._started += 1
        self._sessions[session_id] = session
        return session

    def get(self, session_id: str) -> Session:
        """The live session with this id.

        Raises:
            SessionNotFound: none is live (Req: SM-12).
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionNotFound(session_id)
        return session

    def live(self) -> list[Session]:
        """Every live session, oldest first. Asks no session anything, so a busy one delays nobody."""
        return list(self._sessions.values())

    def ensure_working(self, session: Session) -> None:
        """Start the session's task, if it has none yet: sessions that are never prompted cost no task."""
        if session.id not in self._scopes:
            self._scopes[session.id] = anyio.CancelScope()
            if self._group is None:
                self._to_start.append(session)  # prompted before the context was entered
            else:
                self._start(session)

    def _start(self, session: Session) -> None:
        assert self._group is not None
        self._group.start_soon(self._watch, session, name=session.alias)

    async def stop(self, session_id: str, reason: str = "closed") -> None:
        """Cancel its work, wait until its prompts are answered, and unregister it. Its log stays.

        Raises:
            SessionNotFound: none is live, or it is being stopped already (Req: SM-07, SM-23).
        """
        session = self.get(session_id)
        del self._sessions[session_id]
        try:
            await session.close()
        except Exception:
            logger.exception("session %s was closed with a broken log", session_id)
        finally:
            self._end(session)
            self._tell(session, reason)

    async def _stop_quietly(self, session_id: str) -> None:
        try:
            await self.stop(session_id, "shutdown")
        except SessionNotFound:
            pass

    async def _watch(self, session: Session) -> None:
        """The crash boundary: nothing that breaks in a session gets past here."""
        with self._scopes[session.id]:
            try:
                await session.work()
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and anyio.current_effective_deadline() == -math.inf:
                    raise  # the session was stopped; any other CancelledError is a failure like any other
                self._crashed(session, error)

    def _crashed(self, session: Session, error: BaseException) -> None:
        logger.error("session %s crashed", session.id, exc_info=error)
        if self._sessions.pop(session.id, None) is None:
            return
        self._end(session, f"the session crashed ({type(error).__name__})")
        self._tell(session, "crash")

    def _end(self, session: Session, error: str | None = None) -> None:
        """Stop its task, answer what is still open, give its log back."""
        scope = self._scopes.pop(session.id, None)
        if scope is not None:
            scope.cancel()
        session.terminated(error)
        try:
            session.log.close()
        except Exception:
            logger.exception("the log of session %s was not given back", session.id)

    def _tell(self, session: Session, reason: str) -> None:
        if self._on_stopped is not None:
            try:
                self._on_stopped(session, reason)
            except Exception:
                logger.exception("a listener for the end of sessions failed")
