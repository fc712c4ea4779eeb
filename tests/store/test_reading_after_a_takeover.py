"""A log that another server wrote is read whole by the one that takes it over, before and behind its own first word."""

from __future__ import annotations

from pathlib import Path

from agent_server.conversation.events import SystemNote
from agent_server.store.files import FileStore

NOTES = [SystemNote(number, "info", "x" * 200) for number in range(1, 5)]


def test_a_new_owner_that_has_written_nothing_yet_reads_what_was_written_before(tmp_path: Path) -> None:
    first = FileStore(str(tmp_path))
    epoch = first.create("a")
    for note in NOTES[:3]:
        first.append("a", epoch, [note])
    first.release("a", epoch)
    first.close()

    second = FileStore(str(tmp_path))
    epoch = second.acquire("a")
    assert second.read("a") == list(enumerate(NOTES[:3], 1))
    assert second.append("a", epoch, [NOTES[3]]) == 4
    assert second.read("a") == list(enumerate(NOTES, 1))
    second.close()
