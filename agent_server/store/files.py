"""The store of sessions that outlive the process: append-only files, one for each session and owner.

What is appended is with the operating system when `append` returns, so that it outlives this process however that ends;
it is brought to the disk itself at the barriers. Where the disk is full or fails, the session goes on in memory, and
what is missing is written when the disk works again.
"""

from __future__ import annotations

import logging
import os
import resource
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from agent_server.conversation.events import Event, PromptReceived, TextRun
from agent_server.store.codec import encode, encode_long, is_long
from agent_server.store.disk_worker import DiskWorker
from agent_server.store.instances import (
    Instance,
    beginning_of,
    purge_beginning,
)
from agent_server.store.leftovers import instance_dir, log_dir
from agent_server.store.lines import FramedInPieces, framed, line_of
from agent_server.store.log_pages import LogPages
from agent_server.store.open_log import OpenLog
from agent_server.store.ownership import find_free
from agent_server.store.private import make_private
from agent_server.store.retrying import Retrying
from agent_server.store.segments import RELEASED, is_session_id, name_of, remove_rest, segments
from agent_server.store.seqs import deltas
from agent_server.store.store import Fenced, NewerLog, SessionBusy, SessionExists, UnknownSession
from agent_server.store.syncing import Syncer
from agent_server.store.watching import Watcher, Watchers

logger = logging.getLogger(__name__)

MAX_OPEN_FILES: Final = 512
LONG_LINE_BYTES: Final = 16 * 1024
CHECK_MS: Final = 1000
"""How long a log may have been silent before it is looked whether somebody has taken it meanwhile."""


