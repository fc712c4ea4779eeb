"""A session without clients and work leaves memory after its idle time, and never with anything unsaved."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent_server.conversation.messages import UserMessage
from agent_server.errors import SessionNotFound
from agent_server.providers.provider import Finished
from agent_server.sessions.prompts import PromptStopped
from agent_server.sessions.session import Session
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from tests.agent.puppets import PuppetModel, PuppetTool, forever, say, wants
from tests.agent.scripted_client import in_loop

from .scripted_user import ScriptedUser
from .spoken_to import Asked, Silent, events_of, spec

HOUR_S = 3600.0


class Stopped:
    """The ends that a supervisor tells of."""

    def __init__(self, supervisor: SessionSupervisor) -> None:
        self.reasons: list[str] = []
        self._more = asyncio.Event()
        supervisor.on_stopped.add(self._tell)

    def _tell(self, session: Session, reason: str) -> None:
        self.reasons.append(reason)
        self._more.set()

    async def first(self) -> str:
        await asyncio.wait_for(self._more.wait(), 5)
        return self.reasons[0]


async def settle() -> None:
    """Let what was begun come to its end."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.req("EV-05", "SM-14")
@in_loop
async def test_a_session_that_nobody_sees_leaves_memory_after_four_hours_and_comes_back_whole(tmp_path: Path) -> None:
    model, store = PuppetModel(), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        stopped = Stopped(supervisor)
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session, "remember me")
        await model.asked(1)
        model.finish(1, "yes")
        await asked.outcome()
        log = events_of(store, session.id)
        supervisor.clock.advance(4 * HOUR_S - 1)
        await settle()
        assert supervisor.live() == [session]
        supervisor.clock.advance(2)
        assert await stopped.first() == "idle_timeout"
        with pytest.raises(SessionNotFound):
            supervisor.get(session.id)
        assert events_of(store, session.id) == log
        again = await supervisor.open(session.id, spec(tmp_path, model))
        assert again.instance_id != session.instance_id
        Asked(supervisor, again)
        await model.asked(2)
        assert isinstance(model.seen[1][0], UserMessage)
        assert len(model.seen[1]) == 3
        assert stopped.reasons == ["idle_timeout"]


@pytest.mark.req("EV-05", "SM-14")
@in_loop
async def test_the_time_is_measured_by_a_real_timer(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore(), idle_timeout_s=0.05) as supervisor:
        stopped = Stopped(supervisor)
        sessions = [supervisor.create(spec(tmp_path, PuppetModel())) for _ in range(3)]
        assert await stopped.first() == "idle_timeout"
        await settle()
        assert (supervisor.live(), stopped.reasons) == ([], ["idle_timeout"] * len(sessions))


@pytest.mark.req("EV-05")
@in_loop
async def test_with_no_idle_time_every_session_stays(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore(), idle_timeout_s=0) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        supervisor.clock.advance(1000 * HOUR_S)
        await settle()
        assert supervisor.live() == [session]


@pytest.mark.req("EV-06")
@in_loop
async def test_a_client_that_comes_in_time_keeps_the_session_and_time_begins_anew_when_it_goes(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore(), idle_timeout_s=10) as supervisor:
        session, user = supervisor.create(spec(tmp_path, PuppetModel())), ScriptedUser()
        supervisor.clock.advance(9)
        session.attach(user)
        supervisor.clock.advance(100)
        await settle()
        session.detach(user)
        supervisor.clock.advance(5)
        session.attach(user)
        session.detach(user)
        supervisor.clock.advance(9)  # an earlier period would be over by now
        await settle()
        assert supervisor.live() == [session]
        supervisor.clock.advance(2)
        await settle()
        assert supervisor.live() == []


@pytest.mark.req("EV-08")
@in_loop
async def test_a_prompt_that_is_accepted_just_before_the_end_of_the_time_keeps_the_session(tmp_path: Path) -> None:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore(), idle_timeout_s=10) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        supervisor.clock.advance(9.9)
        asked = Asked(supervisor, session)
        supervisor.clock.advance(50)  # the model has not been asked yet
        await model.asked(1)
        supervisor.clock.advance(50)
        model.finish(1)
        outcome = await asked.outcome()
        assert isinstance(outcome, PromptStopped)
        assert outcome.stop_reason == "end_turn"
        supervisor.clock.advance(9)
        await settle()
        assert supervisor.live() == [session]
        supervisor.clock.advance(2)
        await settle()
        assert supervisor.live() == []


