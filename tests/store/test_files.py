"""Logs in files: what a crash, a full disk, damage and other processes make of them."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from agent_server.conversation.content import ImagePart, Part, ResourcePart, TextPart
from agent_server.conversation.events import (
    Event,
    MessageInserted,
    PromptReceived,
    SystemNote,
    TextRun,
    TurnStarted,
    UnknownEvent,
)
from agent_server.store import log_cursor
from agent_server.store.codec import Record, decode
from agent_server.store.files import FileStore
from agent_server.store.lines import framed
from agent_server.store.segments import FORMAT
from agent_server.store.store import Fenced, NewerLog, SessionBusy, SessionExists, UnknownSession
from tests.store.stored import die, events, full_disk, note, numbers, segment_files, written

# Coming back


def test_what_was_appended_is_there_for_the_next_process(tmp_path: Path) -> None:
    die(written(tmp_path, notes=5))
    assert numbers(FileStore(str(tmp_path))) == [1, 2, 3, 4, 5]


def test_a_session_whose_beginning_alone_was_written_has_no_file_and_is_there_all_the_same(tmp_path: Path) -> None:
    die(written(tmp_path, notes=2))
    assert segment_files(tmp_path) == []
    after = FileStore(str(tmp_path))
    assert numbers(after) == [1, 2]
    after.append("s", after.acquire("s"), [note(3)])
    die(after)
    assert numbers(FileStore(str(tmp_path))) == [1, 2, 3]


def test_a_prompt_that_became_a_message_is_written_once_and_read_as_it_was(tmp_path: Path) -> None:
    store = written(tmp_path)
    parts = (TextPart("remember the milk"),)
    said: list[Event] = [PromptReceived(1, parts), TurnStarted(1, "prompt"), MessageInserted(4, "user", parts, 1)]
    store.append("s", store.acquire("s"), said)
    assert segment_files(tmp_path)[0].read_bytes().count(b"remember the milk") == 1
    assert events(store)[-3:] == said


def test_a_long_prompt_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = written(tmp_path)
    texts = ("\"é\n" * 700_000, "short", "x" * 1_100_000)
    image, blob = ImagePart("QUFB" * 300_000, "image/png"), ResourcePart("file:///x", blob="Q" * 2_000_000)
    parts: tuple[Part, ...] = (*map(TextPart, texts), image, blob)
    said: list[Event] = [PromptReceived(1, parts), TurnStarted(1, "prompt"), MessageInserted(4, "user", parts, 1)]
    store.append("s", store.acquire("s"), said)
    store.append("s", store.acquire("s"), [note(9)])
    die(store)
    assert events(FileStore(str(tmp_path)))[3:] == said
    assert numbers(FileStore(str(tmp_path))) == [1, 2, 3, 9]


def test_owners_after_one_another_make_one_log(tmp_path: Path) -> None:
    die(written(tmp_path))
    for number in (4, 5, 6):
        store = FileStore(str(tmp_path))
        store.append("s", store.acquire("s"), [note(number)])
        assert numbers(store) == [*range(1, number + 1)]
        die(store)
    assert numbers(FileStore(str(tmp_path))) == [1, 2, 3, 4, 5, 6]


def test_whoever_takes_a_session_over_and_says_nothing_leaves_no_file(tmp_path: Path) -> None:
    die(written(tmp_path))
    before = segment_files(tmp_path)
    store = FileStore(str(tmp_path))
    for _ in range(3):
        store.release("s", store.acquire("s"))
    assert segment_files(tmp_path) == before


def test_pages_may_be_read_while_the_log_grows(tmp_path: Path) -> None:
    store = written(tmp_path, notes=4)
    assert [seq for seq, _ in store.read("s", 0, 3)] == [1, 2, 3]
    store.append("s", store.acquire("s"), [note(5)])
    assert [seq for seq, _ in store.read("s", 3, 1) + store.read("s", 4, 3)] == [4, 5]
    assert store.read("s", 5) == []


def test_a_record_of_many_events_is_read_in_pages_and_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = written(tmp_path)
    store.append("s", store.acquire("s"), [note(number) for number in range(4, 2000)])
    die(store)
    decoded: list[int] = []

    def counted(text: bytes, told: dict[str, object]) -> Record:
        decoded.append(len(text))
        return decode(text, told)

    monkeypatch.setattr(log_cursor, "decode", counted)
    assert numbers(FileStore(str(tmp_path))) == [*range(1, 2000)]
    assert len(decoded) == 3


# Whose it is


@pytest.mark.req("PE-09", "SM-40")
def test_a_session_of_a_server_that_lives_is_busy_and_says_whose_it_is(tmp_path: Path) -> None:
    first, second = written(tmp_path), FileStore(str(tmp_path))
    with pytest.raises(SessionBusy) as busy:
        second.acquire("s")
    assert (busy.value.pid, busy.value.session_id) == (os.getpid(), "s")
    assert busy.value.started_at is not None
    with pytest.raises(SessionBusy):
        second.purge("s")
    assert numbers(second) == [1, 2, 3]
    die(first)
    assert second.append("s", second.acquire("s"), [note(4)]) == 4


@pytest.mark.parametrize("notes", [2, 3], ids=["in the journal", "in a file"])
def test_a_session_that_was_given_up_is_free_though_its_server_lives(tmp_path: Path, notes: int) -> None:
    first, second = written(tmp_path, notes=notes), FileStore(str(tmp_path))
    epoch = first.acquire("s")
    first.release("s", epoch)
    taken = second.acquire("s")
    with pytest.raises(SessionBusy):
        first.acquire("s")
    with pytest.raises(Fenced):
        first.append("s", epoch, [note(9)])
    second.append("s", taken, [note(9)])
    second.release("s", taken)
    assert numbers(first)[-1] == 9
    first.append("s", first.acquire("s"), [note(10)])
    assert numbers(second)[-2:] == [9, 10]


def test_whoever_takes_a_session_back_before_it_is_synced_owns_it_for_everybody(tmp_path: Path) -> None:
    async def give_up_and_take_back() -> None:
        store, other = written(tmp_path), FileStore(str(tmp_path))
        store.release("s", store.acquire("s"))
        epoch = store.acquire("s")
        with pytest.raises(SessionBusy):
            other.acquire("s")
        store.append("s", epoch, [note(4)])
        await store.synced("s")
        assert numbers(other) == [1, 2, 3, 4]

    asyncio.run(give_up_and_take_back())


def test_the_late_word_of_a_former_owner_is_refused_and_counts_for_nothing(tmp_path: Path) -> None:
    former = written(tmp_path)
    epoch = former.acquire("s")
    former.append("s", epoch, [note(4)])
    die(former)  # its lock is free, though it still runs
    store = FileStore(str(tmp_path))
    store.append("s", store.acquire("s"), [note(5)])
    former.append("s", epoch, [note(666)])  # within a second nobody looks
    assert numbers(store) == [1, 2, 3, 4, 5]
    assert numbers(FileStore(str(tmp_path))) == [1, 2, 3, 4, 5]
    with pytest.raises(Fenced):
        asyncio.run(former.synced("s"))


def test_a_new_log_is_refused_where_there_is_one_in_a_file_or_in_a_journal(tmp_path: Path) -> None:
    one = written(tmp_path, "in_file")
    one.append("journal", one.create("journal"), [note(1)])
    for session_id in ("in_file", "journal"):
        with pytest.raises(SessionExists):
            FileStore(str(tmp_path)).create(session_id)


# Files


@pytest.mark.req("PE-04")
def test_directories_and_files_are_the_users_alone(tmp_path: Path) -> None:
    os.umask(before := os.umask(0))
    try:
        os.umask(0)
        written(tmp_path / "store")
    finally:
        os.umask(before)
    for path in (tmp_path / "store").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


@pytest.mark.req("PE-09")
@pytest.mark.parametrize("session_id", ["../x", "", "a/b", "/etc/passwd", "a\0b", "é", "x" * 129, "..", "a b"])
def test_an_id_that_none_of_ours_has_names_no_file(tmp_path: Path, session_id: str) -> None:
    store = written(tmp_path / "store")
    before = sorted(tmp_path.rglob("*"))
    for attempt in (store.acquire, store.visible, lambda each: store.read(each), lambda each: store.release(each, 1)):
        with pytest.raises(UnknownSession):
            attempt(session_id)
    store.purge(session_id)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_purged_session_is_gone_for_everybody_wherever_it_was(tmp_path: Path) -> None:
    store = written(tmp_path)
    epoch = store.create("fresh")
    store.append("fresh", epoch, [note(1)])
    other = FileStore(str(tmp_path))
    for session_id in ("s", "fresh"):
        store.purge(session_id)
        for one in (store, other):
            with pytest.raises(UnknownSession):
                one.read(session_id)
    assert segment_files(tmp_path) == []


def test_many_logs_need_few_open_files(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    store._most_open = 20
    epochs = {f"s{number}": store.create(f"s{number}") for number in range(300)}
    before = len(os.listdir("/proc/self/fd"))
    for number in range(3):
        for session_id, epoch in epochs.items():
            store.append(session_id, epoch, [note(number)])
    assert len(os.listdir("/proc/self/fd")) < before + 25
    assert all(numbers(store, session_id) == [0, 1, 2] for session_id in epochs)


# Damage


def test_a_torn_end_is_cut_and_told_of_and_gone_on_behind(tmp_path: Path) -> None:
    die(written(tmp_path, notes=4))
    file = segment_files(tmp_path)[0]
    whole = file.read_bytes()
    os.truncate(file, len(whole) - 10)
    store = FileStore(str(tmp_path))
    epoch = store.acquire("s")
    assert numbers(store) == [1, 2, 3]
    damage = store.damage("s")
    assert damage is not None and "torn" in damage and file.name in damage
    assert store.append("s", epoch, [note(40)]) == 4
    assert numbers(store) == [1, 2, 3, 40]
    assert store.damage("s") is None
    assert file.read_bytes() == whole[:-10]


def test_every_cut_of_a_log_leaves_a_beginning_of_it_that_can_be_gone_on_with(tmp_path: Path) -> None:
    die(written(tmp_path, notes=6))
    file = segment_files(tmp_path)[0]
    whole = file.read_bytes()
    lengths = set()
    for size in range(len(whole), 0, -7):
        os.truncate(file, size)
        store = FileStore(str(tmp_path))
        found = numbers(store)
        assert found == [*range(1, len(found) + 1)]
        lengths.add(len(found))
        seq = store.append("s", store.acquire("s"), [note(99)])
        assert seq == len(found) + 1
        assert numbers(store) == [*found, 99]
        die(store)
        for later in segment_files(tmp_path)[1:]:
            later.unlink()
    assert lengths == {2, 3, 4, 5, 6}  # the beginning is in the journal still


def test_damage_in_the_middle_is_named_with_its_place_and_never_written_over(tmp_path: Path) -> None:
    die(written(tmp_path, notes=8))
    file = segment_files(tmp_path)[0]
    lines = file.read_bytes().splitlines(keepends=True)
    offset = sum(map(len, lines[:4]))
    spoilt = bytearray(b"".join(lines))
    spoilt[offset + 30] ^= 0x01
    file.write_bytes(spoilt)
    store = FileStore(str(tmp_path))
    epoch = store.acquire("s")
    kept = numbers(store)
    assert kept == [1, 2, 3, 4]
    assert store.damage("s") == (
        f"This session's log is damaged ({file.name}, byte {offset}); "
        "what was written before that place is here, the rest is not."
    )
    store.append("s", epoch, [note(50)])
    assert numbers(store) == [*kept, 50]
    assert file.read_bytes() == bytes(spoilt)


def test_each_flipped_byte_is_found_and_costs_only_what_comes_behind_it(tmp_path: Path) -> None:
    die(written(tmp_path, notes=5))
    file = segment_files(tmp_path)[0]
    whole = file.read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == 10]
    for place in range(0, len(whole), 5):
        spoilt = bytearray(whole)
        spoilt[place] ^= 0x20
        file.write_bytes(spoilt)
        store = FileStore(str(tmp_path))
        found = numbers(store)
        whole_records = sum(end <= place for end in ends) - 1
        expected = [1, 2, 3, 4, 5][: whole_records + 1] if whole_records > 0 else []
        assert found == expected, place
        assert store.damage("s") is not None


def test_a_log_of_a_later_version_is_read_as_far_as_it_goes_and_not_gone_on_with(tmp_path: Path) -> None:
    die(written(tmp_path, notes=4))
    file = segment_files(tmp_path)[0]
    later = file.with_name(file.name.replace("00000001", "00000002"))
    header = framed(b'{"format":%d,"session":"s","epoch":2,"owner":"gone"}' % (FORMAT + 1))
    later.write_bytes(header + b"something else\n")
    before = later.read_bytes()
    store = FileStore(str(tmp_path))
    assert numbers(store) == [1, 2, 3, 4]
    assert "later version" in str(store.damage("s"))
    with pytest.raises(NewerLog):
        store.acquire("s")
    assert later.read_bytes() == before
    store.purge("s")
    assert segment_files(tmp_path) == []


@pytest.mark.req("PE-07")
def test_an_event_of_a_kind_or_a_form_that_is_not_known_is_kept_as_it_stands(tmp_path: Path) -> None:
    die(written(tmp_path, notes=3))
    file = segment_files(tmp_path)[0]
    told = b'{"seq":[4,5],"at":1,"events":[{"type":"dreamt","of":["sheep"]},{"type":"turn_started","turn":"one"}]}'
    with file.open("ab") as log:
        log.write(framed(told))
    store = FileStore(str(tmp_path))
    unknown = [UnknownEvent("dreamt", {"of": ["sheep"]}), UnknownEvent("turn_started", {"turn": "one"})]
    assert events(store)[-2:] == unknown
    epoch = store.create("copy")
    store.append("copy", epoch, unknown)
    assert events(store, "copy") == unknown


# A disk that fails


@pytest.mark.req("PE-02")
def test_a_full_disk_costs_nothing_and_is_told_of_once_and_what_was_kept_is_written_later(tmp_path: Path) -> None:
    store = written(tmp_path)
    told: list[tuple[str, object]] = []
    store.on_trouble = lambda session_id, error: told.append((session_id, error and error.errno))
    epoch = store.acquire("s")
    size = segment_files(tmp_path)[0].stat().st_size
    with full_disk(size + 40):
        for number in range(4, 9):
            store.append("s", epoch, [note(number)])
        assert store.unsaved("s")
        assert numbers(store) == [1, 2, 3, 4, 5, 6, 7, 8]
        assert numbers(FileStore(str(tmp_path))) == [1, 2, 3]
    assert len(told) == 1 and told[0][0] == "s" and told[0][1] is not None
    store._retrying._try()
    assert not store.unsaved("s")
    assert told[1:] == [("s", None)]
    store.append("s", epoch, [note(9)])
    assert numbers(FileStore(str(tmp_path))) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("size", range(0, 2600, 93))
def test_wherever_the_disk_becomes_full_everything_is_there_when_it_is_not_any_more(tmp_path: Path, size: int) -> None:
    store = FileStore(str(tmp_path))
    with full_disk(size):
        epoch = store.create("s")
        for number in range(1, 9):
            store.append("s", epoch, [note(number), TextRun(number, "agent", ("x" * 30,), 3)])
        assert numbers(store) == [*range(1, 9)]
    store.append("s", epoch, [note(9)])
    store._retrying._try()
    assert numbers(store) == [*range(1, 10)]
    die(store)
    after = FileStore(str(tmp_path))
    assert numbers(after) == [*range(1, 10)]
    after.append("s", after.acquire("s"), [note(10)])
    assert numbers(after) == [*range(1, 11)]


def test_a_directory_that_cannot_be_made_is_a_full_disk_too(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    store = FileStore(str(tmp_path / "store"))
    epoch = store.create("s")
    store.append("s", epoch, [note(1)])
    store.append("s", epoch, [note(2)])
    assert numbers(store) == [1, 2]
    assert store.unsaved("s")
    (tmp_path / "store").unlink()
    store._retrying._try()
    assert numbers(FileStore(str(tmp_path / "store"))) == [1, 2]


@pytest.mark.req("PE-02")
def test_a_stored_session_can_be_opened_and_gone_on_with_while_the_disk_takes_nothing(tmp_path: Path) -> None:
    die(written(tmp_path))
    store = FileStore(str(tmp_path))
    with full_disk(0):
        epoch = store.acquire("s")
        assert numbers(store) == [1, 2, 3]
        assert store.append("s", epoch, [note(4)]) == 4
        assert store.unsaved("s")
        assert numbers(store) == [1, 2, 3, 4]
    store._retrying._try()
    assert not store.unsaved("s")
    assert numbers(FileStore(str(tmp_path))) == [1, 2, 3, 4]


def test_the_end_of_the_process_saves_what_could_not_be_saved_before(tmp_path: Path) -> None:
    store = written(tmp_path)
    with full_disk(segment_files(tmp_path)[0].stat().st_size):
        store.append("s", store.acquire("s"), [note(4)])
    store.close()
    assert numbers(FileStore(str(tmp_path))) == [1, 2, 3, 4]


# Barriers


def test_a_barrier_returns_when_the_log_and_its_directory_are_on_the_disk(tmp_path: Path) -> None:
    async def append_and_wait() -> None:
        store = written(tmp_path)
        log = store._logs["s"]
        assert log.synced == 0
        await asyncio.gather(*(store.synced("s") for _ in range(5)))
        assert log.synced == log.size == segment_files(tmp_path)[0].stat().st_size
        store.append("s", store.acquire("s"), [note(4)])
        store.sync_soon("s")
        assert log.synced < log.size
        await store.synced("s")
        assert log.synced == log.size

    asyncio.run(append_and_wait())


def test_what_a_sync_could_not_keep_is_written_again(tmp_path: Path) -> None:
    async def fail_and_recover() -> None:
        store = written(tmp_path)
        log = store._logs["s"]
        told: list[str] = []
        store.on_trouble = lambda _, error: told.append("failed" if error else "saved")
        store._sync_failed(log, OSError(5, "Input/output error"))
        assert store.unsaved("s") and told == ["failed"]
        os.truncate(segment_files(tmp_path)[0], log.size)
        store._retrying._try()
        assert told == ["failed"]
        await store.synced("s")
        assert not store.unsaved("s") and told == ["failed", "saved"]

    asyncio.run(fail_and_recover())
    assert numbers(FileStore(str(tmp_path))) == [1, 2, 3]


def test_a_system_note_that_no_json_can_hold_is_kept_as_well_as_it_goes(tmp_path: Path) -> None:
    store = written(tmp_path)
    store.append("s", store.acquire("s"), [SystemNote(2**70, "info", "half of \ud800 a pair")])
    assert len(events(store)) == 4
