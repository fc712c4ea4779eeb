"""Changing a session that is not live: what happened is one more event in its log."""

from __future__ import annotations

from agent_server.conversation.events import Event
from agent_server.errors import SessionNotFound
from agent_server.store.store import EventStore, UnknownSession


def append_to_stored(store: EventStore, session_id: str, event: Event) -> None:
    """Take the session over for this one event, and give it back.

    Raises:
        SessionNotFound: there is no such log.
        SessionBusy: another server owns it, and lives.
        NewerLog: a later version wrote to it.
    """
    try:
        epoch = store.acquire(session_id)
    except UnknownSession:
        raise SessionNotFound(session_id) from None
    try:
        store.append(session_id, epoch, (event,))
    finally:
        store.release(session_id, epoch)


def is_stored(store: EventStore, session_id: str) -> bool:
    """Whether there is a log."""
    try:
        store.visible(session_id)
    except UnknownSession:
        return False
    return True
