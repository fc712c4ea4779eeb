"""What is still known of sessions that ended lately."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent_server.errors import SessionNotFound

if TYPE_CHECKING:
    from agent_server.sessions.description import Description

KEPT: Final = 256


class EndedSessions:
    """The last descriptions of the sessions that ended last, by session id (Req: SM-26)."""

    def __init__(self) -> None:
        self._descriptions: dict[str, Description] = {}

    def add(self, description: Description) -> None:
        """It ended just now; the one that ended first makes room."""
        self.forget(description.session_id)
        self._descriptions[description.session_id] = description
        if len(self._descriptions) > KEPT:
            del self._descriptions[next(iter(self._descriptions))]

    def get(self, session_id: str) -> Description:
        """The last description.

        Raises:
            SessionNotFound: no session of that id ended lately.
        """
        try:
            return self._descriptions[session_id]
        except KeyError:
            raise SessionNotFound(session_id) from None

    def forget(self, session_id: str) -> None:
        """It is live again, or deleted."""
        self._descriptions.pop(session_id, None)
