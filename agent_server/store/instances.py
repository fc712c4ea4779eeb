"""Which servers live: each holds a lock on a file of its own, its *journal*, as long as its process runs.

The operating system gives the lock back when the process ends, however it ends; so a free lock means that the server is
dead, at once and without a lease. The journal's first line says who it is. Behind that it notes which sessions it began
and took over, for whoever cleans up after it; the beginning of a session that nobody has prompted yet stands here too,
so that most of the sessions that editors open and never use make no file.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from agent_server.store.lines import Entry, framed, line_of, read_lines
from agent_server.store.segments import FORMAT
from agent_server.store.to_disk import sync_file

SUFFIX: Final = ".journal"


class Holder(NamedTuple):
    """A server that lives."""

    pid: int | None
    started_at: str | None


class Beginning(NamedTuple):
    """The first records of a session, as they stand in the journal of the server that began it."""

    owner: str
    entries: tuple[Entry, ...]
    released: bool

    @property
    def lines(self) -> bytes:
        """The records as they stand in a log."""
        return b"".join(framed(entry.text) for entry in self.entries)


class Instance:
    """This server's journal, and the lock on it.

    ``written`` counts its bytes, ``synced`` those of them that would outlive a loss of power.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, directory: str) -> None:
        self.id = os.urandom(16).hex()
        self.directory = directory
        self.written = 0
        self.synced = 0
        self._path = journal_path(directory, self.id)
        self.started_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        made = f"{self._path}.tmp"
        self.descriptor = os.open(made, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.written = os.write(self.descriptor, self._introduction())
            os.rename(made, self._path)  # locked before anybody can see it
        except BaseException:
            os.close(self.descriptor)
            os.unlink(made)
            raise

    def _introduction(self) -> bytes:
        return line_of({"format": FORMAT, "instance": self.id, "pid": os.getpid(), "started_at": self.started_at})

    def note(self, line: bytes) -> None:
        """Write into the journal: all of it, or nothing.

        Raises:
            OSError: the disk does not take it.
        """
        written = os.write(self.descriptor, line)
        if written != len(line):
            os.ftruncate(self.descriptor, os.fstat(self.descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.written += written

    def forget(self) -> None:
        """Remove the journal: nobody need clean up after this server."""
        os.unlink(self._path)

    def close(self) -> None:
        """Give the lock back."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def journal_path(directory: str, instance_id: str) -> str:
    """Where a server's journal is."""
    return os.path.join(directory, instance_id + SUFFIX)


def holder(directory: str, instance_id: str) -> Holder | None:
    """Who holds the lock of that server; None where it is dead."""
    if not instance_id.isalnum():
        return None
    try:
        descriptor = os.open(journal_path(directory, instance_id), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return _holder(descriptor)
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> Holder | None:
    try:
        # Shared: two who look at the same time must not take each other for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        told = _told(next(read_lines(descriptor), None))
        pid, started_at = told.get("pid"), told.get("started_at")
        return Holder(pid if type(pid) is int else None, started_at if type(started_at) is str else None)
    return None


def _told(line: object) -> dict[str, Any]:
    return line.told if isinstance(line, Entry) else {}


class Journal:
    """What stands in the journal of a server, dead or alive."""

    def __init__(self, descriptor: int) -> None:
        self.touched: dict[str, None] = {}
        self.beginnings: dict[str, Beginning] = {}
        owner = ""
        for line in read_lines(descriptor):
            told = _told(line)
            owner = told.get("instance", owner)
            session_id = told.get("session")
            if not isinstance(line, Entry) or type(session_id) is not str:
                continue
            self.touched[session_id] = None
            if line.first:
                before = self.beginnings.get(session_id)
                entries = (*before.entries, line) if before is not None else (line,)
                self.beginnings[session_id] = Beginning(owner, entries, False)
            elif told.get("purged"):
                self.beginnings.pop(session_id, None)
            elif told.get("released") and session_id in self.beginnings:
                self.beginnings[session_id] = self.beginnings[session_id]._replace(released=True)


def beginning_of(directory: str, session_id: str) -> tuple[Beginning, Holder | None] | None:
    """The beginning of a session that has no file of its own yet, and the living server that began it."""
    for instance_id in instance_ids(directory):
        try:
            descriptor = os.open(journal_path(directory, instance_id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            found = Journal(descriptor).beginnings.get(session_id)
            if found is not None:
                return found, _holder(descriptor)
        finally:
            os.close(descriptor)
    return None


def purge_beginning(directory: str, session_id: str) -> None:
    """Note that this session, which has no file of its own, is gone.

    Raises:
        OSError: it cannot be noted.
    """
    for instance_id in list(instance_ids(directory)):
        path = journal_path(directory, instance_id)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            if session_id in Journal(descriptor).beginnings:
                os.write(descriptor, line_of({"session": session_id, "purged": True}))
                sync_file(descriptor)
        finally:
            os.close(descriptor)


def instance_ids(directory: str) -> Iterator[str]:
    """The servers that have a journal."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if name.endswith(SUFFIX):
            yield name.removesuffix(SUFFIX)


class DeadInstance:
    """The journal of a server that died."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self.journal = Journal(descriptor)

    def forget(self) -> None:
        """It is cleaned up after."""
        os.unlink(self._path)


def dead_instances(directory: str) -> Iterator[DeadInstance]:
    """The servers that died and were not cleaned up after; none while another process cleans up.

    Others are kept from it until the iterator is exhausted or closed.
    """
    cleaning = os.open(os.path.join(directory, "cleaning.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(cleaning, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for instance_id in list(instance_ids(directory)):
            path = journal_path(directory, instance_id)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                dead = DeadInstance(path, descriptor) if _holder(descriptor) is None else None
            finally:
                os.close(descriptor)
            if dead is not None:
                yield dead
    except (BlockingIOError, FileNotFoundError):  # another is at it, or a server ended in order just now
        return
    finally:
        os.close(cleaning)
