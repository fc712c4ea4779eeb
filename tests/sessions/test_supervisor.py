from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent_server.errors import SessionNotFound
from agent_server.providers.provider import Finished, ModelRequest, ProviderEvent
from agent_server.sessions.prompts import PromptStopped
from agent_server.sessions.session import Session
from agent_server.sessions.spec import SessionSpec
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from tests.agent.puppets import PuppetModel, forever, say
from tests.agent.scripted_client import in_loop

from .spoken_to import Asked, spec


@pytest.mark.req("SM-01", "SM-18")
@in_loop
async def test_a_new_supervisor_holds_nothing() -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        assert supervisor.live() == []


@pytest.mark.req("SM-02", "SM-03", "SM-17", "SM-18", "JR-10")
@in_loop
async def test_an_entry_is_found_by_its_id_and_knows_its_instance(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        one, two = [supervisor.create(spec(tmp_path, PuppetModel())) for _ in range(2)]
        assert (one.alias, two.alias) == ("session-1", "session-2")
        assert one.instance_id != two.instance_id
        assert re.fullmatch(r"instance_[0-9a-f]+", one.instance_id)
        assert supervisor.get(one.id) is one
        assert supervisor.live() == [one, two]


@pytest.mark.req("SM-04")
@in_loop
async def test_a_failed_start_spends_no_alias(tmp_path: Path) -> None:
    class NoModels(PuppetModel):
        def models(self) -> tuple[()]:
            return ()

    async with SessionSupervisor(MemoryStore()) as supervisor:
        with pytest.raises(IndexError):
            supervisor.create(spec(tmp_path, NoModels()))
        assert supervisor.live() == []
        assert supervisor.create(spec(tmp_path, PuppetModel())).alias == "session-1"


@pytest.mark.req("SM-07", "SM-12", "SM-13", "SM-23")
@in_loop
async def test_a_stopped_or_unknown_session_is_not_found_by_any_operation(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        await supervisor.stop(session.id)
        for name in (session.id, "session_none", ""):
            with pytest.raises(SessionNotFound) as caught:
                supervisor.get(name)
            assert caught.value.session_id == name
            with pytest.raises(SessionNotFound):
                await supervisor.stop(name)
        with pytest.raises(SessionNotFound):
            session.prompt((), lambda _: None)


@pytest.mark.req("SM-13", "TN-09")
@in_loop
async def test_a_cancel_by_id_ends_the_turn_and_is_harmless_when_idle(tmp_path: Path) -> None:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        supervisor.get(session.id).cancel()
        running, waiting = Asked(supervisor, session), Asked(supervisor, session)
        await model.asked(1)
        supervisor.get(session.id).cancel()
        for asked in (running, waiting):
            outcome = await asked.outcome()
            assert isinstance(outcome, PromptStopped)
            assert outcome.stop_reason == "cancelled"


@pytest.mark.req("SM-23")
@in_loop
async def test_stopping_twice_at_once_stops_once(tmp_path: Path) -> None:
    stopped: list[tuple[Session, str]] = []
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore(), on_stopped=lambda *told: stopped.append(told)) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session)
        await model.asked(1)
        ends = await asyncio.gather(*(supervisor.stop(session.id) for _ in range(3)), return_exceptions=True)
        assert [type(end) for end in ends] == [type(None), SessionNotFound, SessionNotFound]
        assert stopped == [(session, "closed")]
        assert isinstance(await asked.outcome(), PromptStopped)


@pytest.mark.req("SM-21", "SM-24")
@in_loop
async def test_a_listed_session_has_its_state_its_times_and_what_its_creator_said(tmp_path: Path) -> None:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        given = spec(tmp_path, model)
        given.metadata, given.llm_config = {"a": 1}, {"b": 2}
        supervisor.create(given)
        (session,) = supervisor.live()
        assert (session.spec.metadata, session.spec.llm_config) == ({"a": 1}, {"b": 2})
        assert session.manager_status == "idle"
        created, updated = datetime.fromisoformat(session.created_at), datetime.fromisoformat(session.updated_at)
        assert created.utcoffset() == updated.utcoffset() == timedelta(0)
        assert created <= updated
        assert session.created_at.endswith("Z")
        asked = Asked(supervisor, session)
        await model.asked(1)
        assert session.manager_status == "active"
        model.finish(1)
        await asked.outcome()
        assert session.manager_status == "idle"
        await supervisor.stop(session.id)
        assert supervisor.live() == []
        assert session.manager_status == "terminated"


@pytest.mark.req("SM-22", "SM-27")
@in_loop
async def test_five_hundred_sessions_have_five_hundred_ids_and_cost_no_task(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        tasks = len(asyncio.all_tasks())
        made = [supervisor.create(spec(tmp_path, PuppetModel())) for _ in range(500)]
        assert len({session.id for session in made}) == len({session.instance_id for session in made}) == 500
        assert len(asyncio.all_tasks()) == tasks
        assert supervisor.live() == made


@pytest.mark.req("SM-33")
@pytest.mark.promise("P9", "P1")
@in_loop
async def test_when_the_supervisor_ends_so_does_every_session_and_its_work(tmp_path: Path) -> None:
    stopped: list[str] = []
    model = PuppetModel()
    before = asyncio.all_tasks()
    async with SessionSupervisor(MemoryStore(), on_stopped=lambda _, reason: stopped.append(reason)) as supervisor:
        sessions = [supervisor.create(spec(tmp_path, model)) for _ in range(3)]
        asked = [Asked(supervisor, session) for session in sessions[:2]]
        await model.asked(2)
    assert supervisor.live() == []
    assert stopped == ["shutdown"] * 3
    assert model.closed == 2
    outcomes = [outcome for one in asked for outcome in one.outcomes if isinstance(outcome, PromptStopped)]
    assert [outcome.stop_reason for outcome in outcomes] == ["cancelled"] * 2
    assert asyncio.all_tasks() == before


@pytest.mark.req("SM-20", "SM-07")
@in_loop
async def test_a_turn_that_will_not_end_is_left_behind_by_a_close(tmp_path: Path) -> None:
    class Deaf(PuppetModel):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
            begun.set()
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    pass
            yield Finished()

    begun, release = asyncio.Event(), asyncio.Event()
    model = Deaf()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session)
        await begun.wait()
        await asyncio.wait_for(session.close(grace_s=0.01), 1)
        session.terminated()
        release.set()
        assert asked.outcomes == [PromptStopped("cancelled")]


@pytest.mark.req("JR-10")
@in_loop
async def test_a_prompt_may_come_before_the_supervisor_runs(tmp_path: Path) -> None:
    supervisor = SessionSupervisor(MemoryStore())
    session = supervisor.create(spec(tmp_path, forever(say("hi"))))
    asked = Asked(supervisor, session)
    async with supervisor:
        outcome = await asked.outcome()
    assert isinstance(outcome, PromptStopped)
    assert outcome.stop_reason == "end_turn"


def test_a_spec_needs_only_a_workspace_a_model_and_tools(tmp_path: Path) -> None:
    made: SessionSpec = spec(tmp_path, PuppetModel())
    assert (made.model, made.metadata, made.llm_config, made.limits.max_turn_requests) == (None, None, None, 100)
