from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import PromptWithdrawn, RootsChanged, SessionCreated, SystemNote, TurnEnded
from agent_server.conversation.messages import AssistantMessage, UserMessage
from agent_server.errors import SessionNotFound
from agent_server.sessions.model_choice import set_model
from agent_server.sessions.prompts import PromptFailed, PromptStopped
from agent_server.sessions.session import Session
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.files import FileStore
from agent_server.store.memory import MemoryStore
from agent_server.store.store import UnknownSession
from tests.agent.puppets import PuppetModel, forever, say
from tests.agent.scripted_client import in_loop

from .spoken_to import Asked, MortalStore, events_of, spec


@pytest.mark.parametrize("live", [True, False])
@in_loop
async def test_a_fork_goes_on_from_where_the_other_is_and_leaves_it_alone(tmp_path: Path, live: bool) -> None:
    model, store = PuppetModel(), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        source = supervisor.create(spec(tmp_path, model))
        set_model(source, "large")
        asked = Asked(supervisor, source, "hi")
        await model.asked(1)
        model.finish(1, "hello")
        await asked.outcome()
        if not live:
            await supervisor.stop(source.id)
        before = events_of(store, source.id)

        elsewhere = tmp_path / "elsewhere"
        fork = await supervisor.fork(source.id, spec(elsewhere, model))
        assert fork.id not in (source.id, "") and fork.id.startswith("session_")
        assert (fork.alias, fork.model, fork.cwd) == ("session-2", "large", str(elsewhere))
        assert fork.record.title == source.record.title == "hello"
        first, *rest = events_of(store, fork.id)
        assert isinstance(first, SessionCreated)
        assert first.cwd == str(elsewhere)
        assert first.created_at == fork.created_at >= source.created_at
        assert rest == before[1:]

        asked = Asked(supervisor, fork, "and now?")
        await model.asked(2)
        assert model.seen[1] == [
            UserMessage((TextPart("hi"),)),
            AssistantMessage("hello"),
            UserMessage((TextPart("and now?"),)),
        ]
        model.finish(2, "now this")
        outcome = await asked.outcome()
        assert isinstance(outcome, PromptStopped)
        assert outcome.message_id == 4  # behind the note, the prompt and the answer that were copied
        assert events_of(store, source.id) == before
        assert {entry.session_id for entry in (await supervisor.entries.page())[0]} == {source.id, fork.id}


@in_loop
async def test_a_fork_of_a_busy_session_ends_with_its_last_completed_turn(tmp_path: Path) -> None:
    model, store = PuppetModel(), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        source = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, source, "one")
        await model.asked(1)
        model.finish(1, "first")
        await asked.outcome()
        running, waiting = Asked(supervisor, source, "two"), Asked(supervisor, source, "three")
        await model.asked(2)
        model.say(2, "half an ans")
        while "half" not in "".join(source.record._text):
            await asyncio.sleep(0)

        fork = await supervisor.fork(source.id, spec(tmp_path, model))
        assert fork.record.messages == [UserMessage((TextPart("one"),)), AssistantMessage("first")]
        assert not fork.turn_active
        copied = events_of(store, fork.id)
        assert [event.turn_id for event in copied if isinstance(event, TurnEnded)] == [1]
        assert copied[-1] == PromptWithdrawn(2)  # it was received before its turn began
        assert not running.outcomes

        model.finish(2, "wer")
        await running.outcome()
        await model.asked(3)
        model.finish(3)
        await waiting.outcome()
        assert len(fork.record.messages) == 2


@in_loop
async def test_a_fork_of_a_crashed_session_keeps_its_interrupted_turn(tmp_path: Path) -> None:
    model, store = PuppetModel(), MortalStore()
    store.dies_at = TurnEnded
    async with SessionSupervisor(store) as supervisor:
        source = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, source, "one")
        await model.asked(1)
        model.finish(1, "nearly")
        assert isinstance(await asked.outcome(), PromptFailed)
        store.mended()
        before = events_of(store, source.id)
        fork = await supervisor.fork(source.id, spec(tmp_path, model))
        assert fork.record.messages == [UserMessage((TextPart("one"),)), AssistantMessage("nearly")]
        assert isinstance(events_of(store, fork.id)[-1], TurnEnded)
        assert events_of(store, source.id) == before


@in_loop
async def test_what_happens_while_a_long_log_is_copied_is_not_in_the_copy(tmp_path: Path) -> None:
    store = MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        source = supervisor.create(spec(tmp_path, PuppetModel()))
        for _ in range(600):
            source.log.append(SystemNote(source.next_entry_id(), "info", "x"))
        before = events_of(store, source.id)
        forking = asyncio.ensure_future(supervisor.fork(source.id, spec(tmp_path, PuppetModel())))
        await asyncio.sleep(0)
        source.set_title("later")
        fork = await forking
        assert events_of(store, fork.id)[1:] == before[1:]
        assert (fork.record.title, source.record.title) == (None, "later")


@in_loop
async def test_a_fork_works_in_its_own_roots(tmp_path: Path) -> None:
    store, extra = MemoryStore(), tmp_path / "extra"
    async with SessionSupervisor(store) as supervisor:
        source = supervisor.create(spec(tmp_path, PuppetModel()))
        source.adopt(spec(tmp_path, PuppetModel(), roots=[extra]).workspace)
        fork = await supervisor.fork(source.id, spec(tmp_path, PuppetModel()))
        assert fork.info().roots == (str(tmp_path),)
        assert events_of(store, fork.id)[-1] == RootsChanged((str(tmp_path),))


