"""Reading a log page by page: a place in it, which stays where the last page ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from agent_server.conversation.events import Event, TextRun
from agent_server.store.codec import Record, decode
from agent_server.store.lines import Entry, parse
from agent_server.store.segments import Damage, LogReader, Segment

PAGE_BYTES: Final = 1024 * 1024
"""A page ends behind the record that makes it longer than this."""


class LogCursor:
    """A place in a log.

    ``last`` is the seq behind which the next page begins at the earliest, ``at_ms`` when the last record that was read
    was written, ``damage`` what the log ends with, if that is nothing good.

    Args:
        after: where the first page begins at the earliest.
        size: how much of the segment of that epoch counts.
        behind: lines that come behind what is in the segments.
    """

    def __init__(
        self, some: list[Segment], after: int = 0, epoch: int = 0, size: int = 0, behind: Iterable[bytes] = ()
    ) -> None:
        self._reader = LogReader(some, after)
        self._entries: Iterator[Entry] = chain(self._reader.records(epoch, size), _entries(behind))
        self._next: Entry | None = None
        self._record: Record | None = None
        self.last = 0
        self.at_ms = 0

    @property
    def damage(self) -> Damage | None:
        """What the log ends with, once it was read so far."""
        return self._reader.damage

    def page(self, after: int, limit: int | None) -> list[tuple[int, Event]]:
        """The next records beyond ``after``, which is not before ``last``; none at the end."""
        found: list[tuple[int, Event]] = []
        bytes_left = PAGE_BYTES
        while bytes_left > 0 and (entry := self._peek(after)) is not None:
            try:
                record = self._record or decode(entry.text, entry.told)
            except ValueError:
                self._reader.spoil(entry)
                self._entries = iter(())
                self._next = None
                break
            self.at_ms = record.at_ms
            seq = entry.first - 1
            for event in record.events:
                seq += event.count if type(event) is TextRun else 1
                if seq > after:
                    if limit is not None and len(found) >= limit:
                        self._record = record  # the next page begins in it
                        return found
                    found.append((seq, event))
                    self.last = seq
            bytes_left -= len(entry.text)
            self._next = self._record = None
        return found

    def go_on(self, epoch: int, size: int, behind: Iterable[bytes]) -> bool:
        """The log has grown since; whether what came can be read from here on."""
        if not self._reader.knows(epoch):
            return False
        self._entries = chain(self._reader.records(epoch, size), _entries(behind))
        return True

    def skip_to_end(self) -> None:
        """Go to the end without a look at what is in between."""
        for entry in self._entries:
            self.last = entry.last

    def _peek(self, after: int) -> Entry | None:
        while self._next is None or self._next.last <= after:
            self._next, self._record = next(self._entries, None), None
            if self._next is None:
                return None
        return self._next


def _entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    for some in lines:
        for line in some.split(b"\n")[:-1]:
            entry = parse(line, 0)
            if entry is not None and entry.first:
                yield entry
