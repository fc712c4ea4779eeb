"""The updates of a whole history, as few as can be: one chunk for a message, one ``tool_call`` for a call. Pure.

A history is told through the same projection as the live stream and then merged here by the rules by which clients of
version 1 fold updates, so the two views cannot differ. What is held back is at most what one turn leaves open.
Spec: session-setup.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

Update = dict[str, Any]

MAX_TOLD_CHARS: Final = 10 * 1024
"""Longest text of one chunk: some clients read lines of 64 KiB, and JSON may take six bytes for a character."""

_CHUNKS: Final = frozenset({"user_message_chunk", "agent_message_chunk", "agent_thought_chunk"})
_LIVE_ONLY: Final = frozenset({"notice"})
"""Told while it happens, and never again. Spec: session notices."""

_STATES: Final = ("plan", "plan_update", "usage_update")
"""Of these only the last one counts."""

_SETTINGS: Final = frozenset(
    {"current_mode_update", "config_option_update", "session_info_update", "available_commands_update"}
)
"""What the session is like now is told at the end, from the session itself."""

_ENDED: Final = frozenset({"completed", "failed", "cancelled"})


class _Entry:
    """An update that may still grow while it is open."""

    __slots__ = ("key", "more", "open", "update")

    def __init__(self, update: Update, *, is_open: bool, key: tuple[str, str] | None = None) -> None:
        self.key = key
        self.update = update
        self.open = is_open
        self.more: list[str] = []

    def finished(self) -> list[Update]:
        if self.more:
            text = "".join((self.update["content"]["text"], *self.more))
            return [{**self.update, "content": {"type": "text", "text": text}}]
        if self.update.get("status") == "in_progress" and self.update.get("summary"):  # a whole one says: completed
            head = {key: value for key, value in self.update.items() if key != "summary"}
            chunk = {"sessionUpdate": "compaction_summary_chunk", "compactionId": self.update["compactionId"]}
            return [head, *({**chunk, "content": block} for block in self.update["summary"])]
        return [self.update]


class HistoryMerger:
    """Takes the updates of a history in their order and gives fewer that fold to the same."""

    def __init__(self) -> None:
        self._entries: deque[_Entry] = deque()
        self._chunk: _Entry | None = None
        self._chunk_chars = 0
        self._upserts: dict[tuple[str, str], _Entry | None] = {}
        self._states: dict[str, Update] = {}

    def add(self, update: Update) -> list[Update]:
        """Take the next update; gives what is complete by now."""
        kind = update["sessionUpdate"]
        if kind in _CHUNKS:
            self._add_chunk(update)
        elif kind in ("tool_call", "tool_call_update"):
            self._add_call(update)
        elif kind in ("compaction_update", "compaction_summary_chunk"):
            self._add_compaction(update)
        elif kind in _STATES:
            self._states[kind] = update
        elif kind not in _LIVE_ONLY and kind not in _SETTINGS:
            self._close_chunk()
            self._entries.append(_Entry(update, is_open=False))
        return self._complete()

    def finish(self) -> list[Update]:
        """The rest: what is still open as it stands now, and the states."""
        self._close_chunk()
        rest = [update for entry in self._entries for update in entry.finished()]
        self._entries.clear()
        self._upserts.clear()
        return [*rest, *self._states.values()]

    def _complete(self) -> list[Update]:
        complete: list[Update] = []
        while self._entries and not self._entries[0].open:
            entry = self._entries.popleft()
            if entry.key is not None:
                self._upserts[entry.key] = None  # told: nothing but its id is kept
            complete += entry.finished()
        return complete

    def _add_chunk(self, update: Update) -> None:
        content = update["content"]
        text = content.get("text") if content["type"] == "text" else None
        if text is None or len(text) <= MAX_TOLD_CHARS:
            self._add_piece(update, text)
            return
        for start in range(0, len(text), MAX_TOLD_CHARS):
            piece = text[start : start + MAX_TOLD_CHARS]
            self._add_piece({**update, "content": {**content, "text": piece}}, piece)

    def _add_piece(self, update: Update, text: str | None) -> None:
        chunk = self._chunk
        if chunk is not None and text is not None and self._continues(chunk, update, len(text)):
            chunk.more.append(text)
            self._chunk_chars += len(text)
            return
        self._close_chunk()
        entry = _Entry(update, is_open=text is not None)
        self._entries.append(entry)
        if text is not None:
            self._chunk, self._chunk_chars = entry, len(text)

    def _continues(self, chunk: _Entry, update: Update, chars: int) -> bool:
        before = chunk.update
        return (
            before["sessionUpdate"] == update["sessionUpdate"]
            and before["messageId"] == update["messageId"]
            and self._chunk_chars + chars <= MAX_TOLD_CHARS
        )

    def _close_chunk(self) -> None:
        if self._chunk is not None:
            self._chunk.open = False
            self._chunk = None

    def _add_call(self, update: Update) -> None:
        entry = self._upsert(("tool_call", update["toolCallId"]), update)
        if entry is None:
            return
        entry.update |= {**update, "sessionUpdate": "tool_call"}
        entry.open = entry.update.get("status") not in _ENDED

    def _add_compaction(self, update: Update) -> None:
        entry = self._upsert(("compaction", update["compactionId"]), update)
        if entry is None:
            return
        if update["sessionUpdate"] == "compaction_update":
            entry.update |= update
            entry.open = update["status"] not in _ENDED
        else:
            entry.update["summary"] = _joined([*(entry.update.get("summary") or ()), update["content"]])

    def _upsert(self, key: tuple[str, str], first: Update) -> _Entry | None:
        """The entry that grows with this update; None: it was told already, and the update stands for itself."""
        self._close_chunk()
        entry = self._upserts.get(key)
        if entry is None:
            told = key in self._upserts
            entry = _Entry(dict(first), is_open=not told, key=key)
            self._entries.append(entry)
            if told:
                return None
            self._upserts[key] = entry
        return entry


def _joined(blocks: list[Update]) -> list[Update]:
    if len(blocks) > 1 and all(block["type"] == "text" for block in blocks):
        return [{"type": "text", "text": "".join(block["text"] for block in blocks)}]
    return blocks