class FileStore:
    """An `EventStore` in a directory, which is made when it is first needed.

    ``on_trouble`` hears of each log that cannot be saved any more (with the error), and of each that is saved again
    (with None).
    """

    local = True

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.worker = DiskWorker()
        self.on_trouble: Callable[[str, OSError | None], None] | None = None
        self._log_dir = log_dir(directory)
        self._instance_dir = instance_dir(directory)
        self._instance: Instance | None = None
        self._logs: dict[str, OpenLog] = {}
        self._open: OrderedDict[OpenLog, None] = OrderedDict()
        self._pages = LogPages(self._log_dir, self._instance_dir, self._logs)
        self._epochs = count(1)
        self._only_in_journal = 0
        # A quarter of what this process may open; the rest is for children, files of tools and connections.
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most_open = MAX_OPEN_FILES if limit < 0 else max(16, min(MAX_OPEN_FILES, limit // 4))
        self._retrying = Retrying(self._write_tail, self._trouble)
        self._syncer = Syncer(self.worker, lambda: self._instance, self._synced, self._sync_failed)

    # Writing

    def create(self, session_id: str, *, fresh: bool = False) -> int:
        """Begin an empty log."""
        if session_id in self._logs:
            raise SessionExists(session_id)
        if not fresh:
            if not is_session_id(session_id):
                raise ValueError("a session id has 1 to 128 letters, digits, points, hyphens and underscores")
            if segments(self._log_dir, name_of(session_id)) or beginning_of(self._instance_dir, session_id) is not None:
                raise SessionExists(session_id)
            remove_rest(self._log_dir, name_of(session_id))
        epoch = 1 << 32 | next(self._epochs)
        log = self._logs[session_id] = OpenLog(self._log_dir, session_id, epoch, 1)
        log.head = 0
        return epoch

    def append(self, session_id: str, epoch: int, events: Sequence[Event]) -> int:
        """Add events to the end, all or none; returns the last seq."""
        log = self._logs.get(session_id)
        if log is None or log.epoch != epoch:
            raise self._not_owned(session_id, epoch)
        head = log.head
        if head is None:
            head = self._pages.last_seq(session_id)
        if not events:
            return head
        at_ms = int(time.time() * 1000)
        if at_ms - log.at_ms > CHECK_MS:
            self._check_not_taken(log)
        last = head + len(events)
        for event in events:
            if type(event) is TextRun:
                last += deltas(event) - 1
        if type(events[0]) is PromptReceived and is_long(events[0]):
            self._append_slowly(log, FramedInPieces(encode_long(head + 1, last, at_ms, events)))
        else:
            self._append(log, encode(head + 1, last, at_ms, events, session_id if head == 0 else None))
        log.head = last
        log.at_ms = at_ms
        if log.watchers:
            log.watchers.tell(lambda: log.head or 0)
        return log.head

    def _append(self, log: OpenLog, text: bytes) -> None:
        if log.descriptor < 0 or log.tail or len(text) > LONG_LINE_BYTES:
            if log.head == 0 and not log.made and self._instance is not None:
                self._begin(log, framed(text), self._instance)
            else:
                self._append_slowly(log, FramedInPieces((text,)))
            return
        line = framed(text)
        try:
            written = os.write(log.descriptor, line)
        except OSError as error:
            self._keep(log, line, 0, error)
            return
        if written == len(line):
            log.size += written
        else:
            self._keep(log, line, written, None)

    def _append_slowly(self, log: OpenLog, line: FramedInPieces) -> None:
        """Write a record that is long, or the first since the file was opened, or behind what was not written."""
        if log.tail:
            log.keep((bytes(line),))
            self._retrying.changed()
            return
        written = 0
        try:
            if log.descriptor < 0 and not self._open_file(log, line):
                return
            for pieces in line.together():
                written += os.writev(log.descriptor, pieces)
        except OSError as error:
            self._keep(log, bytes(line), written, error)
            return
        if written == len(line):
            log.size += written
        else:
            self._keep(log, bytes(line), written, None)

    def _open_file(self, log: OpenLog, line: FramedInPieces) -> bool:
        """Have the log's file open; False where the record went into the journal instead."""
        instance = self._instance or self._begin_instance()
        if log.made:
            if log.empty:
                self._pages.forget(log.session_id)
            log.reopen()
        elif log.head == 0:
            self._begin(log, bytes(line), instance)
            return False
        else:
            self._make(log, instance)
        self._opened(log)
        return True

    def _begin(self, log: OpenLog, line: bytes, instance: Instance) -> None:
        """The first record goes into the journal: most sessions that editors open are never used."""
        try:
            instance.note(line)
        except OSError as error:
            self._keep(log, line, 0, error)
        else:
            log.beginning = line
            self._only_in_journal += 1

    def _make(self, log: OpenLog, instance: Instance) -> None:
        """Give the log a file of its own."""
        self._only_in_journal -= log.beginning is not None
        self._pages.forget(log.session_id)
        log.make(instance.id, int(time.time() * 1000), claim=False)

    def _keep(self, log: OpenLog, line: bytes, written: int, error: OSError | None) -> None:
        """The disk did not take all of it: it stays in memory, and is tried again."""
        log.keep((line,), written)
        try:
            if error is None:
                log.write_tail()  # the rest fails too, and says why
                return
        except OSError as reason:
            error = reason
        self._retrying.add(log, error)

    def _write_tail(self, log: OpenLog) -> bool:
        """Write what is only in memory, and again what could not be synced; whether everything is saved with that.

        Raises:
            OSError: it still cannot be done.
        """
        instance = self._instance or self._begin_instance()
        if not log.made:
            kept, log.tail = log.tail, ()
            try:
                self._make(log, instance)
            finally:
                log.keep(kept)
        log.write_tail()
        self._opened(log)
        if log.sync_failed:
            log.rewrite_unsynced()
            self._syncer.soon(log)
            return False
        if log.epoch is None:
            self._give_up(log)
        return True

    # Owning

    def acquire(self, session_id: str) -> int:
        """Take the session over."""
        log = self._logs.get(session_id)
        if log is not None and log.epoch is None and log.made and not log.tail:
            self._drop(log)  # its file says that it was given up, so somebody else may take it just now
            log = None
        if log is None:
            if not is_session_id(session_id):
                raise UnknownSession(session_id)
            own_id = self._instance.id if self._instance is not None else None
            found = find_free(self._log_dir, self._instance_dir, session_id, own_id)
            log = self._claim(session_id, found.next_epoch, found.beginning)
        log.epoch = log.segment_epoch << 32 | next(self._epochs)
        return log.epoch

    def _claim(self, session_id: str, epoch: int, beginning: bytes | None) -> OpenLog:
        """Make the next segment, which only one can. Where the disk takes nothing, it goes on in memory."""
        log = OpenLog(self._log_dir, session_id, 0, epoch)
        log.beginning = beginning
        try:
            instance = self._instance or self._begin_instance()
            log.make(instance.id, int(time.time() * 1000), claim=True)
            instance.note(line_of({"session": session_id, "epoch": epoch}))
        except FileExistsError:  # somebody was faster just now
            raise SessionBusy(session_id, None, None) from None
        except OSError as error:
            logger.warning("session %s goes on, and nobody else can see whose it is: %s", session_id, error)
        log.close()  # the first record opens it again
        self._pages.forget(session_id)
        self._logs[session_id] = log
        return log

    def release(self, session_id: str, epoch: int) -> None:
        """Give the session up."""
        log = self._logs.get(session_id)
        if log is None:
            self._pages.check_known(session_id)
            return
        if log.epoch != epoch:
            return
        log.epoch = None
        self._pages.forget(session_id)
        if log.tail:  # it stays this process's until it is saved
            return
        try:
            self._give_up(log)
        except OSError:
            logger.warning("session %s was not given up in its log", session_id, exc_info=True)

    def _give_up(self, log: OpenLog) -> None:
        if log.made and log.empty:
            log.close()
            os.unlink(log.path)
        elif log.made:
            if log.descriptor < 0:
                log.reopen()
            log.size += os.write(log.descriptor, RELEASED)
            self._syncer.soon(log)  # and behind that it is dropped
            return
        elif log.beginning is None and log.head == 0:  # there is nothing of it but here
            return
        elif log.beginning is not None and self._instance is not None:
            self._instance.note(line_of({"session": log.session_id, "released": True}))
        self._drop(log)

    def _synced(self, log: OpenLog) -> None:
        self._retrying.forget(log)
        self._drop(log)

    def _drop(self, log: OpenLog) -> None:
        """Of a log that was given up and is saved, nothing is kept."""
        if log.epoch is None and not log.tail and not log.sync_failed:
            if self._logs.get(log.session_id) is log:
                del self._logs[log.session_id]
            self._open.pop(log, None)
            log.close()

    def purge(self, session_id: str) -> None:
        """Forget the session and remove its files.

        Raises:
            SessionBusy: another server owns it, and lives.
            OSError: a file cannot be removed.
        """
        log = self._logs.get(session_id)
        if log is None:
            if not is_session_id(session_id):
                return
            own_id = self._instance.id if self._instance is not None else None
            try:
                find_free(self._log_dir, self._instance_dir, session_id, own_id)
            except UnknownSession:
                return
            except NewerLog:
                pass
        self._pages.forget(session_id)
        if log is not None:
            log.epoch = None
            log.tail = ()
            self._retrying.forget(log)
            self._drop(log)
        for segment in segments(self._log_dir, name_of(session_id)):  # the oldest first: without it there is no log
            os.unlink(segment.path)
        purge_beginning(self._instance_dir, session_id)

    # Barriers

    async def synced(self, session_id: str) -> None:
        """Return when everything appended so far would outlive a loss of power."""
        log = self._logs.get(session_id)
        if log is None:
            self._pages.check_known(session_id)
            return
        self._check_not_taken(log)
        await self._syncer.now(log)

    def sync_soon(self, session_id: str) -> None:
        """As `synced`, with nobody waiting."""
        log = self._logs.get(session_id)
        if log is not None:
            self._syncer.soon(log)

    def unsaved(self, session_id: str) -> bool:
        """Whether some of it is only in this process's memory."""
        log = self._logs.get(session_id)
        return log is not None and (bool(log.tail) or log.sync_failed)

    def close(self, *, tidy: bool = False) -> None:
        """Save what can be saved, and give everything up: the end of this process. Blocks for the disk.

        ``tidy``: the catalogue knows everything, so that nobody need clean up after this process.
        """
        self._retrying.close()
        for log in list(self._logs.values()):
            if log.tail:
                try:
                    self._write_tail(log)
                except OSError:
                    logger.error("the end of session %s was lost: the disk does not take it", log.session_id)
        self._syncer.close([log for log in self._logs.values() if log.made])
        if self._instance is not None:
            if tidy and not self._only_in_journal:
                self._instance.forget()
            self._instance.close()
            self._instance = None

    # Reading

    def read(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """The records whose last seq is beyond ``after``, oldest first, at most ``limit``."""
        return self._pages.read(session_id, after, limit)

    def damage(self, session_id: str) -> str | None:
        """What is wrong with the log and where, once it was read to its end."""
        return self._pages.damage(session_id)

    def written_ms(self, session_id: str) -> int | None:
        """When the last record was written, as far as anybody has looked."""
        log = self._logs.get(session_id)
        return (log.at_ms if log is not None else self._pages.written_ms(session_id)) or None

    def visible(self, session_id: str) -> int:
        """The last seq."""
        log = self._logs.get(session_id)
        return log.head if log is not None and log.head is not None else self._pages.last_seq(session_id)

    def watch(self, session_id: str, callback: Watcher) -> Callable[[], None]:
        """Call ``callback`` after each append of this process; the returned function ends that."""
        log = self._logs.get(session_id)
        if log is None:
            self._pages.check_known(session_id)
            return lambda: None
        if log.watchers is None:
            log.watchers = Watchers()
        return log.watchers.add(callback)

    # Inside

    def _begin_instance(self) -> Instance:
        make_private(self._instance_dir)
        self._instance = Instance(self._instance_dir)
        return self._instance

    def _opened(self, log: OpenLog) -> None:
        """Of many logs only those that are written to have an open file."""
        self._open[log] = None
        self._open.move_to_end(log)
        if len(self._open) > self._most_open:
            self._open.popitem(last=False)[0].close()

    def _not_owned(self, session_id: str, epoch: int) -> Exception:
        log = self._logs.get(session_id)
        if log is not None:
            return Fenced(session_id, epoch, log.epoch)
        try:
            self._pages.check_known(session_id)
        except UnknownSession as unknown:
            return unknown
        return Fenced(session_id, epoch, None)

    def _check_not_taken(self, log: OpenLog) -> None:
        """Whoever took the log over while this process seemed dead has made the next segment."""
        if log.made and os.path.exists(log.next_path):
            raise Fenced(log.session_id, log.epoch or 0, None)

    def _sync_failed(self, log: OpenLog, error: OSError) -> None:
        log.sync_failed = True
        self._retrying.add(log, error)

    def _trouble(self, log: OpenLog, error: OSError | None) -> None:
        if error is not None:
            logger.error("session %s cannot be saved: %s", log.session_id, error.strerror or error)
        else:
            logger.warning("session %s is saved again", log.session_id)
        if self.on_trouble is not None:
            self.on_trouble(log.session_id, error)
