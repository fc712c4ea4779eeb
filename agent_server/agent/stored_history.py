"""What a store holds of a session, for clients: as a document, or event by event."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from orjson import dumps

from agent_server.agent.fitting import MAX_UPDATE_BYTES
from agent_server.conversation.export import EmptySession, Format, exported
from agent_server.conversation.holdable import holdable
from agent_server.conversation.transcript import Transcript
from agent_server.errors import SessionConflict, SessionNotFound
from agent_server.store.codec import plain
from agent_server.store.pages import Reader, pages
from agent_server.store.store import UnknownSession

if TYPE_CHECKING:
    from agent_server.conversation.events import Event
    from agent_server.sessions.supervisor import SessionSupervisor

EVENTS_PAGE_BYTES: Final = 4 * 1024 * 1024


async def export_text(supervisor: SessionSupervisor, session_id: str, format_: Format) -> str:
    """The session as a document; others run while it is read and written.

    Raises:
        SessionNotFound: there is no such log.
        SessionConflict: ``empty``: nobody said anything; ``too_large``: it does not fit into a message.
    """
    log = _Log(supervisor, session_id)
    session_id = log.session_id
    entry = await supervisor.entries.get(session_id)
    transcript = Transcript(session_id, entry.updated_at if entry is not None else None)
    try:
        for page in pages(log.read):
            transcript.apply(event for _, event in page)
            await asyncio.sleep(0)
    except UnknownSession:
        raise SessionNotFound(session_id) from None
    transcript.note_damage(supervisor.store.damage(session_id))
    try:
        text, size = await asyncio.to_thread(_written, transcript, format_)
    except EmptySession as error:
        raise SessionConflict("empty", str(error)) from None
    if size > MAX_UPDATE_BYTES:
        command = f"agent-server sessions export {session_id} --format {'md' if format_ == 'markdown' else format_}"
        details = f"the document has {size} bytes, more than fit into a message; this writes it to a file: {command}"
        raise SessionConflict("too_large", f"{details} -o FILE")
    return text


def _written(transcript: Transcript, format_: Format) -> tuple[str, int]:
    text = exported(transcript, format_)
    return text, len(dumps(text))


def raw_events(supervisor: SessionSupervisor, session_id: str, after: int, limit: int) -> list[dict[str, Any]]:
    """The records whose last seq is beyond ``after``: at most ``limit``, and no more than fit into a message.

    Raises:
        SessionNotFound: there is no such log.
    """
    log = _Log(supervisor, session_id)
    try:
        records = log.read(after, limit)
    except UnknownSession:
        raise SessionNotFound(session_id) from None
    told: list[dict[str, Any]] = []
    size = 0
    for seq, event in records:
        shown, event_bytes = _fitting(event)
        if told and size + event_bytes > EVENTS_PAGE_BYTES:
            break
        size += event_bytes
        told.append({"seq": seq, "event": shown})
    return told


def _fitting(event: Event) -> tuple[dict[str, Any], int]:
    """An event as JSON can hold it and a message too, and its size."""
    shown = plain(event)
    try:
        size = len(dumps(shown))
    except TypeError:
        shown = holdable(shown)
        size = len(dumps(shown))
    if size > MAX_UPDATE_BYTES:
        return {"type": shown["type"], "notShown": f"{size} bytes"}, 0
    return shown, size


class _Log:
    """The log of a session that lives here, with all that was streamed until now, or of one that is stored.

    Raises:
        SessionNotFound: an alias was given, and no session that lives has it.
    """

    def __init__(self, supervisor: SessionSupervisor, session_id: str) -> None:
        self.session_id = session_id
        self.read: Reader = partial(supervisor.store.read, session_id)
        by_alias = session_id.startswith("session-")
        try:
            session = supervisor.find(alias=session_id) if by_alias else supervisor.get(session_id)
        except SessionNotFound:
            if by_alias:
                raise
            return
        session.log.flush()
        self.session_id = session.id
        self.read = session.log.read  # which need not be in the store
