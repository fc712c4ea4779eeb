"""Which session an id stands for on one connection: the open ones, and those on the way to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from agent_server.client.session import RemoteSession
from agent_server.errors import SessionConflict, SessionNotFound

MAX_EARLY_SESSIONS: Final = 16
"""Session ids that an agent may use before it has answered the request that creates them."""


class SessionRegistry:
    """The sessions of a connection.

    Attributes:
        live: those that we opened and did not close, by id.
    """

    def __init__(self, make: Callable[[str], RemoteSession]) -> None:
        self.live: dict[str, RemoteSession] = {}
        self._make = make
        self._early: dict[str, RemoteSession] = {}
        self._opening = 0
        self._reopening: set[str] = set()

    def find(self, session_id: str) -> RemoteSession:
        """The session that the agent means.

        Raises:
            SessionNotFound: none that is open, or could be about to be.
        """
        session = self.live.get(session_id) or self._early.get(session_id)
        if session is not None:
            return session
        if not self._opening or len(self._early) >= MAX_EARLY_SESSIONS:
            raise SessionNotFound(session_id)
        session = self._early[session_id] = self._make(session_id)
        return session

    @contextmanager
    def opening(self) -> Iterator[None]:
        """The block asks for a new session: updates for ids that we do not know may be for that one."""
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1
            if self._opening == 0:
                for session in self._early.values():
                    session.abandon()
                self._early.clear()

    def opened(self, session_id: str) -> RemoteSession:
        """The new session is called that; what came for it is in there."""
        early = self._early.pop(session_id, None)
        session = self.live[session_id] = early or self._make(session_id)
        return session

    @contextmanager
    def reopening(self, session: RemoteSession) -> Iterator[None]:
        """The block asks for a session that exists: what comes from now on is for this object, unless the block fails.

        Raises:
            SessionConflict: that is being done already.
        """
        if session.id in self._reopening:
            raise SessionConflict("session_busy", "the session is being opened already")
        before = self.live.get(session.id)
        self._reopening.add(session.id)
        self.live[session.id] = session
        try:
            yield
        except BaseException:
            if before is not None and self.live.get(session.id) is session:
                self.live[session.id] = before
            raise
        finally:
            self._reopening.discard(session.id)

    def drop(self, session: RemoteSession) -> bool:
        """Nothing is for this object any more; whether nothing else stands for its id either."""
        session.abandon()
        if session.id not in self.live:
            return True
        if self.live[session.id] is not session:
            return False
        del self.live[session.id]
        return True

    def abandon_all(self) -> None:
        """The connection is over."""
        for session in [*self.live.values(), *self._early.values()]:
            session.abandon()
