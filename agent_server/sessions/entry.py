"""A session as lists show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_server.store.catalogue import SessionEntry

if TYPE_CHECKING:
    from agent_server.sessions.session import Session


def entry_of(session: Session) -> SessionEntry:
    """What a list shows of the session."""
    record = session.record
    return SessionEntry(
        session.id,
        record.cwd,
        record.roots,
        record.created_at,
        session.updated_at,
        record.title,
        record.first_prompt,
        record.message_count,
        record.user_messages,
        session.model_info.id,
        session.archived,
        record.cost_usd,
    )
