"""What every event store must do; each implementation is listed in `STORES`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.conversation.events import Event, SystemNote, TextRun
from agent_server.store.files import FileStore
from agent_server.store.memory import MemoryStore
from agent_server.store.store import EventStore, Fenced, SessionExists, UnknownSession


def files() -> EventStore:
    return FileStore(tempfile.mkdtemp())


STORES: list[Callable[[], EventStore]] = [MemoryStore, files]
every_store = pytest.mark.parametrize("make", STORES, ids=lambda make: make.__name__)


def note(number: int = 0) -> SystemNote:
    return SystemNote(number, "info", f"note {number}")


def run(count: int) -> TextRun:
    return TextRun(1, "agent", ("x" * count,), count)


def width(event: Event) -> int:
    return event.count if isinstance(event, TextRun) else 1


EVENTS = st.one_of(st.builds(note, st.integers(0, 99)), st.builds(run, st.integers(1, 40)))
BATCHES = st.lists(st.lists(EVENTS, max_size=5), max_size=12)


@every_store
def test_the_first_event_of_a_session_has_seq_1(make: Callable[[], EventStore]) -> None:
    store = make()
    epoch = store.create("a")
    assert store.visible("a") == 0
    assert store.append("a", epoch, [note()]) == 1
    assert store.read("a") == [(1, note())]


@every_store
def test_a_text_run_takes_a_seq_for_each_of_its_deltas_and_is_known_by_the_last(
    make: Callable[[], EventStore],
) -> None:
    store = make()
    epoch = store.create("a")
    assert store.append("a", epoch, [run(3)]) == 3
    assert store.append("a", epoch, [note(), run(2), note()]) == 7
    assert [seq for seq, _ in store.read("a")] == [3, 4, 6, 7]


@every_store
def test_a_cursor_inside_a_text_run_gives_the_whole_run(make: Callable[[], EventStore]) -> None:
    store = make()
    epoch = store.create("a")
    store.append("a", epoch, [note(), run(4), note()])
    assert store.read("a", after=3) == [(5, run(4)), (6, note())]
    assert store.read("a", after=5) == [(6, note())]


@every_store
@given(batches=BATCHES)
def test_seqs_are_dense_and_the_order_is_that_of_the_appends(
    make: Callable[[], EventStore], batches: list[list[Event]]
) -> None:
    store = make()
    epoch = store.create("a")
    heads = [store.append("a", epoch, batch) for batch in batches]
    records = store.read("a")
    assert [event for _, event in records] == [event for batch in batches for event in batch]
    before = 0
    for seq, event in records:
        assert seq - before == width(event)
        before = seq
    assert heads == sorted(heads)
    assert store.visible("a") == before == (heads[-1] if heads else 0)


@every_store
@given(batches=BATCHES, after=st.integers(-2, 300), limit=st.none() | st.integers(0, 20))
def test_read_returns_exactly_the_later_records(
    make: Callable[[], EventStore], batches: list[list[Event]], after: int, limit: int | None
) -> None:
    store = make()
    epoch = store.create("a")
    for batch in batches:
        store.append("a", epoch, batch)
    later = [(seq, event) for seq, event in store.read("a") if seq > after]
    assert store.read("a", after, limit) == (later if limit is None else later[:limit])


@every_store
@given(batches=BATCHES, late=st.lists(EVENTS, max_size=3))
def test_a_stale_epoch_is_refused_and_changes_nothing(
    make: Callable[[], EventStore], batches: list[list[Event]], late: list[Event]
) -> None:
    store = make()
    stale = store.create("a")
    for batch in batches:
        store.append("a", stale, batch)
    owner = store.acquire("a")
    before, seen = store.read("a"), list[int]()
    store.watch("a", seen.append)
    with pytest.raises(Fenced) as refused:
        store.append("a", stale, late)
    assert (refused.value.epoch, refused.value.owner) == (stale, owner)
    assert (store.read("a"), store.visible("a"), seen) == (before, sum(width(e) for _, e in before), [])
    assert store.append("a", owner, [note()]) == store.visible("a")


@every_store
def test_every_owner_gets_a_higher_epoch(make: Callable[[], EventStore]) -> None:
    store = make()
    epochs = [store.create("a"), store.acquire("a"), store.acquire("a")]
    assert epochs == sorted(set(epochs))


@every_store
def test_whoever_released_a_session_can_append_no_more(make: Callable[[], EventStore]) -> None:
    store = make()
    epoch = store.create("a")
    store.release("a", epoch)
    with pytest.raises(Fenced) as refused:
        store.append("a", epoch, [note()])
    assert refused.value.owner is None
    assert store.append("a", store.acquire("a"), [note()]) == 1


@every_store
def test_a_stale_owner_cannot_release_what_another_acquired(make: Callable[[], EventStore]) -> None:
    store = make()
    stale = store.create("a")
    owner = store.acquire("a")
    store.release("a", stale)
    assert store.append("a", owner, [note()]) == 1


@every_store
def test_the_owner_of_a_purged_session_stays_fenced_out_of_its_successor(make: Callable[[], EventStore]) -> None:
    store = make()
    old = store.create("a")
    store.append("a", old, [note()])
    store.purge("a")
    store.create("a")
    assert store.read("a") == []
    with pytest.raises(Fenced):
        store.append("a", old, [note()])


@every_store
def test_sessions_count_for_themselves(make: Callable[[], EventStore]) -> None:
    store = make()
    a, b = store.create("a"), store.create("b")
    store.append("a", a, [note(), note()])
    assert store.append("b", b, [note()]) == 1
    with pytest.raises(Fenced):
        store.append("b", a, [note()])


@every_store
def test_a_run_without_deltas_is_refused_and_its_batch_with_it(make: Callable[[], EventStore]) -> None:
    store = make()
    epoch = store.create("a")
    batches: list[list[Event]] = [[run(0)], [note(), run(-1)]]
    for batch in batches:
        with pytest.raises(ValueError, match="at least one delta"):
            store.append("a", epoch, batch)
    assert (store.read("a"), store.visible("a")) == ([], 0)


@every_store
def test_appending_nothing_tells_nobody(make: Callable[[], EventStore]) -> None:
    store = make()
    epoch = store.create("a")
    store.append("a", epoch, [note()])
    seen = list[int]()
    store.watch("a", seen.append)
    assert store.append("a", epoch, []) == 1
    assert seen == []


@every_store
def test_watchers_hear_each_new_seq_until_they_unsubscribe(make: Callable[[], EventStore]) -> None:
    store = make()
    epoch = store.create("a")
    seen = list[int]()
    first = store.watch("a", seen.append)
    second = store.watch("a", seen.append)
    store.append("a", epoch, [run(5)])
    first()
    first()
    store.append("a", epoch, [note(), note()])
    second()
    store.append("a", epoch, [note()])
    assert seen == [5, 5, 7]


@every_store
def test_a_watcher_may_unsubscribe_while_it_is_called(make: Callable[[], EventStore]) -> None:
    store = make()
    epoch = store.create("a")
    seen = list[int]()
    unsubscribe = list[Callable[[], None]]()

    def once(seq: int) -> None:
        seen.append(seq)
        unsubscribe[0]()

    unsubscribe.append(store.watch("a", once))
    store.watch("a", seen.append)
    store.append("a", epoch, [note()])
    store.append("a", epoch, [note()])
    assert seen == [1, 1, 2]


@every_store
def test_a_watcher_that_appends_never_makes_another_hear_an_older_seq(make: Callable[[], EventStore]) -> None:
    store = make()
    epoch = store.create("a")
    seen = list[int]()

    def echo(seq: int) -> None:
        if seq < 3:
            store.append("a", epoch, [note()])

    store.watch("a", echo)
    store.watch("a", seen.append)
    assert store.append("a", epoch, [note()]) == 3
    assert seen == sorted(seen)
    assert seen[-1] == 3


@every_store
def test_a_failing_watcher_harms_neither_the_append_nor_the_other_watchers(
    make: Callable[[], EventStore], caplog: pytest.LogCaptureFixture
) -> None:
    store = make()
    epoch = store.create("a")
    seen = list[int]()

    def fail(seq: int) -> None:
        raise RuntimeError(f"broken at {seq}")

    store.watch("a", fail)
    store.watch("a", seen.append)
    assert store.append("a", epoch, [note()]) == 1
    assert seen == [1]
    assert "broken at 1" in caplog.text


@every_store
def test_a_session_can_be_created_only_once(make: Callable[[], EventStore]) -> None:
    store = make()
    epoch = store.create("a")
    with pytest.raises(SessionExists):
        store.create("a")
    assert store.append("a", epoch, [note()]) == 1


@every_store
def test_an_unknown_session_is_named_whatever_is_asked_of_it(make: Callable[[], EventStore]) -> None:
    store = make()
    asks: list[Callable[[], object]] = [
        lambda: store.append("ghost", 1, [note()]),
        lambda: store.read("ghost"),
        lambda: store.acquire("ghost"),
        lambda: store.release("ghost", 1),
        lambda: store.visible("ghost"),
        lambda: store.watch("ghost", print),
    ]
    for ask in asks:
        with pytest.raises(UnknownSession, match="ghost"):
            ask()
    store.purge("ghost")
