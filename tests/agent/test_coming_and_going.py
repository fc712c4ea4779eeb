"""Clients that come back, stall, go and are replaced: nothing is kept of what ended, and nobody waits for the dead."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

import anyio
import pytest

from agent_server.conversation.content import ImagePart
from agent_server.conversation.events import MessageInserted
from agent_server.providers.provider import Finished
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import ToolResult
from agent_server.transport.memory import HIGH_WATER_BYTES

from .puppets import PuppetModel, PuppetTool, forever, say, wants
from .scripted_client import Frame, House, choose, house, in_loop, one_client

ASK = "session/request_permission"
OURS: Frame = {"_meta": {"agent_server": {}}}


def setup(session_id: str, cwd: Path) -> Frame:
    return {"sessionId": session_id, "cwd": str(cwd), "mcpServers": []}


def show_pictures(made: House, session_id: str, count: int, chars: int) -> None:
    """Let the session have a history of large messages."""
    session = made.session(session_id)
    for _ in range(count):
        session.log.append(MessageInserted(session.next_entry_id(), "agent", (ImagePart("A" * chars, "image/png"),)))


@pytest.mark.parametrize("ender", ["session/delete", "_agent_server/session/stop", "crash"])
@in_loop
async def test_nothing_is_kept_of_a_session_that_somebody_else_ended(tmp_path: Path, ender: str) -> None:
    async with house(forever(say("hi"))) as made:
        client, other = await made.connect(), await made.connect()
        session_id = await client.new_session(str(tmp_path))
        assert await client.run(session_id) == "end_turn"
        session = weakref.ref(made.session(session_id))
        if ender == "crash":
            broken = made.session(session_id).log.on_broken
            assert broken is not None
            broken(RuntimeError("it broke"))
            del broken
            await made.supervisor.restarts.decided(session_id)
            assert made.session(session_id).restarts == 1
        else:
            await other.call(ender, sessionId=session_id)
            assert len(made.stopped) == 1
        await client.call("session/list")
        gc.collect()
        assert session() is None


@pytest.mark.promise("P6")
@in_loop
async def test_a_client_that_stalls_while_it_is_told_a_long_history_costs_little_and_loses_nothing(
    tmp_path: Path,
) -> None:
    async with house(forever(say("hi"))) as made:
        client, other = await made.connect(), await made.connect()
        session_id = await client.new_session(str(tmp_path))
        elsewhere = await other.new_session(str(tmp_path))
        show_pictures(made, session_id, 100, HIGH_WATER_BYTES)
        await client.call("session/close", sessionId=session_id)
        client.frames.clear()
        client.stop_reading()
        load = client.request("session/load", **setup(session_id, tmp_path))
        assert await other.run(elsewhere) == "end_turn"
        assert 0 < client.unread_bytes < 10 * HIGH_WATER_BYTES
        client.read_on()
        assert "result" in await client.answer(load)
        assert len(client.updates(session_id, sessionUpdate="agent_message_chunk")) == 100


@in_loop
async def test_questions_go_to_the_client_that_came_and_not_to_the_one_that_is_just_going(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(changes=True)
    async with house(model, tools=[tool]) as made:
        first, second = await made.connect(), await made.connect()
        second.answers[ASK] = choose("approve")
        session_id = await first.new_session(str(tmp_path))
        first.prompt(session_id)
        await model.asked(1)
        first.hang_up()  # its prompt runs on for as long as the connection drains
        await second.call("session/load", **setup(session_id, tmp_path))
        model.say(1, wants("puppet"), Finished("tool_use"))
        await second.seen(sessionUpdate="tool_call_update", status="completed")
        assert tool.runs == 1


@in_loop
async def test_a_connection_that_is_ended_during_a_load_sees_the_session_no_more(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        first = await made.connect()
        session_id = await first.new_session(str(tmp_path))
        show_pictures(made, session_id, 100, HIGH_WATER_BYTES)
        first.stop_reading()
        first.request("session/load", **setup(session_id, tmp_path))
        second = await made.connect()
        first.hang_up()
        made.agents[0].cancel()
        await asyncio.gather(made.agents[0], return_exceptions=True)
        made.agents.clear()
        await second.call("session/list")
        assert made.session(session_id).log.attachments == []


@in_loop
async def test_no_status_is_told_of_a_session_behind_its_end(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        first = await made.connect()
        session_id = await first.new_session(str(tmp_path))
        show_pictures(made, session_id, 100, HIGH_WATER_BYTES)
        await first.call("session/close", sessionId=session_id)
        second = await made.connect(OURS)
        second.stop_reading()
        load = second.request("session/load", **setup(session_id, tmp_path))
        await first.call("session/list")
        await first.call("_agent_server/session/stop", sessionId=session_id)
        second.read_on()
        assert (await second.answer(load))["error"]["code"] == -32002
        ours = [frame["method"] for frame in second.frames if frame.get("method", "").startswith("_agent_server/")]
        assert ours == ["_agent_server/session/stopped"]


@pytest.mark.promise("P12")
@in_loop
async def test_a_resume_while_a_call_runs_leaves_what_the_client_knows_of_the_call(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(waits=True)
    async with one_client(model, tools=[tool]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        await tool.begun.wait()
        await client.call("session/resume", **setup(session_id, tmp_path))
        tool.go.set()
        await client.seen(sessionUpdate="tool_call_update", status="completed")
        assert len(client.updates(sessionUpdate="tool_call")) == 1
        assert client.updates(title="Tool call") == []


@pytest.mark.promise("P3")
@in_loop
async def test_what_was_streamed_before_a_crash_precedes_the_answer_to_its_prompt(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        log = made.session(session_id).log
        assert log.on_broken is not None
        log.begin_message("agent", 7)
        log.delta("last words")
        log.on_broken(RuntimeError("it broke"))
        assert "error" in await client.answer(prompt)
        await client.call("session/list")
        assert client.text(session_id) == "last words"
        said = client.position(lambda frame: frame.get("method") == "session/update" and "last" in str(frame))
        assert said < client.position(lambda frame: frame.get("id") == prompt)


@pytest.mark.promise("P8")
@pytest.mark.parametrize("ender", ["session/close", "session/delete"])
@in_loop
async def test_an_end_that_is_withdrawn_halfway_still_ends_the_turn_in_order(tmp_path: Path, ender: str) -> None:
    cleaned, cleaning = asyncio.Event(), asyncio.Event()

    async def slow_to_stop(_: ToolContext) -> ToolResult:
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            with anyio.CancelScope(shield=True):
                await cleaned.wait()
        return ToolResult.text("done")

    model, tool = PuppetModel(), PuppetTool(body=slow_to_stop)
    async with one_client(model, tools=[tool]) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        await tool.begun.wait()
        end = client.request(ender, sessionId=session_id)
        await cleaning.wait()
        client.notify("$/cancel_request", requestId=end)
        await client.answer(end)
        cleaned.set()
        assert await client.stop_reason(prompt) == "cancelled"
        assert client.updates(session_id, toolCallId="call_1")[-1]["status"] == "failed"
        await client.until(lambda: made.stopped)
        assert made.supervisor.live() == []