@in_loop
async def test_a_fork_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    class NoModels(PuppetModel):
        def models(self) -> tuple[()]:
            return ()

    store = MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        with pytest.raises(SessionNotFound):
            await supervisor.fork("session_none", spec(tmp_path, PuppetModel()))
        source = supervisor.create(spec(tmp_path, PuppetModel()))
        with pytest.raises(IndexError):
            await supervisor.fork(source.id, spec(tmp_path, NoModels()))
        assert supervisor.live() == [source]
        assert set(store._logs) == {source.id}
        assert supervisor.create(spec(tmp_path, PuppetModel())).alias == "session-2"


@in_loop
async def test_a_deleted_session_is_gone_with_all_that_was_known_of_it(tmp_path: Path) -> None:
    stopped: list[tuple[Session, str]] = []
    model, store = PuppetModel(), MemoryStore()
    async with SessionSupervisor(store, on_stopped=lambda *told: stopped.append(told)) as supervisor:
        live, closed, other = [supervisor.create(spec(tmp_path, model)) for _ in range(3)]
        asked = Asked(supervisor, live)
        await model.asked(1)
        await supervisor.stop(closed.id)
        for session in (live, closed):
            await supervisor.delete(session.id)
            with pytest.raises(SessionNotFound):
                supervisor.description(session.id)
            with pytest.raises(SessionNotFound):
                await supervisor.open(session.id, spec(tmp_path, model))
            with pytest.raises(UnknownSession):
                store.visible(session.id)
        outcome = await asked.outcome()
        assert isinstance(outcome, PromptStopped)
        assert outcome.stop_reason == "cancelled"
        assert stopped == [(closed, "closed"), (live, "deleted")]
        assert [entry.session_id for entry in (await supervisor.entries.page())[0]] == [other.id]
        assert supervisor.live() == [other]


@in_loop
async def test_whoever_still_holds_a_deleted_session_does_not_bring_it_back(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        await supervisor.delete(session.id)
        session.adopt(spec(tmp_path, PuppetModel()).workspace)
        with pytest.raises(UnknownSession):
            session.set_title("back")
        assert await supervisor.entries.page() == ([], None)


@pytest.mark.parametrize("session_id", ["session_none", "", "../../etc/passwd", "*", "a\0b"])
@in_loop
async def test_deleting_what_is_unknown_does_nothing(tmp_path: Path, session_id: str) -> None:
    store = FileStore(str(tmp_path / "store"))
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        for _ in range(2):
            await supervisor.delete(session_id)
        assert supervisor.live() == [session]
        assert store.visible(session.id) > 0


@in_loop
async def test_a_session_is_deleted_once_however_often_and_with_whatever_else_it_is_asked(tmp_path: Path) -> None:
    stopped: list[str] = []
    model, store = forever(say("hi")), MemoryStore()
    async with SessionSupervisor(store, on_stopped=lambda _, reason: stopped.append(reason)) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        await Asked(supervisor, session).outcome()
        await supervisor.stop(session.id)
        opening, *deleting = [
            asyncio.ensure_future(work)
            for work in (
                supervisor.open(session.id, spec(tmp_path, model)),
                supervisor.delete(session.id),
                supervisor.delete(session.id),
            )
        ]
        await asyncio.gather(opening, *deleting)
        assert supervisor.live() == []
        assert stopped == ["closed", "deleted"]
        assert store._logs == {}
        assert await supervisor.entries.page() == ([], None)


@in_loop
async def test_deleting_while_it_is_being_stopped_waits_for_the_stop(tmp_path: Path) -> None:
    stopped: list[str] = []
    model, store = PuppetModel(), MemoryStore()
    async with SessionSupervisor(store, on_stopped=lambda _, reason: stopped.append(reason)) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session)
        await model.asked(1)
        await asyncio.gather(supervisor.stop(session.id), supervisor.delete(session.id))
        assert stopped == ["closed"]
        assert store._logs == {}
        assert await supervisor.entries.page() == ([], None)
        assert isinstance(await asked.outcome(), PromptStopped)


@in_loop
async def test_opening_behind_a_delete_finds_nothing(tmp_path: Path) -> None:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        Asked(supervisor, session)
        await model.asked(1)
        deleting = asyncio.ensure_future(supervisor.delete(session.id))
        await asyncio.sleep(0)
        with pytest.raises(SessionNotFound):
            await supervisor.open(session.id, spec(tmp_path, model))
        await deleting


@in_loop
async def test_archiving_closes_and_hides_a_session_until_it_is_brought_back(tmp_path: Path) -> None:
    stopped: list[str] = []
    async with SessionSupervisor(MemoryStore(), on_stopped=lambda _, reason: stopped.append(reason)) as supervisor:
        entries = supervisor.entries
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        for _ in range(2):
            await supervisor.set_archived(session.id, True)
            assert supervisor.live() == []
            assert await entries.page() == ([], None)
        assert stopped == ["archived"]
        again = await supervisor.open(session.id, spec(tmp_path, PuppetModel()))
        again.set_title("still hidden")
        assert await entries.page() == ([], None)
        await supervisor.set_archived(session.id, False)
        assert supervisor.live() == [again]
        await supervisor.stop(session.id)
        assert [entry.title for entry in (await entries.page())[0]] == ["still hidden"]
        with pytest.raises(SessionNotFound):
            await supervisor.set_archived("session_none", True)
