"""The catalogue that several servers share: a small database beside the logs, which can be made anew from them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from agent_server.store.catalogue import Archived, SessionEntry, read_position, write_position
from agent_server.store.private import make_private

if TYPE_CHECKING:
    import sqlite3

logger = logging.getLogger(__name__)

VERSION: Final = 1
BUSY_S: Final = 10.0

_TABLE: Final = """
CREATE TABLE session (
    id TEXT PRIMARY KEY, cwd TEXT NOT NULL, roots TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    title TEXT, first_prompt TEXT, message_count INTEGER NOT NULL, turn_count INTEGER NOT NULL, model TEXT,
    archived INTEGER NOT NULL, cost_usd REAL
) WITHOUT ROWID;
CREATE INDEX newest ON session (updated_at DESC, id DESC);
CREATE INDEX newest_in ON session (cwd, updated_at DESC, id DESC);
"""
_COLUMNS: Final = (
    "id, cwd, roots, created_at, updated_at, title, first_prompt, message_count, turn_count, model, archived, cost_usd"
)
_PUT: Final = f"INSERT OR REPLACE INTO session ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608


class SqliteCatalogue:
    """A `Catalogue` in a file. Its methods block for the disk; one thread at a time may call them.

    What is there and of another version, or no database, is replaced by an empty one.
    """

    shared = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._new = False

    @property
    def opened(self) -> bool:
        """Whether anybody has looked into it yet."""
        return self._database is not None

    def begin(self) -> bool:
        """Open it; true, once, if it was made just now."""
        self._open()
        new, self._new = self._new, False
        return new

    def put(self, entry: SessionEntry) -> None:
        """Add or replace."""
        self.put_all((entry,))

    def put_all(self, entries: Iterable[SessionEntry]) -> None:
        """Add or replace some at once."""
        rows = [_row(entry) for entry in entries]
        with self._open() as database:
            database.executemany(_PUT, rows)

    def get(self, session_id: str) -> SessionEntry | None:
        """The entry, or None."""
        row = self._open().execute(f"SELECT {_COLUMNS} FROM session WHERE id = ?", (session_id,)).fetchone()  # noqa: S608
        return _entry(row) if row is not None else None

    def page(
        self, *, cwd: str | None = None, archived: Archived = "exclude", after: str | None = None, limit: int = 50
    ) -> tuple[list[SessionEntry], str | None]:
        """One page, newest first."""
        if limit < 1:
            raise ValueError("a page holds at least one entry")
        conditions, values = ["1"], list[Any]()
        if after is not None:
            conditions.append("(updated_at, id) < (?, ?)")
            values += read_position(after)
        if cwd is not None:
            conditions.append("cwd = ?")
            values.append(cwd)
        if archived != "include":
            conditions.append("archived = ?")
            values.append(int(archived == "only"))
        query = (
            f"SELECT {_COLUMNS} FROM session WHERE {' AND '.join(conditions)} "  # noqa: S608 - our own words only
            "ORDER BY updated_at DESC, id DESC LIMIT ?"
        )
        found = [_entry(row) for row in self._open().execute(query, (*values, limit + 1))]
        if len(found) <= limit:
            return found, None
        return found[:limit], write_position(found[limit - 1])

    def remove(self, session_id: str) -> None:
        """Forget the entry."""
        with self._open() as database:
            database.execute("DELETE FROM session WHERE id = ?", (session_id,))

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            import sqlite3  # where it is first used: it takes longer to load than the first answer

            try:
                self._database = self._opened_or_new()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):  # it is there and cannot be used now
                    raise
                logger.warning("the catalogue %s is no database; it is made anew from the logs", self._path)
                self._remove_files()
                self._database = self._opened_or_new()
        return self._database

    def _opened_or_new(self) -> sqlite3.Connection:
        make_private(os.path.dirname(self._path))
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))  # what is made with it is private
        import sqlite3

        database = sqlite3.connect(self._path, timeout=BUSY_S, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            # What stands here is forgotten elsewhere, so it must outlive a loss of power.
            database.execute("PRAGMA synchronous=FULL")
            self._bring_up_to_date(database)
        except BaseException:
            database.close()
            raise
        return database

    def _bring_up_to_date(self, database: sqlite3.Connection) -> None:
        """One of another version is made anew: everything in it stands in the logs too."""
        if _version(database) == VERSION:
            return
        database.execute("BEGIN IMMEDIATE")
        if _version(database) == VERSION:  # somebody else was faster
            database.rollback()
            return
        database.execute("DROP TABLE IF EXISTS session")
        for statement in filter(None, map(str.strip, _TABLE.split(";"))):
            database.execute(statement)
        database.execute(f"PRAGMA user_version={VERSION}")
        database.commit()
        self._new = True

    def _remove_files(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            try:
                os.unlink(self._path + suffix)
            except FileNotFoundError:
                pass


def _version(database: sqlite3.Connection) -> int:
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    return version


def _row(entry: SessionEntry) -> tuple[Any, ...]:
    return tuple(entry._replace(roots=json.dumps(entry.roots)))  # type: ignore[arg-type]


def _entry(row: tuple[Any, ...]) -> SessionEntry:
    entry = SessionEntry._make(row)
    return entry._replace(roots=tuple(json.loads(row[2])), archived=bool(entry.archived))
