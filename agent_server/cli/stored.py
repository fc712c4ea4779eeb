"""Finding stored sessions by what people type, and reading them without taking them over."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Final

from agent_server.cli.style import one_line
from agent_server.conversation.transcript import Transcript
from agent_server.errors import AgentServerError
from agent_server.store.catalogue import Catalogue, SessionEntry
from agent_server.store.pages import pages
from agent_server.store.store import EventStore

_PREFIX: Final = "session_"
_PAGE_ENTRIES: Final = 200
_MAX_NAMED: Final = 5


class NoSuchSession(AgentServerError):
    """What was typed names no session, or more than one; the text says which."""


def entries(catalogue: Catalogue) -> Iterator[SessionEntry]:
    """Every session, the newest first, archived ones too: the place in this order is a session's number, from 1."""
    after: str | None = None
    while True:
        page, after = catalogue.page(archived="include", after=after, limit=_PAGE_ENTRIES)
        yield from page
        if after is None:
            return


def find_entry(catalogue: Catalogue, name: str) -> SessionEntry:
    """The session of that id, of that number, or whose id begins like that (``session_`` may be left out).

    Raises:
        NoSuchSession: there is none, or more than one.
    """
    if (entry := catalogue.get(name)) is not None:
        return entry
    if name.isascii() and name.isdecimal() and name[0] != "0" and len(name) < 7:
        numbered = next(islice(entries(catalogue), int(name) - 1, None), None)
        if numbered is not None:
            return numbered
    prefix = name if name.startswith(_PREFIX) else _PREFIX + name
    found = [entry for entry in entries(catalogue) if entry.session_id.startswith(prefix)] if name else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise NoSuchSession(f"there is no session {one_line(name, 80)!r}")
    ids = ", ".join(entry.session_id for entry in found[:_MAX_NAMED])
    more = ", …" if len(found) > _MAX_NAMED else ""
    raise NoSuchSession(f"{one_line(name, 80)!r} is the beginning of {len(found)} ids: {ids}{more}")


def transcript_of(store: EventStore, entry: SessionEntry) -> Transcript:
    """What happened in a session up to now.

    Raises:
        UnknownSession: its log is not there any more.
    """
    transcript = Transcript(entry.session_id, entry.updated_at)
    for page in pages(partial(store.read, entry.session_id)):
        transcript.apply(event for _, event in page)
    transcript.note_damage(store.damage(entry.session_id))
    return transcript
