"""The files of one session's log, and what can be read of them.

Each owner of a session writes a file of its own, a *segment*: ``<name>-<epoch>.log``, named after a hash of the
session's id, so that nothing a client sends names a file (Req: PE-09). All are in one directory: spread over many, each
would take several times as long to make. A segment begins with a header; records follow. Nothing in it is ever changed:
where the end of a segment is torn, the next owner goes on in the next segment behind the last whole record, and what
stands in a segment behind the beginning of the next one is the late word of somebody who owns the session no more, and
counts for nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from agent_server.store.lines import Bad, Entry, line_of, read_lines

DAMAGED: Final = 0
TORN: Final = -1

FORMAT: Final = 1
"""The version of the files' format; files of a later one are read as far as they can be, and never written to."""

_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_SEGMENT: Final = re.compile(r"([0-9a-f]{32})-([0-9]{8})\.log")


class Damage(NamedTuple):
    """What is wrong with a log, and where: the file's name and the offset in it.

    ``torn``: the end of an append is missing, as after a loss of power. ``corrupt``: something is wrong that stands in
    front of whole records. ``newer``: a later version wrote this segment.
    """

    what: str
    file: str
    offset: int

    @property
    def sentence(self) -> str:
        """What to say of it."""
        where = f"{os.path.basename(self.file)}, byte {self.offset}"
        if self.what == "torn":
            return f"The end of this session's log was torn off ({where}); what was written before is complete."
        if self.what == "newer":
            return f"A later version of agent-server went on with this session ({where}); this one cannot read that."
        return f"This session's log is damaged ({where}); what was written before that place is here, the rest is not."


class Segment(NamedTuple):
    """One file of a log. ``header`` is None where there is no whole one.

    ``start`` is the first seq in it, None where nothing was written, `DAMAGED` where its beginning is no whole record
    and some come behind that, `TORN` where none do; ``records_at`` is where the records begin.
    """

    path: str
    epoch: int
    header: dict[str, Any] | None
    records_at: int
    start: int | None

    @property
    def tells(self) -> bool:
        """Whether there is something to be read in it, or somebody must be told why not."""
        return self.newer or self.start not in (None, TORN)

    @property
    def newer(self) -> bool:
        """Whether a later version wrote it."""
        return self.header is not None and self.header["format"] > FORMAT


def is_session_id(text: str) -> bool:
    """Whether it can be the id of a session at all."""
    return _ID.fullmatch(text) is not None


def name_of(session_id: str) -> str:
    """What a session's files are called."""
    return blake2b(session_id.encode(), digest_size=16).hexdigest()


def path_of(directory: str, name: str, epoch: int) -> str:
    """Where one of them is."""
    return f"{directory}/{name}-{epoch:08d}.log"


def header_line(session_id: str, epoch: int, owner: str, at_ms: int) -> bytes:
    """The first line of a segment."""
    return line_of({"format": FORMAT, "session": session_id, "epoch": epoch, "owner": owner, "at": at_ms})


def segments(directory: str, name: str) -> list[Segment]:
    """The files of a log, oldest first: they are numbered without a gap.

    Raises:
        OSError: they cannot be read.
    """
    some: list[Segment] = []
    while (segment := _segment(path_of(directory, name, len(some) + 1), len(some) + 1)) is not None:
        some.append(segment)
    return some


def remove_rest(directory: str, name: str) -> None:
    """Remove what a removal that broke off has left: files that stand behind a gap.

    Raises:
        OSError: a file cannot be removed.
    """
    epoch = 2
    while os.path.exists(path := path_of(directory, name, epoch)):
        os.unlink(path)
        epoch += 1


def all_names(directory: str) -> list[str]:
    """The names of every log there is."""
    try:
        entries = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted({match[1] for entry in entries if (match := _SEGMENT.fullmatch(entry))})


