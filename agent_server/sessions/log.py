"""The event log of one live session: the one place where events enter, and where everybody hears of them.

Seqs are known when an event enters, because a session has one writer. Deltas of one message that arrive in the same
turn of the loop are appended to the store as one record at its end (or at 64 KiB); no timer is involved. An event is
shown to attachments only after the store has it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from agent_server.conversation.events import Event, MessageRole, TextRun
from agent_server.conversation.model_context import ModelContext
from agent_server.sessions.ports import Attachment
from agent_server.store.store import EventStore

RUN_CHARS: Final = 64 * 1024


class SessionLog:
    """Appends, projects and publishes the events of one session.

    ``context`` is the model's view. ``head`` is the seq of the last event that entered.
    """

    def __init__(self, store: EventStore, session_id: str) -> None:
        self._store = store
        self._session_id = session_id
        self._epoch = store.create(session_id)
        self.head = 0
        self.visible = 0
        self.context = ModelContext()
        self.attachments: list[Attachment] = []
        self._run: list[str] = []
        self._run_chars = 0
        self._run_message: tuple[int, MessageRole] | None = None
        self._flush_scheduled = False
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()

    def append(self, event: Event) -> int:
        """Append one event; its seq. What was streamed before it is appended first."""
        events: tuple[Event, ...] = (event,)
        if self._run:
            events = (self._take_run(), event)
        self.head += 1
        self._store_events(events)
        seq = self.head
        for attachment in self.attachments:
            attachment.event(seq, event)
        self._publish()
        return seq

    def text(self, role: MessageRole, message_id: int, text: str) -> None:
        """A message grew by ``text``: the hot path."""
        if self._run_message != (message_id, role):
            self.flush()
            self._run_message = (message_id, role)
        self._run.append(text)
        self._run_chars += len(text)
        self.head += 1
        for attachment in self.attachments:
            attachment.text_delta(self.head, role, message_id, text)
        if self._run_chars >= RUN_CHARS:
            self.flush()
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush_turn)

    def flush(self) -> None:
        """Append what was streamed and not yet appended."""
        if self._run:
            self._store_events((self._take_run(),))
            self._publish()

    def when_visible(self, seq: int, callback: Callable[[], None]) -> None:
        """Call back once everything up to ``seq`` may be shown: at once where the store is local."""
        if seq <= self.visible:
            callback()
        else:
            self._waiting.append((seq, callback))

    def attach(self, attachment: Attachment) -> None:
        """Publish to one more client, from the next event on."""
        self.flush()
        self.attachments.append(attachment)

    def detach(self, attachment: Attachment) -> None:
        """Publish to it no more. Idempotent."""
        if attachment in self.attachments:
            self.attachments.remove(attachment)

    def close(self) -> None:
        """Give the log back; nothing can be appended any more."""
        self.flush()
        self._store.release(self._session_id, self._epoch)

    def _flush_turn(self) -> None:
        self._flush_scheduled = False
        self.flush()

    def _take_run(self) -> TextRun:
        assert self._run_message is not None
        message_id, role = self._run_message
        run = TextRun(message_id, role, "".join(self._run), len(self._run))
        self._run = []
        self._run_chars = 0
        return run

    def _store_events(self, events: tuple[Event, ...]) -> None:
        last = self._store.append(self._session_id, self._epoch, events)
        assert last == self.head, "a session has one writer, so it knows the seqs that the store will give"
        for event in events:
            self.context.apply(event)

    def _publish(self) -> None:
        self.visible = visible = self._store.visible(self._session_id)
        for attachment in self.attachments:
            attachment.released(visible)
        while self._waiting and self._waiting[0][0] <= visible:
            self._waiting.popleft()[1]()
