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
from agent_server.sessions.loop_turn import LoopTurn
from agent_server.sessions.ports import Attachment
from agent_server.sessions.record import Record
from agent_server.store.store import EventStore

RUN_CHARS: Final = 64 * 1024
LONG_DELTA_CHARS: Final = 1024
"""Deltas that are longer than this on average are stored as they came."""


class SessionLog:
    """Appends, projects and publishes the events of one session, as the owner that ``epoch`` names.

    ``context`` is the fold of the log: the model's view and more. ``head`` is the seq of the last event that entered,
    ``visible`` the seq up to which events may be shown. Both are given where the log was read from the store.
    ``on_broken`` hears what the store raised, in the next turn of the loop.

    Raises, wherever an event enters:
        Exception: whatever the store raised; the log is of no more use then, and its session crashes.
    """

    def __init__(
        self,
        store: EventStore,
        session_id: str,
        epoch: int,
        loop_turn: LoopTurn,
        context: Record | None = None,
        head: int = 0,
    ) -> None:
        self.store = store
        self._session_id = session_id
        self._epoch = epoch
        self._writing_epoch = epoch
        self._loop_turn = loop_turn
        self._due = False
        self.head = head
        self.visible = head if store.local or not head else store.visible(session_id)
        self.context = context or Record()
        self.attachments: list[Attachment] = []
        self._role: MessageRole = "agent"
        self._message_id = 0
        self._run: list[str] = []
        self._run_chars = 0
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self.on_broken: Callable[[BaseException], None] | None = None
        self.pages: deque[list[tuple[int, Event]]] = deque()
        """The beginning of the log as it was read just now, for whoever reads it once more; it goes with that."""

    def successor(self, epoch: int, context: Record, head: int) -> SessionLog:
        """The same log in the hands of the next owner, as far as it was read."""
        return SessionLog(self.store, self._session_id, epoch, self._loop_turn, context, head)

    def append(self, *events: Event) -> int:
        """Append events; the seq of the last. What was streamed before them is appended first."""
        first = self.head + 1
        self.head += len(events)
        self._append((self._take_run(), *events) if self._run else events)
        for attachment in self.attachments:
            attachment.events(first, events)
        self._publish()
        return self.head

    def begin_message(self, role: MessageRole, message_id: int) -> None:
        """The deltas that follow belong to this message."""
        self.flush()
        self._role, self._message_id = role, message_id
        for attachment in self.attachments:
            attachment.begin_message(role, message_id)

    def delta(self, text: str) -> None:
        """The message grew by ``text``: the hot path."""
        self._run.append(text)
        self.head = head = self.head + 1
        for attachment in self.attachments:
            attachment.text_delta(head, text)
        self._run_chars += len(text)
        if self._run_chars >= RUN_CHARS:
            self.flush()
        elif not self._due:
            self._due = True
            self._loop_turn.at_end(self)

    def flush(self) -> None:
        """Append what was streamed and not yet appended (written out in full, because every stream goes through it)."""
        if not self._run:
            return
        run = self._take_run()
        try:
            self.store.append(self._session_id, self._writing_epoch, (run,))
        except BaseException as error:
            self._break(error)
            raise
        self.context.text_run(run)
        if self.store.local and not self._waiting:
            self.visible = visible = self.head
            for attachment in self.attachments:
                outlet = attachment.released(visible)
                if outlet is not None:
                    self._loop_turn.hurry_at_end(outlet)
        else:
            self._publish()

    def when_visible(self, seq: int, callback: Callable[[], None]) -> None:
        """Call back once everything up to ``seq`` may be shown: at once where the store is local."""
        if seq <= self.visible:
            callback()
        else:
            self._waiting.append((seq, callback))

    def attach(self, attachment: Attachment) -> None:
        """Publish to one more client, from the next event on; what was before is there to be read.

        It comes before those that were there: questions go to the first, and the others may have gone by now.
        """
        self.flush()
        self.attachments.insert(0, attachment)
        if self._message_id:  # it may still grow
            attachment.begin_message(self._role, self._message_id)

    def read(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """The records whose last seq is beyond ``after``, oldest first, at most ``limit``; see `EventStore.read`."""
        while self.pages:
            page = self.pages[0]
            if page[-1][0] > after:
                return page if page[0][0] > after else [record for record in page if record[0] > after]
            self.pages.popleft()
        return self.store.read(self._session_id, after, limit)

    def detach(self, attachment: Attachment) -> None:
        """Publish to it no more. Idempotent."""
        if attachment in self.attachments:
            self.attachments.remove(attachment)

    def close(self) -> None:
        """Give the log back; nothing can be appended any more."""
        try:
            if self._writing_epoch:
                self.flush()
            self.store.sync_soon(self._session_id)
        finally:
            self.store.release(self._session_id, self._epoch)

    async def synced(self) -> None:
        """Return when everything so far would outlive a loss of power: the barrier before a side effect."""
        self.flush()
        await self.store.synced(self._session_id)

    def sync_soon(self) -> None:
        """Bring it to the disk within some milliseconds, with nobody waiting."""
        self.store.sync_soon(self._session_id)

    @property
    def unsaved(self) -> bool:
        """Whether some of it is only in memory, because the disk is full or fails."""
        return self.store.unsaved(self._session_id)

    def end_loop_turn(self) -> None:
        """Store what this turn of the loop streamed."""
        self._due = False
        self.flush()

    def _take_run(self) -> TextRun:
        texts, self._run = self._run, []
        count = len(texts)
        if count > 1 and self._run_chars < LONG_DELTA_CHARS * count:
            texts = ["".join(texts)]
        self._run_chars = 0
        # A tuple of strings is nothing to the garbage collector; a list would be visited in every full collection.
        return TextRun(self._message_id, self._role, tuple(texts), count)

    def _append(self, events: tuple[Event, ...]) -> None:
        try:
            last = self.store.append(self._session_id, self._writing_epoch, events)
        except BaseException as error:
            self._break(error)
            raise
        assert last == self.head, "a session has one writer, so it knows the seqs that the store will give"
        self.context.apply(events)

    def _break(self, error: BaseException) -> None:
        self._writing_epoch = 0  # nobody's: what the store did not take must leave no gap in front of what it would
        if self.on_broken is not None:  # not from within: whoever appends is told first, by the exception
            asyncio.get_running_loop().call_soon(self.on_broken, error)

    def _publish(self) -> None:
        if self.store.local:
            self.visible = visible = self.head - len(self._run)
        else:
            self.visible = visible = self.store.visible(self._session_id)
        for attachment in self.attachments:
            outlet = attachment.released(visible)
            if outlet is not None:
                self._loop_turn.hurry_at_end(outlet)
        if self._waiting:
            self._call_waiting()

    def _call_waiting(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.visible:
            self._waiting.popleft()[1]()
