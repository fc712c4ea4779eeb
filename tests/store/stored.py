"""Logs of a file store in the tests: making some, and looking at and spoiling their files."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_server.conversation.events import Event, SystemNote
from agent_server.store.files import FileStore
from agent_server.store.instances import Instance


def note(number: int) -> SystemNote:
    return SystemNote(number, "info", f"note {number}")


def written(directory: Path, session_id: str = "s", notes: int = 3) -> FileStore:
    """A store with a session of its own that holds that many notes, the first two in one record."""
    store = FileStore(str(directory))
    epoch = store.create(session_id)
    store.append(session_id, epoch, [note(1), note(2)])
    for number in range(3, notes + 1):
        store.append(session_id, epoch, [note(number)])
    return store


def die(store: FileStore) -> None:
    """What the end of a process leaves: its lock is free, and nothing was given up."""
    instance = store._instance
    assert isinstance(instance, Instance)
    instance.close()


def numbers(store: FileStore, session_id: str = "s") -> list[int]:
    """What is in the log, read page by page."""
    found: list[int] = []
    seq = 0
    while page := store.read(session_id, seq, 2):
        seq = page[-1][0]
        found += [event.entry_id for _, event in page if isinstance(event, SystemNote)]
    return found


def segment_files(directory: Path) -> list[Path]:
    """The files of all logs, the oldest of each first."""
    return sorted(directory.glob("logs/*.log"))


def events(store: FileStore, session_id: str = "s") -> list[Event]:
    """Everything in the log."""
    return [event for _, event in store.read(session_id)]


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may grow beyond that size: what is written there is cut, and then refused, by the system itself."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
