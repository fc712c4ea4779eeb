"""One log that this process writes to: its segment, and what could not be written yet.

The bytes of a segment are one stream. What the disk does not take stays in memory, behind what it has taken, and is
written from exactly there when it works again; so a full disk never leaves half a record in front of a whole one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Final

from agent_server.store.private import make_private
from agent_server.store.segments import header_line, name_of, path_of
from agent_server.store.watching import Watchers

_WRITING: Final = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
_MAKING: Final = _WRITING | os.O_CREAT | os.O_EXCL


class OpenLog:
    """A log and its owner in this process.

    Attributes:
        directory: where its files are.
        epoch: what names the owner; None when it was given up.
        segment_epoch: the number of the segment that is written to.
        made: whether that segment is there.
        head: the seq of the last event; None as long as nobody has looked.
        at_ms: when the last record was written; 0 as long as nobody has looked.
        beginning: the first record, while it stands in the journal only.
        tail: whole lines that the segment does not have yet; of the first, ``tail_written`` bytes are there.
        size: how many bytes of whole lines the segment holds.
        records_at: how long its header is.
        synced: how many of its bytes would outlive a loss of power.
        sync_failed: whether the disk could not keep what it had taken.
        syncing: how many syncs are on their way; its descriptor stays open meanwhile.
    """

    # Defaults of the class: most sessions that editors open are never used, and need none of this.
    made = False
    head: int | None = None
    at_ms = 0
    descriptor = -1
    beginning: bytes | None = None
    tail: Sequence[bytes] = ()
    tail_written = 0
    size = 0
    records_at = 0
    synced = 0
    syncing = 0
    sync_failed = False
    watchers: Watchers | None = None

    def __init__(self, directory: str, session_id: str, epoch: int, segment_epoch: int) -> None:
        self.directory = directory
        self.session_id = session_id
        self.epoch: int | None = epoch
        self.segment_epoch = segment_epoch

    @cached_property
    def name(self) -> str:
        """What its files are called."""
        return name_of(self.session_id)

    def keep(self, lines: Iterable[bytes], written: int = 0) -> None:
        """These lines could not be written yet; so much of the first was, if nothing waits in front of it."""
        if not self.tail:
            self.tail_written = written
        if not isinstance(self.tail, list):
            self.tail = list[bytes]()
        self.tail.extend(lines)

    @property
    def path(self) -> str:
        """Where its segment is."""
        return path_of(self.directory, self.name, self.segment_epoch)

    @property
    def next_path(self) -> str:
        """Where the segment of the next owner would be."""
        return path_of(self.directory, self.name, self.segment_epoch + 1)

    @property
    def empty(self) -> bool:
        """Whether nothing was written but the header."""
        return self.size == self.records_at and not self.tail

    def make(self, owner: str, at_ms: int, *, claim: bool) -> None:
        """Make the segment, with its header and what is in the journal so far.

        ``claim``: somebody else might make it too at this moment; else it is this process's alone to make.

        Raises:
            FileExistsError: somebody else has.
            OSError: it cannot be made.
        """
        header = header_line(self.session_id, self.segment_epoch, owner, at_ms)
        first = header + (self.beginning or b"")
        if claim:
            self._claim(first)
        else:
            self.descriptor = self._open(self.path, _MAKING)
            self.made = True
        self.records_at = len(header)
        self.beginning = None
        if not claim:
            self.keep((first,))
            self.write_tail()

    def _claim(self, first: bytes) -> None:
        """Nobody may see it without its header: it would not be known whose it is."""
        made = f"{self.path}.{os.urandom(8).hex()}.tmp"
        descriptor = self._open(made, _MAKING)
        try:
            if os.write(descriptor, first) != len(first):
                raise OSError("the disk took only a part of the header")
            os.link(made, self.path)
        except BaseException:
            os.close(descriptor)
            os.unlink(made)
            raise
        os.unlink(made)
        self.descriptor = descriptor
        self.made = True
        self.size = len(first)

    def _open(self, path: str, flags: int) -> int:
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
            make_private(self.directory)
            return os.open(path, flags, 0o600)

    def reopen(self) -> None:
        """Open its segment again.

        Raises:
            OSError: it cannot be opened.
        """
        self.descriptor = os.open(self.path, _WRITING)

    def write_tail(self) -> None:
        """Write what could not be written yet, as far as it goes.

        Raises:
            OSError: the disk did not take all of it.
        """
        if self.descriptor < 0:
            self.reopen()
        there = os.fstat(self.descriptor).st_size
        if there > self.size + self.tail_written:  # a write that failed and was half done all the same
            os.truncate(self.path, self.size + self.tail_written)
        while self.tail:
            line = self.tail[0]
            self.tail_written += os.write(self.descriptor, memoryview(line)[self.tail_written :])
            if self.tail_written < len(line):
                continue  # the next write says why
            self.tail = self.tail[1:]
            self.tail_written = 0
            self.size += len(line)

    def rewrite_unsynced(self) -> None:
        """Write again what a sync lost: the system may take it for written, though the disk does not have it.

        Raises:
            OSError: it cannot be done.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            offset = self.synced
            while data := os.pread(descriptor, 1 << 20, offset):
                os.pwrite(descriptor, data, offset)
                offset += len(data)
        finally:
            os.close(descriptor)
        self.sync_failed = False

    def close(self) -> None:
        """Close its file, unless it is being synced: then that does."""
        if self.descriptor >= 0 and not self.syncing:
            os.close(self.descriptor)
            self.descriptor = -1
