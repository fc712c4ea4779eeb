from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.events import TurnEnded
from agent_server.errors import ProviderError, SessionNotFound
from agent_server.providers.provider import Finished, Usage
from agent_server.sessions.description import Description
from agent_server.sessions.ended import KEPT
from agent_server.sessions.prompts import PromptFailed, PromptStopped
from agent_server.sessions.session import Session
from agent_server.sessions.spec import Limits
from agent_server.sessions.status import Activity, Lifecycle
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.sessions.timestamps import later, ms_of, now_ms, rfc3339
from agent_server.store.memory import MemoryStore
from tests.agent.puppets import PuppetModel, PuppetTool, forever, say, wants
from tests.agent.scripted_client import in_loop

from .spoken_to import Asked, MortalStore, Silent, spec


@pytest.mark.req("SM-08", "SM-09", "SM-10", "SM-25")
@in_loop
async def test_a_live_session_is_found_by_its_id_its_instance_and_its_alias(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        one, two = [supervisor.create(spec(tmp_path, PuppetModel())) for _ in range(2)]
        for session in (one, two):
            assert supervisor.find(session_id=session.id) is session
            assert supervisor.find(instance_id=session.instance_id) is session
            assert supervisor.find(alias=session.alias) is session
            assert supervisor.find(session_id=session.id, instance_id=session.instance_id) is session
        with pytest.raises(SessionNotFound):
            supervisor.find(session_id=one.id, instance_id=two.instance_id)
        with pytest.raises(ValueError, match="found by"):
            supervisor.find()


@pytest.mark.req("SM-08", "SM-09", "SM-25")
@in_loop
async def test_names_of_a_session_that_ended_or_of_a_former_instance_find_nothing(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        closed, crashed = [supervisor.create(spec(tmp_path, forever(say("hi")))) for _ in range(2)]
        await supervisor.stop(supervisor.find(instance_id=closed.instance_id).id)
        again = await supervisor.open(closed.id, spec(tmp_path, PuppetModel()))
        crashed.log.on_broken(OSError())  # type: ignore[misc]
        names: list[dict[str, Any]] = [
            {"instance_id": closed.instance_id},
            {"alias": closed.alias},
            {"session_id": crashed.id},
            {"instance_id": crashed.instance_id},
            {"instance_id": "instance_0"},
            {"session_id": ""},
        ]
        for name in names:
            with pytest.raises(SessionNotFound) as caught:
                supervisor.find(**name)
            assert [caught.value.session_id] == list(name.values())
        assert supervisor.find(session_id=closed.id) is again


@pytest.mark.req("SM-24", "SM-26", "SM-35", "ST-16")
@in_loop
async def test_a_description_says_what_the_session_was_made_from_and_what_became_of_it(tmp_path: Path) -> None:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        given = spec(tmp_path, model, limits=Limits(7, 1.5))
        given.metadata, given.llm_config = {"a": 1}, {"b": [2]}
        session = supervisor.create(given)
        fresh = supervisor.description(session.id)
        assert fresh == Description(
            session_id=session.id,
            alias="session-1",
            instance_id=session.instance_id,
            cwd=str(tmp_path),
            roots=(str(tmp_path),),
            lifecycle=Lifecycle.LIVE,
            manager_status="idle",
            activity=Activity.IDLE,
            status="idle",
            mode="ask",
            created_at=session.created_at,
            updated_at=session.created_at,
            last_error=None,
            metadata={"a": 1},
            llm_config={"b": [2]},
            limits=Limits(7, 1.5),
            provider_id="puppet",
            provider_source="embedded",
            model="small",
            title=None,
            first_prompt=None,
            message_count=1,
            turn_count=0,
            cost_usd=None,
            active_tasks=0,
            queued_prompts=0,
            restarts=0,
            persist=True,
            parent_session_id=None,
        )
        asked = Asked(supervisor, session, "  add\nfour and four ")
        await model.asked(1)
        model.finish(1, Usage(3, 4, cost_usd=0.25), "Eight.\nOf course.", Usage(3, 4, cost_usd=0.5), Usage(1, 1))
        await asked.outcome()
        told = supervisor.description(session.id)
        assert (told.title, told.first_prompt) == ("Eight.", "add\nfour and four")
        assert (told.message_count, told.turn_count, told.cost_usd) == (3, 1, 0.75)
        assert told.updated_at > fresh.updated_at
        entry = await supervisor.entries.get(session.id)
        assert entry is not None
        for name in entry._fields:
            assert name == "archived" or getattr(entry, name) == getattr(told, name), name


@pytest.mark.req("SM-11", "SM-26", "SM-35")
@in_loop
async def test_a_busy_session_is_described_at_once_with_its_tasks(tmp_path: Path) -> None:
    model, tools = PuppetModel(), [PuppetTool("one", waits=True), PuppetTool("two", waits=True)]
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session, idle = [supervisor.create(spec(tmp_path, model, *tools)) for _ in range(2)]
        asked, queued = Asked(supervisor, session), Asked(supervisor, session)
        await model.asked(1)
        model.say(1, wants("one", "1"), wants("two", "2"), Finished("tool_use"))
        for tool in tools:
            await tool.begun.wait()
        # Nothing is awaited from here on, so the tools cannot have gone on meanwhile.
        told = [supervisor.description(one.id) for one in supervisor.live()]
        assert [one.session_id for one in told] == [session.id, idle.id]
        assert [one.active_tasks for one in told] == [3, 0]
        assert [one.manager_status for one in told] == ["active", "idle"]
        assert [one.status for one in told] == ["tool_executing", "idle"]
        assert told[0].queued_prompts == 1
        session.cancel()
        for one in (asked, queued):
            await one.outcome()
        assert supervisor.description(session.id).active_tasks == 0


@pytest.mark.req("SM-35")
@in_loop
async def test_each_prompt_leaves_a_later_time_even_within_one_millisecond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.5)
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, forever(say("hi"))))
        times = [session.updated_at]
        for _ in range(3):
            await Asked(supervisor, session).outcome()
            times.append(session.updated_at)
        assert times == sorted(set(times))
        assert times[0] == "2027-01-15T08:00:00.500Z"


