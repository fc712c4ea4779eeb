from __future__ import annotations

from pathlib import Path

import pytest

from agent_server.conversation.events import ArchivedChanged
from agent_server.errors import SessionConflict, SessionNotFound
from agent_server.sessions.pruning import prune
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.sessions.timestamps import now_ms, rfc3339
from agent_server.store.catalogue import MemoryCatalogue
from agent_server.store.files import FileStore
from agent_server.store.memory import MemoryStore
from agent_server.store.store import UnknownSession
from tests.agent.puppets import PuppetModel, forever, say
from tests.agent.scripted_client import in_loop
from tests.store.stocked import put, session_id

from .spoken_to import Asked, events_of, spec


def archivings(store: MemoryStore, name: str) -> list[bool]:
    return [event.archived for event in events_of(store, name) if isinstance(event, ArchivedChanged)]


@pytest.mark.parametrize("live", [True, False])
@in_loop
async def test_archiving_is_in_the_log_once_and_is_no_use_of_the_session(tmp_path: Path, live: bool) -> None:
    store, model = MemoryStore(), forever(say("hi"))
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        await Asked(supervisor, session).outcome()
        if not live:
            await supervisor.stop(session.id)
        before = await supervisor.entries.get(session.id)
        assert before is not None
        for _ in range(2):
            await supervisor.set_archived(session.id, True)
            assert await supervisor.entries.get(session.id) == before._replace(archived=True)
        assert supervisor.live() == []
        opened = await supervisor.open(session.id, spec(tmp_path, model))
        assert opened.archived
        for _ in range(2):
            await supervisor.set_archived(session.id, False)
            assert await supervisor.entries.get(session.id) == before
        assert not opened.archived
        assert archivings(store, session.id) == [True, False]


@in_loop
async def test_a_session_that_is_opened_by_nobody_knows_from_its_log_that_it_is_archived(tmp_path: Path) -> None:
    store = MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        await supervisor.set_archived(session.id, True)
    async with SessionSupervisor(store, MemoryCatalogue()) as supervisor:  # a catalogue that was lost
        opened = await supervisor.open(session.id, spec(tmp_path, PuppetModel()))
        assert opened.archived
        entry = await supervisor.entries.get(session.id)
        assert entry is not None and entry.archived
        await supervisor.set_archived(session.id, False)
    assert archivings(store, session.id) == [True, False]


@in_loop
async def test_what_is_not_there_is_not_archived(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        with pytest.raises(SessionNotFound):
            await supervisor.set_archived("session_none", True)


def ago(days: float) -> str:
    return rfc3339(now_ms() - round(days * 86_400_000))


@in_loop
async def test_pruning_removes_what_nobody_used_for_long(tmp_path: Path) -> None:
    store, catalogue = FileStore(str(tmp_path / "store")), MemoryCatalogue()
    young = put(store, catalogue, 1, ago(29.9))
    old = [put(store, catalogue, number, ago(30 + number)) for number in (2, 3)]
    kept = put(store, catalogue, 4, ago(99), archived=True)
    lives = put(store, catalogue, 5, ago(99), cwd=str(tmp_path))
    async with SessionSupervisor(store, catalogue) as supervisor:
        await supervisor.open(lives, spec(tmp_path, PuppetModel()))
        assert await prune(supervisor, 30) == old
        assert {entry.session_id for entry in catalogue.page(archived="include")[0]} == {young, kept, lives}
        for name in old:
            with pytest.raises(UnknownSession):
                store.visible(name)
        assert await prune(supervisor, 30) == []
        assert await prune(supervisor, 0) == [young]
    store.close()


@in_loop
async def test_what_lives_in_another_server_is_neither_pruned_nor_deleted(tmp_path: Path) -> None:
    other, catalogue = FileStore(str(tmp_path / "store")), MemoryCatalogue()
    name = put(other, catalogue, 1, ago(50))
    await other.synced(name)
    epoch = other.acquire(name)
    store = FileStore(str(tmp_path / "store"))
    async with SessionSupervisor(store, catalogue) as supervisor:
        assert await prune(supervisor, 30) == []
        with pytest.raises(SessionConflict, match="in use"):
            await supervisor.delete(name)
        assert catalogue.get(name) is not None
        other.release(name, epoch)
        other.close()
        assert await prune(supervisor, 30) == [name]
    store.close()


@in_loop
async def test_what_was_used_since_it_was_looked_at_is_left_alone(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        assert not await supervisor.delete(session.id, unused_since=ago(-1))  # it lives
        await supervisor.stop(session.id)
        assert not await supervisor.delete(session.id, unused_since=ago(1))
        assert not await supervisor.delete(session_id(1), unused_since=ago(-1))
        assert await supervisor.delete(session.id, unused_since=ago(-1))