def _segment(path: str, epoch: int) -> Segment | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        lines = read_lines(descriptor)
        header = next(lines, None)
        if not isinstance(header, Entry) or (told := _header(header.told)) is None:
            whole_behind = isinstance(header, Entry) or (isinstance(header, Bad) and not header.torn)
            return Segment(path, epoch, None, 0, DAMAGED if whole_behind else None)
        if told["format"] > FORMAT:
            return Segment(path, epoch, told, header.end, None)
        first = next((line for line in lines if isinstance(line, Bad) or line.first), None)
        start = first.first if isinstance(first, Entry) else None if first is None else TORN if first.torn else DAMAGED
        return Segment(path, epoch, told, header.end, start)
    finally:
        os.close(descriptor)


def _header(told: dict[str, Any]) -> dict[str, Any] | None:
    return told if type(told.get("format")) is int and type(told.get("session")) is str else None


def is_released(segment: Segment) -> bool:
    """Whether its owner has given the session up: the last line says so."""
    try:
        descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        size = os.fstat(descriptor).st_size
        return os.pread(descriptor, len(RELEASED), max(0, size - len(RELEASED))) == RELEASED
    finally:
        os.close(descriptor)


RELEASED: Final = line_of({"released": True})
"""The last line of a segment whose owner has given the session up."""


class LogReader:
    """Reads the records of a log one after another; goes on where it stopped.

    It begins with the last segment that can hold everything behind ``after``, and so perhaps somewhat before that.

    ``last`` is the seq it has come to; ``damage`` is set once it has met some, which is where the log ends.
    """

    def __init__(self, some: list[Segment], after: int = 0) -> None:
        # A file in which nothing was written tells nothing.
        self._segments = [one for one in some if one.start is not None or one.newer]
        self._at = 0
        self.last = 0
        for index, segment in enumerate(self._segments):
            if index and segment.start is not None and 0 < segment.start <= after + 1:
                self._at, self.last = index, segment.start - 1  # nothing before it is asked for
        self._offset = self._segments[self._at].records_at if self._segments else 0
        self.damage: Damage | None = None

    def knows(self, epoch: int) -> bool:
        """Whether the segment of that epoch was there when this began."""
        return any(segment.epoch == epoch for segment in self._segments)

    def spoil(self, entry: Entry) -> None:
        """What stands there cannot be understood: the log ends in front of it."""
        self.damage = Damage("corrupt", self._segments[self._at].path if self._segments else "", entry.offset)

    def records(self, epoch: int = 0, size: int = 0) -> Iterator[Entry]:
        """The records from here on; whoever stops taking them may call again, and gets the last one again.

        ``size``: how much of the segment of that epoch is to be read; the others are read to their ends.
        """
        while self._at < len(self._segments) and self.damage is None:
            segment = self._segments[self._at]
            following = self._segments[self._at + 1] if self._at + 1 < len(self._segments) else None
            if segment.newer:
                self.damage = Damage("newer", segment.path, 0)
                return
            yield from self._records_of(segment, following, size if segment.epoch == epoch else None)
            if following is None or self.damage is not None:
                return
            if following.start not in (DAMAGED, TORN, self.last + 1) and not following.newer:
                self.damage = Damage("corrupt", segment.path, self._offset)
                return
            self._at += 1
            self._offset = following.records_at

    def _records_of(self, segment: Segment, following: Segment | None, size: int | None) -> Iterator[Entry]:
        descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for line in read_lines(descriptor, self._offset, size):
                if isinstance(line, Bad):
                    if following is None or following.start != self.last + 1:
                        self.damage = Damage("torn" if line.torn else "corrupt", segment.path, line.offset)
                    return
                if not line.first:  # a note of the owner's own
                    self._offset = line.end
                    continue
                if following is not None and following.start == self.last + 1:
                    return
                if line.first != self.last + 1 or line.last < line.first:
                    self.damage = Damage("corrupt", segment.path, line.offset)
                    return
                yield line
                self.last, self._offset = line.last, line.end
        finally:
            os.close(descriptor)