def test_times_are_written_in_milliseconds_and_read_back() -> None:
    for ms in (0, 999, 1_000, 1_763_632_800_042, now_ms()):
        assert ms_of(rfc3339(ms)) == ms
        assert len(rfc3339(ms)) == 24
    assert rfc3339(1_763_632_800_042) == "2025-11-20T10:00:00.042Z"
    future = now_ms() + 10_000
    assert later(future) == future + 1
    assert later(0) >= now_ms() - 1000


@pytest.mark.req("SM-26")
@in_loop
async def test_a_session_that_ended_lately_is_still_described(tmp_path: Path) -> None:
    store = MortalStore()
    async with SessionSupervisor(store) as supervisor:
        closed, crashed = [supervisor.create(spec(tmp_path, forever(say("hi")))) for _ in range(2)]
        await supervisor.stop(closed.id)
        told = supervisor.description(closed.id)
        assert (told.instance_id, told.lifecycle) == (closed.instance_id, Lifecycle.TERMINATED)
        assert (told.manager_status, told.status) == ("terminated", "terminated")
        store.dies_at = TurnEnded
        assert isinstance(await Asked(supervisor, crashed).outcome(), PromptFailed)
        assert supervisor.description(crashed.id).last_error == "the session crashed (OSError)"
        with pytest.raises(SessionNotFound):
            supervisor.description("session_none")


@pytest.mark.req("SM-26", "SM-27")
@in_loop
async def test_only_the_sessions_that_ended_last_are_remembered(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        ended = [supervisor.create(spec(tmp_path, PuppetModel())).id for _ in range(KEPT + 1)]
        for session_id in ended:
            await supervisor.stop(session_id)
        with pytest.raises(SessionNotFound):
            supervisor.description(ended[0])
        assert {supervisor.description(session_id).session_id for session_id in ended[1:]} == set(ended[1:])


@pytest.mark.req("SM-27")
@in_loop
async def test_lists_and_descriptions_stay_right_while_sessions_come_and_go(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        made: list[Session] = []

        async def come_and_go(number: int) -> None:
            session = supervisor.create(spec(tmp_path, forever(say("hi"))))
            made.append(session)
            await Asked(supervisor, session).outcome()
            if number % 3 == 0:
                await supervisor.stop(session.id)
            if number % 6 == 0:
                await supervisor.open(session.id, spec(tmp_path, PuppetModel()))
            if number % 4 == 1:
                await supervisor.delete(session.id)

        async def look() -> None:
            for _ in range(100):
                listed = [session.id for session in supervisor.live()]
                assert len(set(listed)) == len(listed)
                assert [supervisor.description(session_id).session_id for session_id in listed] == listed
                await asyncio.sleep(0)

        await asyncio.gather(look(), *(come_and_go(number) for number in range(60)), look())
        expected = {
            session.id
            for number, session in enumerate(made)
            if number % 4 != 1 and (number % 3 != 0 or number % 6 == 0)
        }
        assert {session.id for session in supervisor.live()} == expected


@pytest.mark.req("ST-10", "ST-13")
@in_loop
async def test_a_snapshot_shows_the_open_question_without_any_handle(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(changes=True)
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model, tool))
        session.attach(Silent())
        asked = Asked(supervisor, session)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        while not session.snapshot().pending_approvals:
            await asyncio.sleep(0)
        snapshot = session.snapshot()
        (pending,) = snapshot.pending_approvals
        assert (pending.tool_call_id, pending.title, pending.subject) == ("call_1", "Use puppet", "puppet")
        assert [option.id for option in pending.options] == ["approve", "approve_turn", "approve_session", "reject"]
        assert snapshot.waiting_for_user
        assert (snapshot.active_tool_name, snapshot.provider_ready, snapshot.last_error) == ("puppet", True, None)
        model.ready = False
        assert not session.snapshot().provider_ready
        session.cancel()
        await asked.outcome()
        assert session.snapshot().pending_approvals == ()


@pytest.mark.req("SM-34", "ST-05")
@pytest.mark.parametrize("failure", [ProviderError("overloaded", "Later."), ValueError("a bug"), RecursionError()])
@in_loop
async def test_a_model_that_fails_ends_its_turn_and_nothing_else(tmp_path: Path, failure: BaseException) -> None:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session)
        await model.asked(1)
        model.say(1, failure)
        assert isinstance(await asked.outcome(), PromptFailed)
        assert supervisor.live() == [session]
        assert session.info().last_error is not None
        asked = Asked(supervisor, session)
        await model.asked(2)
        model.finish(2, "well again")
        assert isinstance(await asked.outcome(), PromptStopped)
        assert session.info().last_error is None


