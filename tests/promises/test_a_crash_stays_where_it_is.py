"""P4: what breaks in a session reaches no other session and not the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent_server.conversation.events import Event, TextRun, ToolCallUpserted, TurnEnded, TurnStarted
from agent_server.providers.provider import Finished
from agent_server.sessions.session import Session
from agent_server.sessions.spec import SessionSpec
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from agent_server.tools.local_workspace import LocalWorkspace
from agent_server.tools.toolbox import Toolbox
from tests.agent.puppets import PuppetModel, PuppetTool, forever, say, wants
from tests.agent.scripted_client import House, ScriptedClient, in_loop, one_client

pytestmark = [pytest.mark.promise("P4"), pytest.mark.promise("P1"), pytest.mark.req("SM-20", "JR-20")]


class BreakingStore(MemoryStore):
    """Raises ``error`` instead of appending an event of type ``at``, and ever after, for one session."""

    def __init__(self) -> None:
        super().__init__()
        self.victim = ""
        self.at: type[object] = object
        self.error: BaseException = OSError("the disk is gone")
        self.broken = False

    def append(self, session_id: str, epoch: int, events: Sequence[Event]) -> int:
        if session_id == self.victim:
            self.broken = self.broken or any(isinstance(event, self.at) for event in events)
            if self.broken:
                raise self.error
        return super().append(session_id, epoch, events)


async def crash_is_contained(client: ScriptedClient, house: House, victim: str, other: str, prompts: list[int]) -> None:
    """Every prompt of the victim has one error, one stopped event went out when restarts were of no use (its store
    stays broken), and everything else lives."""
    for prompt in prompts:
        assert (await client.answer(prompt))["error"]["code"] == -32603
    error = await client.refused("session/set_mode", sessionId=victim, modeId="plan")
    assert (error["code"], error["data"]["sessionId"]) == (-32002, victim)
    assert house.stopped == [(victim, "restart_exhausted")]
    assert [session.id for session in house.supervisor.live()] == [other]
    assert all(len(client.answers_to(prompt)) == 1 for prompt in prompts)


ERRORS = [OSError("x"), MemoryError(), RecursionError(), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("at", [TextRun, ToolCallUpserted, TurnEnded])
@in_loop
async def test_a_log_that_breaks_in_a_turn_ends_one_session(tmp_path: Path, at: type[object], error: Exception) -> None:
    model, tool, store = PuppetModel(), PuppetTool(), BreakingStore()
    async with one_client(model, tools=[tool], store=store) as (client, house):
        other = await client.new_session(str(tmp_path))
        victim = await client.new_session(str(tmp_path))
        others = client.prompt(other)
        await model.asked(1)
        prompts = [client.prompt(victim) for _ in range(3)]
        await model.asked(2)
        store.victim, store.at, store.error = victim, at, error
        model.say(2, "some text", wants("puppet"), Finished("tool_use"))
        if at is TurnEnded:
            await model.asked(3)
            model.finish(3)
        await crash_is_contained(client, house, victim, other, prompts)
        model.finish(1, "unharmed")
        assert await client.stop_reason(others) == "end_turn"
        assert client.text(other) == "unharmed"


@in_loop
async def test_a_log_that_breaks_while_text_streams_is_noticed_without_another_event(tmp_path: Path) -> None:
    """The text is stored at the end of the loop's turn, outside of the session's task."""
    model, store = PuppetModel(), BreakingStore()
    async with one_client(model, store=store) as (client, house):
        other, victim = [await client.new_session(str(tmp_path)) for _ in range(2)]
        prompt = client.prompt(victim)
        await model.asked(1)
        store.victim, store.at = victim, TextRun
        model.say(1, "never stored")
        await crash_is_contained(client, house, victim, other, [prompt])
        assert client.text() == ""
        assert model.closed == 1


@in_loop
async def test_a_log_that_breaks_at_a_prompt_fails_that_prompt_and_not_the_next(tmp_path: Path) -> None:
    store = BreakingStore()
    async with one_client(forever(say("hi")), store=store) as (client, house):
        other, victim = [await client.new_session(str(tmp_path)) for _ in range(2)]
        assert await client.run(victim) == "end_turn"
        store.victim, store.at = victim, TurnStarted
        assert (await client.answer(client.prompt(victim)))["error"]["code"] == -32603
        store.victim = ""
        assert await client.run(victim) == "end_turn"
        assert await client.run(other) == "end_turn"
        assert house.stopped == []


@in_loop
async def test_a_log_that_breaks_when_the_second_of_two_prompts_begins_fails_the_second(tmp_path: Path) -> None:
    model, store = PuppetModel(), BreakingStore()
    async with one_client(model, store=store) as (client, house):
        other, victim = [await client.new_session(str(tmp_path)) for _ in range(2)]
        first, second = client.prompt(victim), client.prompt(victim)
        await model.asked(1)
        store.victim, store.at = victim, TurnStarted
        model.finish(1)
        assert await client.stop_reason(first) == "end_turn"
        await crash_is_contained(client, house, victim, other, [second])


@pytest.mark.promise("P8")
@in_loop
async def test_a_log_that_breaks_at_a_cancel_still_answers_every_prompt(tmp_path: Path) -> None:
    model, store = PuppetModel(), BreakingStore()
    async with one_client(model, store=store) as (client, house):
        victim = await client.new_session(str(tmp_path))
        prompts = [client.prompt(victim) for _ in range(3)]
        await model.asked(1)
        store.victim = victim
        client.cancel(victim)
        frames = [await client.answer(prompt) for prompt in prompts]
        assert [frame.get("result") for frame in frames[1:]] == [{"stopReason": "cancelled"}] * 2
        assert (await client.refused("session/set_mode", sessionId=victim, modeId="plan"))["code"] == -32002
        assert house.stopped == [(victim, "restart_exhausted")]
        assert all(len(client.answers_to(prompt)) == 1 for prompt in prompts)


@pytest.mark.req("SM-07", "SM-33")
@in_loop
async def test_a_session_with_a_broken_log_can_be_closed_at_once(tmp_path: Path) -> None:
    model, store = PuppetModel(), BreakingStore()
    async with one_client(model, store=store) as (client, house):
        victim = await client.new_session(str(tmp_path))
        prompts = [client.prompt(victim) for _ in range(2)]
        await model.asked(1)
        store.victim = victim
        async with asyncio.timeout(1):
            assert await client.call("session/close", sessionId=victim) == {}
        assert [len(client.answers_to(prompt)) for prompt in prompts] == [1, 1]
        assert house.stopped == [(victim, "closed")]


@pytest.mark.req("SM-33")
@in_loop
async def test_a_broken_log_does_not_keep_the_process_from_ending(tmp_path: Path) -> None:
    model, store = PuppetModel(), BreakingStore()
    async with asyncio.timeout(3):
        async with one_client(model, store=store) as (client, house):
            victim, other = [await client.new_session(str(tmp_path)) for _ in range(2)]
            client.prompt(victim)
            client.prompt(other)
            await model.asked(2)
            store.victim = victim
    assert house.supervisor.live() == []
    assert sorted(name for name, _ in house.stopped) == sorted([victim, other])


@pytest.mark.parametrize("listener", ["stopped", "status"])
@in_loop
async def test_a_listener_that_breaks_harms_nobody(tmp_path: Path, listener: str) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a listener")

    supervisor = SessionSupervisor(
        MemoryStore(),
        on_stopped=broken if listener == "stopped" else None,
        on_status=broken if listener == "status" else None,
    )
    spec = SessionSpec(LocalWorkspace(str(tmp_path)), forever(say("hi")), Toolbox([]))
    async with supervisor:
        one, two = supervisor.create(spec), supervisor.create(spec)
        for session in (one, two):
            assert await run(supervisor, session) == "end_turn"
        await supervisor.stop(one.id)
        assert await run(supervisor, two) == "end_turn"


async def run(supervisor: SessionSupervisor, session: Session) -> str:
    """Prompt a session without any client."""
    settled: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    session.prompt((), settled.set_result)
    supervisor.ensure_working(session)
    outcome = await asyncio.wait_for(settled, 5)
    return str(getattr(outcome, "stop_reason", outcome))
