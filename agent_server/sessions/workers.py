"""The tasks of a supervisor: one for each session that was prompted, which is the crash boundary (promise P4)."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup

if TYPE_CHECKING:
    from agent_server.sessions.session import Session

logger = logging.getLogger(__name__)


class Workers:
    """Runs `Session.work` and what else a supervisor has to do. ``crashed`` hears which session broke, and by what."""

    def __init__(self, crashed: Callable[[Session, BaseException], None]) -> None:
        self._crashed = crashed
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._to_start: list[Session] = []
        self._group: TaskGroup | None = None
        self._early: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> bool:
        """Whether there is a task group."""
        return self._group is not None

    async def begin(self) -> None:
        """Open the task group, and start what was asked for before."""
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        for session in self._to_start:
            self._start(session)

    async def end(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Cancel what still runs, and close the task group."""
        assert self._group is not None
        self._group.cancel_scope.cancel()
        return await self._group.__aexit__(kind, error, trace)

    def spawn(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: object, name: str) -> None:
        """Run something that outlives whoever asked for it. It must raise nothing."""
        if self._group is not None:
            with _known_to_sniffio():
                self._group.start_soon(work, *arguments, name=name)
        else:  # the context was not entered yet
            task = asyncio.get_running_loop().create_task(work(*arguments), name=name)
            self._early.add(task)
            task.add_done_callback(self._early.discard)

    def ensure(self, session: Session) -> None:
        """Start the session's task, if it has none yet: sessions that are never prompted cost no task."""
        if session.instance_id not in self._scopes:
            with _known_to_sniffio():
                self._scopes[session.instance_id] = anyio.CancelScope()
                if self._group is None:
                    self._to_start.append(session)  # prompted before the context was entered
                else:
                    self._start(session)

    def stop(self, session: Session) -> None:
        """Cancel the session's task, if it has one."""
        scope = self._scopes.pop(session.instance_id, None)
        if scope is not None:
            scope.cancel()

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
            if was_stopped(error):
                raise
            self._crashed(session, error)


@contextmanager
def _known_to_sniffio() -> Iterator[None]:
    """What is inside may use anyio in a callback of the loop.

    Where sniffio is installed, anyio asks it which loop this is, and it sees asyncio's only inside of tasks.
    """
    sniffio = sys.modules.get("sniffio")
    if sniffio is None:
        yield
        return
    before, sniffio.thread_local.name = sniffio.thread_local.name, "asyncio"
    try:
        yield
    finally:
        sniffio.thread_local.name = before


def was_stopped(error: BaseException) -> bool:
    """Whether the current task ends because it was to; any other CancelledError is a failure like any other."""
    return isinstance(error, asyncio.CancelledError) and anyio.current_effective_deadline() == -math.inf
