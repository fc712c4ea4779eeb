"""Taking over the log of a session that does not live here, and why that may be refused."""

from __future__ import annotations

from agent_server.conversation.events import Event
from agent_server.errors import SessionConflict, SessionNotFound
from agent_server.store.store import EventStore, NewerLog, SessionBusy, UnknownSession


def owned(store: EventStore, session_id: str) -> int:
    """The epoch under which the session is owned from now on.

    Raises:
        SessionNotFound: there is no such log.
        SessionConflict: ``session_busy``, another process has it; ``newer_log``, a later version wrote to it.
    """
    try:
        return store.acquire(session_id)
    except UnknownSession:
        raise SessionNotFound(session_id) from None
    except SessionBusy as busy:
        raise busy_conflict(busy) from None
    except NewerLog as newer:
        raise SessionConflict("newer_log", str(newer)) from None


def busy_conflict(busy: SessionBusy) -> SessionConflict:
    """What a client is told of a session that another process has."""
    return SessionConflict("session_busy", str(busy), {"pid": busy.pid, "startedAt": busy.started_at})


def append_to(store: EventStore, session_id: str, event: Event) -> None:
    """Write an event into the log of a session that does not live here. Raises as `owned`."""
    epoch = owned(store, session_id)
    try:
        store.append(session_id, epoch, (event,))
    finally:
        store.release(session_id, epoch)


def is_stored(store: EventStore, session_id: str) -> bool:
    """Whether there is such a log."""
    try:
        store.visible(session_id)
    except UnknownSession:
        return False
    return True
