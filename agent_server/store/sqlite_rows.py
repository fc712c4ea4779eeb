"""The store in rows of one SQLite database: what the store in files is measured against.

A record is one row, and an append one transaction: with the log of SQLite ahead of its pages (WAL), a commit hands the
row to the operating system and does not wait for the disk. Barriers sync that log. Whose a session is, is said by the
same locks on journals as in files. A full disk raises where it is met.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from agent_server.conversation.events import Event, TextRun
from agent_server.store.codec import decode, encode
from agent_server.store.disk_worker import DiskWorker
from agent_server.store.instances import Instance, holder
from agent_server.store.seqs import last_seqs
from agent_server.store.store import Fenced, SessionBusy, SessionExists, UnknownSession
from agent_server.store.watching import Watcher, Watchers

PAGE_BYTES: Final = 1024 * 1024
BUSY_MS: Final = 5000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS session (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL, generation INTEGER NOT NULL, owner TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS record (
    session INTEGER NOT NULL, last INTEGER NOT NULL, first INTEGER NOT NULL, text BLOB NOT NULL,
    PRIMARY KEY (session, last)
) STRICT, WITHOUT ROWID;
"""
_APPEND: Final = """
INSERT INTO record SELECT ?1, ?2, ?3, ?4
WHERE EXISTS (SELECT 1 FROM session WHERE id = ?1 AND generation = ?5 AND owner = ?6)
"""
_READ: Final = "SELECT first, text FROM record WHERE session = ? AND last > ? ORDER BY last"


class _Log:
    """A session that this process owns. ``row`` is None until something is in it."""

    __slots__ = ("epoch", "generation", "head", "row", "watchers")

    def __init__(self, row: int | None, generation: int, epoch: int, head: int) -> None:
        self.row = row
        self.generation = generation
        self.epoch: int | None = epoch
        self.head = head
        self.watchers = Watchers()