@pytest.mark.req("SM-28", "SM-29", "SM-30", "ST-07")
@in_loop
async def test_a_session_is_told_of_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    news: list[tuple[str, ...]] = []
    async with SessionSupervisor(MemoryStore()) as supervisor:
        for _ in range(2):  # the same listeners twice
            unsubscribes = [
                supervisor.on_created.add(lambda session: news.append(("created", session.manager_status))),
                supervisor.on_status.add(lambda _, status, before: news.append((before, status))),
                supervisor.on_stopped.add(lambda session, reason: news.append((session.manager_status, reason))),
            ]
        for unsubscribe in [*unsubscribes, *unsubscribes]:  # once, however often it is called
            unsubscribe()
        session = supervisor.create(spec(tmp_path, forever(say("hi"))))
        await Asked(supervisor, session).outcome()
        await supervisor.stop(session.id)
        assert news == [
            ("created", "idle"),
            ("initializing", "idle"),
            ("idle", "thinking"),
            ("thinking", "idle"),
            ("idle", "terminating"),
            ("terminating", "terminated"),
            ("terminated", "closed"),
        ]
        news.clear()
        again = await supervisor.open(session.id, spec(tmp_path, forever(say("hi"))))
        assert news == [("created", "idle"), ("initializing", "idle")]
        news.clear()
        await supervisor.delete(again.id)
        assert news[-1] == ("terminated", "deleted")


@pytest.mark.req("SM-30")
@in_loop
async def test_a_session_that_is_closed_in_a_turn_is_terminating_until_the_turn_has_ended(tmp_path: Path) -> None:
    moves: list[tuple[str, str]] = []
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        Asked(supervisor, session)
        await model.asked(1)
        supervisor.on_status.add(lambda _, status, before: moves.append((before, status)))
        await supervisor.stop(session.id)
        assert moves == [("thinking", "terminating"), ("terminating", "terminated")]


@pytest.mark.req("SM-30")
@in_loop
async def test_a_session_that_crashes_is_terminated_at_once(tmp_path: Path) -> None:
    moves: list[tuple[str, str]] = []
    store = MortalStore()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(tmp_path, forever(say("hi"))))
        store.dies_at = TurnEnded
        supervisor.on_status.add(lambda _, status, before: moves.append((before, status)))
        await Asked(supervisor, session).outcome()
        assert moves[-1][1] == "terminated"
        assert "terminating" not in [word for move in moves for word in move]


@in_loop
async def test_a_listener_that_fails_harms_neither_the_session_nor_the_next_listener(tmp_path: Path) -> None:
    heard: list[str] = []

    def fails(*_: object) -> None:
        raise ValueError("a listener")

    async with SessionSupervisor(MemoryStore()) as supervisor:
        for listeners in (supervisor.on_created, supervisor.on_status, supervisor.on_stopped):
            listeners.add(fails)
        supervisor.on_created.add(lambda _: heard.append("created"))
        supervisor.on_stopped.add(lambda _, reason: heard.append(reason))
        session = supervisor.create(spec(tmp_path, forever(say("hi"))))
        assert isinstance(await Asked(supervisor, session).outcome(), PromptStopped)
        await supervisor.stop(session.id)
        assert heard == ["created", "closed"]
