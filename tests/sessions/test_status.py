from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from agent_server.errors import ProviderError
from agent_server.providers.provider import Finished
from agent_server.sessions.session import Session
from agent_server.sessions.status import LIFECYCLE_MOVES, Activity, Lifecycle, agent_status, manager_status
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from tests.agent.puppets import PuppetModel, PuppetTool, wants
from tests.agent.scripted_client import in_loop

from .spoken_to import Asked, spec


class Told:
    """Hears every change of status."""

    def __init__(self) -> None:
        self.moves: list[tuple[str, str]] = []

    def __call__(self, session: Session, status: str, before: str) -> None:
        assert session.snapshot().status == status
        self.moves.append((before, status))

    @property
    def words(self) -> list[str]:
        """What it was, and what it became; each change goes on where the one before ended."""
        assert all(one[1] == two[0] for one, two in pairwise(self.moves))
        assert all(before != after for before, after in self.moves)
        return [self.moves[0][0], *(after for _, after in self.moves)]


@pytest.mark.req("ST-01", "ST-02", "ST-03", "ST-04", "ST-07", "ST-09")
@in_loop
async def test_a_turn_with_a_tool_is_thinking_executing_thinking_idle(tmp_path: Path) -> None:
    model, tool, told = PuppetModel(), PuppetTool(waits=True), Told()
    async with SessionSupervisor(MemoryStore(), on_status=told) as supervisor:
        session = supervisor.create(spec(tmp_path, model, tool))
        assert not session.snapshot().turn_active
        asked = Asked(supervisor, session)
        assert session.snapshot().turn_active
        await model.asked(1)
        assert session.snapshot().status == "thinking"  # before any word of the model
        model.say(1, "first I look", wants("puppet"), Finished("tool_use"))
        await tool.begun.wait()
        assert session.snapshot().status == "tool_executing"
        tool.go.set()
        await model.asked(2)
        assert session.snapshot().status == "thinking"
        model.finish(2)
        await asked.outcome()
        assert not session.snapshot().turn_active
        assert told.words == ["initializing", "idle", "thinking", "tool_executing", "thinking", "idle"]


@pytest.mark.req("ST-05", "ST-07")
@in_loop
async def test_a_failure_is_an_error_until_the_next_turn(tmp_path: Path) -> None:
    model, told = PuppetModel(), Told()
    async with SessionSupervisor(MemoryStore(), on_status=told) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session)
        await model.asked(1)
        session.policy.turn_trust.add("puppet")
        model.say(1, ProviderError("overloaded", "Try later."))
        await asked.outcome()
        assert session.snapshot().last_error == "Try later."
        assert session.policy.turn_trust == set()
        assert session.manager_status == "idle"
        asked = Asked(supervisor, session)
        await model.asked(2)
        model.finish(2)
        await asked.outcome()
        assert session.snapshot().last_error is None
        assert told.words == ["initializing", "idle", "thinking", "error", "thinking", "idle"]


@pytest.mark.req("ST-01", "ST-06", "ST-07", "ST-09")
@in_loop
async def test_plan_is_shown_while_nothing_runs_and_the_activity_while_something_does(tmp_path: Path) -> None:
    model, told = PuppetModel(), Told()
    async with SessionSupervisor(MemoryStore(), on_status=told) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        session.set_mode("plan")
        session.set_mode("plan")
        asked = Asked(supervisor, session)
        await model.asked(1)
        snapshot = session.snapshot()
        assert (snapshot.mode, snapshot.activity, snapshot.turn_active) == ("plan", Activity.THINKING, True)
        session.cancel()
        await asked.outcome()
        session.set_mode("ask")
        assert told.words == ["initializing", "idle", "plan", "thinking", "plan", "idle"]


@pytest.mark.req("ST-08")
@in_loop
async def test_the_tool_that_is_named_is_the_latest_that_still_runs(tmp_path: Path) -> None:
    model, tools = PuppetModel(), [PuppetTool("one", waits=True), PuppetTool("two", waits=True)]
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model, *tools))
        asked = Asked(supervisor, session)
        await model.asked(1)
        assert session.snapshot().active_tool_name is None
        model.say(1, wants("one", "1"), wants("two", "2"), Finished("tool_use"))
        for tool in tools:
            await tool.begun.wait()
        assert [name for _, name in session.snapshot().active_tool_calls] == ["one", "two"]
        assert session.snapshot().active_tool_name == "two"
        tools[1].go.set()
        while session.snapshot().active_tool_name == "two":
            await asyncio.sleep(0)
        assert [name for _, name in session.snapshot().active_tool_calls] == ["one"]
        assert session.snapshot().active_tool_name == "one"
        assert session.snapshot().status == "tool_executing"
        session.cancel()
        await asked.outcome()
        assert session.snapshot().active_tool_calls == ()
        assert session.snapshot().active_tool_name is None


@pytest.mark.req("SM-28", "SM-29")
def test_a_session_lives_goes_and_is_gone_and_never_comes_back() -> None:
    assert LIFECYCLE_MOVES[Lifecycle.INITIALIZING] == {Lifecycle.LIVE, Lifecycle.TERMINATED}
    assert LIFECYCLE_MOVES[Lifecycle.TERMINATING] == {Lifecycle.TERMINATED}
    assert LIFECYCLE_MOVES[Lifecycle.TERMINATED] == set()
    assert set(LIFECYCLE_MOVES) == set(Lifecycle)


@pytest.mark.req("SM-28", "SM-29", "SM-24")
@pytest.mark.parametrize(
    ("lifecycle", "activity", "word"),
    [
        (Lifecycle.INITIALIZING, Activity.IDLE, "initializing"),
        (Lifecycle.LIVE, Activity.IDLE, "idle"),
        (Lifecycle.LIVE, Activity.ERROR, "idle"),
        (Lifecycle.LIVE, Activity.THINKING, "active"),
        (Lifecycle.LIVE, Activity.TOOL_EXECUTING, "active"),
        (Lifecycle.TERMINATING, Activity.THINKING, "terminating"),
        (Lifecycle.TERMINATED, Activity.IDLE, "terminated"),
    ],
)
def test_a_list_of_sessions_says_in_one_word_how_each_stands(
    lifecycle: Lifecycle, activity: Activity, word: str
) -> None:
    assert manager_status(lifecycle, activity) == word


@pytest.mark.req("ST-01")
@pytest.mark.parametrize(
    ("activity", "mode", "word"),
    [(Activity.IDLE, "plan", "plan"), (Activity.THINKING, "plan", "thinking"), (Activity.IDLE, "ask", "idle")],
)
def test_an_editor_shows_one_word(activity: Activity, mode: str, word: str) -> None:
    assert agent_status(activity, mode) == word


@pytest.mark.req("SM-29", "SM-23")
@in_loop
async def test_a_session_is_live_after_it_was_made_and_terminated_after_its_end(tmp_path: Path) -> None:
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, PuppetModel()))
        assert session.snapshot().lifecycle is Lifecycle.LIVE
        await supervisor.stop(session.id)
        assert session.snapshot().lifecycle is Lifecycle.TERMINATED
        await session.close()
        session.terminated()
        assert session.snapshot().lifecycle is Lifecycle.TERMINATED
