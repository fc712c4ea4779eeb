"""Sessions that crashed and are to live again: when, how often, and who is waiting for it (Req: SM-15, promise P4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agent_server.sessions.beginnings import succeed
from agent_server.sessions.spec import SessionSpec, choose_model
from agent_server.sessions.workers import was_stopped
from agent_server.store.store import SessionBusy, UnknownSession

if TYPE_CHECKING:
    from agent_server.providers.provider import ModelInfo
    from agent_server.sessions.log import SessionLog
    from agent_server.sessions.reading import StoredSession
    from agent_server.sessions.session import Session

logger = logging.getLogger(__name__)

FIRST_DELAY_S: Final = 0.01
MAX_DELAY_S: Final = 0.1
MAX_RESTARTS: Final = 3
WINDOW_S: Final = 60.0


class Restart:
    """One session on its way back. ``session`` is the instance that crashed, ``over`` is set when all is decided."""

    __slots__ = ("over", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.over = asyncio.Event()


class Restarts:
    """The restarts of one supervisor.

    Args:
        now: the time, in seconds.
        alone_with: holds off whoever opens, copies or deletes the session of that id.
        make: a session of this id, spec, model, log and alias, that does not live yet.
        register: this one lives now in the place of that one.
        give_up: the session will not live again, for this reason.
    """

    def __init__(
        self,
        now: Callable[[], float],
        alone_with: Callable[[str], AbstractAsyncContextManager[None]],
        make: Callable[[str, SessionSpec, ModelInfo, SessionLog, str], Session],
        register: Callable[[Session, Session], None],
        give_up: Callable[[Session, str], None],
    ) -> None:
        self._now = now
        self._alone_with = alone_with
        self._make = make
        self._register = register
        self._give_up = give_up
        self._times: dict[str, list[float]] = {}
        self._pending: dict[str, Restart] = {}

    def pending(self, session_id: str) -> Restart | None:
        """The restart that is under way, or None."""
        return self._pending.get(session_id)

    async def decided(self, session_id: str) -> None:
        """Return when no restart of the session is under way: it lives, or it never will."""
        while (restart := self._pending.get(session_id)) is not None:
            await restart.over.wait()

    def all_pending(self) -> list[Restart]:
        """Every restart that is under way."""
        return list(self._pending.values())

    def plan(self, session: Session) -> Restart | None:
        """The session crashed and is to come back; None where it has done so too often lately."""
        if len(self._recent(session.id)) >= MAX_RESTARTS:
            return None
        restart = self._pending[session.id] = Restart(session)
        return restart

    def settle(self, session_id: str) -> Restart | None:
        """What was under way is decided: the session lives, or never will."""
        restart = self._pending.pop(session_id, None)
        if restart is not None:
            restart.over.set()
        return restart

    async def run(self, restart: Restart, extra_s: float = 0.0) -> None:
        """Wait, and bring the session back. What fails is tried again, and each attempt counts. Raises nothing."""
        session = restart.session
        await asyncio.sleep(extra_s + self._delay_s(session.id))
        async with self._alone_with(session.id):
            while self._pending.get(session.id) is restart:
                reason = await self._attempt(restart)
                if self._pending.get(session.id) is not restart:  # it lives, or somebody wanted its end
                    break
                if reason is None:
                    await asyncio.sleep(self._delay_s(session.id))
                else:
                    self.settle(session.id)
                    self._give_up(session, reason)

    async def _attempt(self, restart: Restart) -> str | None:
        """Why the session is to be given up; None: it lives, or this is to be tried again."""
        session_id = restart.session.id
        recent = self._recent(session_id)
        if len(recent) >= MAX_RESTARTS:
            return "restart_exhausted"
        self._times[session_id] = [*recent, self._now()]
        try:
            await self._revive(restart)
        except SessionBusy as busy:
            logger.warning("session %s is not restarted: %s", session_id, busy)
            return "crash"
        except BaseException as error:
            if was_stopped(error):
                raise
            logger.error("session %s could not be restarted", session_id, exc_info=error)
        return None

    async def _revive(self, restart: Restart) -> None:
        """The session lives again, unless nobody wants it any more; or this raises, and nothing has changed."""
        old = restart.session
        epoch, stored = await own_again(old)
        if self._pending.get(old.id) is not restart:
            old.log.store.release(old.id, epoch)
            return
        try:
            self._register(self._successor(old, epoch, stored), old)
        except BaseException:
            old.log.store.release(old.id, epoch)
            raise
        self.settle(old.id)

    def _successor(self, old: Session, epoch: int, stored: StoredSession | None) -> Session:
        """The next instance; who saw the session sees it now. ``stored`` None: its log is lost."""
        known = old.record
        record, head = known.emptied(), 0
        if stored is not None:
            record, head = stored.record, stored.head
        elif (visible := old.log.store.visible(old.id)) > 0:
            head = visible  # it is there, only nobody can read it
        spec = replace(
            old.spec,
            workspace=old.workspace,
            system_prompt=known.system_prompt,
            metadata=known.metadata,
            llm_config=known.llm_config,
        )
        model = choose_model(spec, record.model, old.model)
        session = self._make(old.id, spec, model, old.log.successor(epoch, record, head), old.alias)
        repairs = stored.loose_ends.repairs() if stored is not None else None
        succeed(session, old, repairs, old.log.store.damage(old.id))
        return session

    def _delay_s(self, session_id: str) -> float:
        return min(FIRST_DELAY_S * (1 << len(self._recent(session_id))), MAX_DELAY_S)

    def _recent(self, session_id: str) -> list[float]:
        """When the session was restarted lately. Whoever else was, but long ago, is forgotten."""
        since = self._now() - WINDOW_S
        self._times = {name: times for name, times in self._times.items() if times[-1] > since}
        return [time for time in self._times.get(session_id, ()) if time > since]


async def own_again(session: Session) -> tuple[int, StoredSession | None]:
    """The log of a session that crashed, owned again: its epoch, and what it says; None where it cannot be read.

    Raises:
        SessionBusy: another process has it by now.
        Exception: whatever the store raises where not even an empty log can be had.
    """
    from agent_server.sessions.reading import read_log

    store = session.log.store
    try:
        epoch = store.acquire(session.id)
    except UnknownSession:
        logger.error("the log of session %s is gone", session.id)
        return store.create(session.id), None
    try:
        return epoch, await read_log(store, session.id, session.cwd)
    except Exception:
        logger.exception("the log of session %s cannot be read", session.id)
        return epoch, None
    except BaseException:
        store.release(session.id, epoch)
        raise
