"""Stores that hold made-up sessions."""

from __future__ import annotations

from collections.abc import Sequence

from agent_server.conversation.events import Event
from agent_server.store.catalogue import Catalogue, SessionEntry
from agent_server.store.store import EventStore
from tests.conversation.stories import beginning, turn


def session_id(number: int) -> str:
    """Ids that differ at their beginnings."""
    return f"session_{number:02x}{'ab' * 15}"


def put(
    store: EventStore, catalogue: Catalogue, number: int, updated_at: str, events: Sequence[Event] = (), **more: object
) -> str:
    """Store a session of one turn, or of these events, that nobody owns any more."""
    name = session_id(number)
    cwd = str(more.pop("cwd", "/work"))
    epoch = store.create(name)
    first, *rest = events or (*beginning(cwd), *turn(1, f"ask {number}", f"answer {number}", 2))
    store.append(name, epoch, (first,))
    store.append(name, epoch, rest)
    store.release(name, epoch)
    known = {"title": f"Title {number}", "first_prompt": f"ask {number}", "turn_count": 1, **more}
    catalogue.put(SessionEntry(name, cwd, (cwd,), "2026-11-20T10:00:00.000Z", updated_at, **known))  # type: ignore[arg-type]
    return name
