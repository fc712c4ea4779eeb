"""Copying a log into the log of a new session, whole or up to a message.

It goes through the log page by page and lets others run in between, so that a long log holds up nobody.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import NamedTuple

from agent_server.conversation.events import (
    ArchivedChanged,
    Event,
    MessageInserted,
    MessagePart,
    PromptReceived,
    SessionCreated,
    TextRun,
    ToolCallUpserted,
    TurnEnded,
    TurnStarted,
)
from agent_server.sessions.reading import StoredSession
from agent_server.store.pages import pages
from agent_server.store.store import EventStore


class NoSuchMessage(ValueError):
    """The session has no message of that id that a copy can end with; the text says why."""


class Cut(NamedTuple):
    """Where a copy ends.

    Attributes:
        seq: the last seq that is copied.
        prompt_id: a prompt that is left out though it was received before that; None: none is.
        in_turn: whether the turn went on behind it; it ends here in the copy.
    """

    seq: int
    prompt_id: int | None = None
    in_turn: bool = False


class _Search:
    """Looks for the end of a message while the events of a log go by."""

    def __init__(self, message_id: int) -> None:
        self._message_id = message_id
        self._turn_start: int | None = None
        self._last: int | None = None
        self._went_on = False

    def take(self, seq: int, event: Event) -> Cut | None:
        """The cut, as soon as it is known."""
        kind = type(event)
        if kind is TurnStarted:
            self._turn_start = seq
        elif isinstance(event, MessageInserted | TextRun | MessagePart):
            if event.message_id == self._message_id:
                if isinstance(event, MessageInserted) and event.role == "user":
                    return Cut((self._turn_start or seq) - 1, event.prompt_id)
                self._last = seq
            else:
                self._went_on = self._last is not None
        elif kind is ToolCallUpserted:
            self._went_on = self._last is not None
        elif kind is TurnEnded:
            if self._last is not None:
                return Cut(self._last, in_turn=True) if self._went_on else Cut(seq)
            self._turn_start = None
        return None

    def at_end(self, head: int, *, live: bool) -> Cut:
        """The cut in a log that ends with the turn open.

        Raises:
            NoSuchMessage: there is none.
        """
        if self._last is None:
            raise NoSuchMessage("the session has no message of that id")
        if live:
            raise NoSuchMessage("the message is part of the turn that runs now")
        return Cut(self._last, in_turn=True) if self._went_on else Cut(head)


async def find_cut(store: EventStore, session_id: str, message_id: int, *, live: bool) -> Cut:
    """Where a copy ends that is to hold everything up to this message, and the message itself.

    If the user said it, the copy holds everything before it, so that something else can be said instead.

    Raises:
        NoSuchMessage: there is no such message; or the agent says it just now, in a session that is ``live``.
        UnknownSession: there is no such log.
    """
    search, head = _Search(message_id), 0
    for page in pages(partial(store.read, session_id)):
        for head, event in page:
            cut = search.take(head, event)
            if cut is not None:
                return cut
        await asyncio.sleep(0)
    return search.at_end(head, live=live)


async def copy_log(
    store: EventStore,
    source_id: str,
    target_id: str,
    epoch: int,
    created: SessionCreated,
    *,
    whole: bool,
    cut: Cut | None = None,
) -> StoredSession:
    """Copy a log, up to its present head or the cut, behind an event of the copy's own, and read it on the way.

    A turn that is still open there is left out, unless the ``whole`` log is wanted or there is a cut. A copy is not
    archived.

    Raises:
        UnknownSession: there is no such log.
    """
    stored = StoredSession()
    stored.cut_short = cut is not None and cut.in_turn
    stored.take(store.append(target_id, epoch, (created,)), [created])
    head = store.visible(source_id) if cut is None else cut.seq
    whole = whole or cut is not None
    turn: list[Event] = []  # the events of a turn that has not ended yet
    for page in pages(partial(store.read, source_id)):
        copied: list[Event] = []
        for last, event in page:
            if last > head:
                break
            if turn or (type(event) is TurnStarted and not whole):
                turn.append(event)
                if type(event) is TurnEnded:
                    copied += turn
                    turn = []
            elif not _left_out(event, cut):
                copied.append(event)
        if copied:
            stored.take(store.append(target_id, epoch, copied), copied)
        if page[-1][0] >= head:
            break
        await asyncio.sleep(0)
    return stored


def _left_out(event: Event, cut: Cut | None) -> bool:
    if isinstance(event, PromptReceived):
        return cut is not None and event.prompt_id == cut.prompt_id
    return isinstance(event, SessionCreated | ArchivedChanged)
