"""The catalogue's entries of live sessions: written when somebody looks, and when a session ends.

A busy session changes its entry with every prompt, and hardly anybody looks; so a change is only noted.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent_server.sessions.status import Lifecycle
from agent_server.store.catalogue import Catalogue, SessionEntry

if TYPE_CHECKING:
    from agent_server.sessions.session import Session

logger = logging.getLogger(__name__)


class Entries:
    """Keeps a catalogue in step with the sessions that live."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._changed: dict[Session, None] = {}

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue, with every session as it is now."""
        if self._changed:
            for session in list(self._changed):
                self.put(session)
        return self._catalogue

    def changed(self, session: Session) -> None:
        """The session's entry is no longer what it was."""
        self._changed[session] = None

    def put(self, session: Session) -> None:
        """Write the session's entry now. A catalogue that fails costs the session nothing else."""
        self._changed.pop(session, None)
        if session.lifecycle is Lifecycle.TERMINATED:
            return  # it may be deleted by now, or live again as another instance
        try:
            self._catalogue.put(entry_of(session))
        except Exception:
            logger.exception("session %s was not entered in the catalogue", session.id)


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