class RowStore:
    """An `EventStore` in ``events.db`` of a directory."""

    local = True

    def __init__(self, directory: str) -> None:
        self.worker = DiskWorker()
        self._directory = directory
        self._instance_dir = os.path.join(directory, "instances")
        os.makedirs(self._instance_dir, 0o700, exist_ok=True)
        self._path = os.path.join(directory, "events.db")
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        self._instance = Instance(self._instance_dir)
        self._db = db = sqlite3.connect(self._path, isolation_level=None, timeout=BUSY_MS / 1000)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.executescript(_SCHEMA)
        self._logs: dict[str, _Log] = {}
        self._numbers = count(1)

    def create(self, session_id: str, *, fresh: bool = False) -> int:
        """Begin an empty log; its row comes with its first record."""
        if session_id in self._logs or (not fresh and self._row(session_id) is not None):
            raise SessionExists(session_id)
        epoch = 1 << 32 | next(self._numbers)
        self._logs[session_id] = _Log(None, 1, epoch, 0)
        return epoch

    def append(self, session_id: str, epoch: int, events: Sequence[Event]) -> int:
        """Add events to the end, all or none; returns the last seq."""
        log = self._logs.get(session_id)
        if log is None or log.epoch != epoch:
            raise self._not_owned(session_id, epoch)
        if not events:
            return log.head
        last = last_seqs(log.head, events)[-1]
        text = encode(log.head + 1, last, int(time.time() * 1000), events)
        if log.row is None:
            self._begin(session_id, log, last, text)
        else:
            done = self._db.execute(
                _APPEND, (log.row, last, log.head + 1, text, log.generation, self._instance.id)
            )
            if done.rowcount != 1:
                raise Fenced(session_id, epoch, None)
        log.head = last
        if log.watchers:
            log.watchers.tell(lambda: log.head)
        return log.head

    def _begin(self, session_id: str, log: _Log, last: int, text: bytes) -> None:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            made = db.execute("INSERT INTO session VALUES (NULL, ?, 1, ?)", (session_id, self._instance.id))
            log.row = made.lastrowid
            db.execute("INSERT INTO record VALUES (?, ?, 1, ?)", (log.row, last, text))
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            log.row = None
            raise

    def read(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """The records whose last seq is beyond ``after``, oldest first, at most ``limit``."""
        row = self._known(session_id)
        found: list[tuple[int, Event]] = []
        bytes_left = PAGE_BYTES
        for first, text in self._db.execute(_READ, (row, after)):
            seq = first - 1
            for event in decode(text).events:
                seq += event.count if type(event) is TextRun else 1
                if seq > after:
                    if limit is not None and len(found) >= limit:
                        return found
                    found.append((seq, event))
            bytes_left -= len(text)
            if bytes_left <= 0:
                break
        return found

    # Owning

    def acquire(self, session_id: str) -> int:
        """Take the session over."""
        log = self._logs.get(session_id)
        if log is None:
            log = self._logs[session_id] = self._claim(session_id)
        log.epoch = log.generation << 32 | next(self._numbers)
        return log.epoch

    def _claim(self, session_id: str) -> _Log:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            found = db.execute("SELECT id, generation, owner FROM session WHERE name = ?", (session_id,)).fetchone()
            if found is None:
                raise UnknownSession(session_id)
            row, generation, owner = found
            if owner is not None and owner != self._instance.id:
                living = holder(self._instance_dir, owner)
                if living is not None:
                    raise SessionBusy(session_id, living.pid, living.started_at)
            db.execute(
                "UPDATE session SET generation = ?, owner = ? WHERE id = ?", (generation + 1, self._instance.id, row)
            )
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        return _Log(row, generation + 1, 0, self._head(row))

    def release(self, session_id: str, epoch: int) -> None:
        """Give the session up."""
        log = self._logs.get(session_id)
        if log is None:
            self._known(session_id)
        elif log.epoch == epoch:
            log.epoch = None
            if log.row is not None:
                self._db.execute("UPDATE session SET owner = NULL WHERE id = ?", (log.row,))
                del self._logs[session_id]

    def purge(self, session_id: str) -> None:
        """Forget the session."""
        self._logs.pop(session_id, None)
        row = self._row(session_id)
        if row is not None:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM record WHERE session = ?", (row,))
            self._db.execute("DELETE FROM session WHERE id = ?", (row,))
            self._db.execute("COMMIT")

    # Barriers

    async def synced(self, session_id: str) -> None:
        """Return when everything appended so far would outlive a loss of power."""
        self._known(session_id)
        await self.worker.run(self._sync)

    def sync_soon(self, session_id: str) -> None:
        """As `synced`, with nobody waiting."""
        self.worker.run(self._sync)

    def _sync(self) -> None:
        descriptor = os.open(f"{self._path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def unsaved(self, session_id: str) -> bool:
        """Never: an append that is not saved fails."""
        return False

    def close(self) -> None:
        """Give everything up."""
        self._db.close()
        self._instance.close()

    # Looking

    def damage(self, session_id: str) -> str | None:
        """SQLite would not have opened it."""
        return None

    def written_ms(self, session_id: str) -> int | None:
        """Not known without a look."""
        return None

    def visible(self, session_id: str) -> int:
        """The last seq."""
        log = self._logs.get(session_id)
        return log.head if log is not None else self._head(self._known(session_id))

    def watch(self, session_id: str, callback: Watcher) -> Callable[[], None]:
        """Call ``callback`` after each append of this process; the returned function ends that."""
        log = self._logs.get(session_id)
        if log is None:
            self._known(session_id)
            return lambda: None
        return log.watchers.add(callback)

    def _row(self, session_id: str) -> int | None:
        found = self._db.execute("SELECT id FROM session WHERE name = ?", (session_id,)).fetchone()
        return found[0] if found is not None else None

    def _known(self, session_id: str) -> int:
        """The session's row; 0 for one in which nothing is yet."""
        log = self._logs.get(session_id)
        row = (log.row or 0) if log is not None else self._row(session_id)
        if row is None:
            raise UnknownSession(session_id)
        return row

    def _head(self, row: int) -> int:
        return self._db.execute("SELECT max(last) FROM record WHERE session = ?", (row,)).fetchone()[0] or 0

    def _not_owned(self, session_id: str, epoch: int) -> Exception:
        log = self._logs.get(session_id)
        if log is None and self._row(session_id) is None:
            return UnknownSession(session_id)
        return Fenced(session_id, epoch, log.epoch if log is not None else None)