@pytest.mark.req("EV-05")
@pytest.mark.parametrize("waits_for", ["tool", "approval", "queue"])
@in_loop
async def test_a_session_in_which_something_is_open_stays(tmp_path: Path, waits_for: str) -> None:
    model, tool = PuppetModel(), PuppetTool(waits=waits_for == "tool", changes=waits_for == "approval")
    async with SessionSupervisor(MemoryStore(), idle_timeout_s=10) as supervisor:
        session, user = supervisor.create(spec(tmp_path, model, tool)), Silent()
        session.attach(user)
        Asked(supervisor, session)
        if waits_for == "queue":
            Asked(supervisor, session)
        await model.asked(1)
        if waits_for != "queue":
            model.say(1, wants("puppet"), Finished("tool_use"))
            while not (tool.begun.is_set() or session.approvals.waiting):
                await asyncio.sleep(0)
        session.detach(user)
        supervisor.clock.advance(1000)
        await settle()
        assert supervisor.live() == [session]


@pytest.mark.req("EV-07")
@in_loop
async def test_a_session_that_is_not_saved_stays_until_it_is(tmp_path: Path) -> None:
    class Full(MemoryStore):
        full = True

        def unsaved(self, session_id: str) -> bool:
            return self.full

    store = Full()
    async with SessionSupervisor(store, idle_timeout_s=10) as supervisor:
        stopped = Stopped(supervisor)
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        for _ in range(3):
            supervisor.clock.advance(11)
            await settle()
        assert (supervisor.live(), stopped.reasons) == ([session], [])
        store.full = False
        supervisor.clock.advance(9)
        await settle()
        assert supervisor.live() == [session]  # the time was set again
        supervisor.clock.advance(2)
        assert await stopped.first() == "idle_timeout"


@in_loop
async def test_a_session_that_is_kept_nowhere_stays(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore(), idle_timeout_s=10) as supervisor:
        given = spec(tmp_path, PuppetModel())
        given.persist = False
        session = supervisor.create(given)
        supervisor.clock.advance(11)
        await settle()
        assert supervisor.live() == [session]


@pytest.mark.req("EV-06")
@in_loop
async def test_the_time_of_a_former_instance_does_not_end_its_successor(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore(), idle_timeout_s=10) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        supervisor.clock.advance(9)
        await supervisor.stop(session.id)
        again = await supervisor.open(session.id, spec(tmp_path, PuppetModel()))
        supervisor.clock.advance(9)
        await settle()
        assert supervisor.live() == [again]
        supervisor.crash(again, RuntimeError("it broke"))
        await supervisor.restarts.decided(session.id)
        supervisor.clock.advance(9)
        await settle()
        assert [one.restarts for one in supervisor.live()] == [1]
        supervisor.clock.advance(2)
        await settle()
        assert supervisor.live() == []


@in_loop
async def test_one_timer_serves_all_sessions_and_none_runs_for_those_that_ended(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    timers: list[float] = []
    call_later = loop.call_later

    def counted(delay: float, *arguments: object) -> asyncio.TimerHandle:
        timers.append(delay)
        return call_later(delay, *arguments)  # type: ignore[arg-type]

    loop.call_later = counted  # type: ignore[assignment, method-assign]
    async with SessionSupervisor(MemoryStore(), idle_timeout_s=10) as supervisor:
        sessions = [supervisor.create(spec(tmp_path, forever(say("hi")))) for _ in range(50)]
        assert timers == [10]
        for session in sessions[1:]:
            await supervisor.stop(session.id)
        supervisor.clock.advance(11)
        await settle()
        assert (supervisor.live(), len(timers)) == ([], 1)


def test_time_does_not_go_back() -> None:
    supervisor = SessionSupervisor(MemoryStore())
    with pytest.raises(ValueError, match="back"):
        supervisor.clock.advance(-1)
