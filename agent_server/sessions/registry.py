"""The sessions that live in this process: finding them, and hearing of what becomes of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent_server.errors import SessionNotFound
from agent_server.sessions.ended import EndedSessions
from agent_server.sessions.listeners import Listeners

if TYPE_CHECKING:
    from agent_server.sessions.description import Description
    from agent_server.sessions.session import Session


class Registry:
    """The live sessions by their names, and what is still known of those that ended lately.

    ``on_created``, ``on_status`` (session, status, status before), ``on_restarted`` (the session as it was, as it is
    now, the reason) and ``on_stopped`` (session, reason) tell whoever is added to them. A status goes from
    ``initializing`` through those of `Session.status` to ``terminated``, each told once (Req: SM-28..SM-30, ST-07).
    ``on_save_trouble`` (session, what the disk says; None when it is over) tells of sessions that cannot be saved.
    The end is told once per instance: it was restarted, or it stopped, and the reason is ``closed``, ``deleted``,
    ``archived``, ``idle_timeout``, ``crash``, ``restart_exhausted`` or ``shutdown`` (Req: SM-14, SM-15).
    """

    def __init__(self) -> None:
        self.on_created: Listeners[[Session]] = Listeners()
        self.on_status: Listeners[[Session, str, str]] = Listeners()
        self.on_restarted: Listeners[[Session, Session, str]] = Listeners()
        self.on_stopped: Listeners[[Session, str]] = Listeners()
        self.on_save_trouble: Listeners[[Session, str | None]] = Listeners()
        self._sessions: dict[str, Session] = {}
        self._ended = EndedSessions()

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

    def get(self, session_id: str) -> Session:
        """The live session with this id.

        Raises:
            SessionNotFound: none is live (Req: SM-12).
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionNotFound(session_id)
        return session

    def lives(self, session: Session) -> bool:
        """Whether it is the live instance of its id."""
        return self._sessions.get(session.id) is session

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
