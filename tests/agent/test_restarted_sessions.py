"""What a client meets when its session crashes: an error for what ran, and then the session again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent_server.agent.features import Features
from agent_server.providers.provider import Finished
from agent_server.sessions.session import Session

from .puppets import PuppetModel, PuppetTool, forever, say, wants
from .scripted_client import SILENCE, Frame, House, ScriptedClient, choose, house, in_loop, one_client
from .test_coming_and_going import setup, show_pictures

pytestmark = [pytest.mark.promise("P4"), pytest.mark.promise("P1")]

OURS: Frame = {"_meta": {"agent_server": {}}}
EXTENSION = "_agent_server/session/"
BROKEN = RuntimeError("it broke")


def told(client: ScriptedClient, name: str) -> list[Any]:
    """The params of the notifications of ours with this name."""
    return [frame["params"] for frame in client.frames if frame.get("method") == EXTENSION + name and "id" not in frame]


def crash(made: House, session_id: str) -> Session:
    """Let it break; the instance that did."""
    session = made.session(session_id)
    made.supervisor.crash(session, BROKEN)
    return session


@pytest.mark.req("SM-15", "SM-16")
@pytest.mark.promise("P12")
@in_loop
async def test_a_client_goes_on_after_a_crash_in_a_tool_call_and_is_told_nothing_twice(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(waits=True)
    async with one_client(model, capabilities=OURS, tools=[tool]) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        first = client.prompt(session_id, "one")
        await model.asked(1)
        model.say(1, "let me", wants("puppet"), Finished("tool_use"))
        await tool.begun.wait()
        old = crash(made, session_id)
        assert (await client.answer(first))["error"]["code"] == -32603
        second = client.prompt(session_id, "two")
        await model.asked(2)
        assert client.updates(session_id, toolCallId="call_1")[-1]["status"] == "failed"
        assert len(client.updates(session_id, sessionUpdate="tool_call")) == 1
        model.finish(2, " again")
        assert await client.stop_reason(second) == "end_turn"
        assert client.text(session_id) == "let me again"
        assert client.updates(sessionUpdate="user_message_chunk") == []
        new = made.session(session_id)
        names = {"oldInstanceId": old.instance_id, "newInstanceId": new.instance_id}
        assert told(client, "restarted") == [{"sessionId": session_id, **names, "reason": "crash"}]
        assert told(client, "stopped") == []
        assert made.stopped == []
        info = await client.call(EXTENSION + "info", sessionId=session_id)
        assert (info["restarts"], info["instanceId"], info["alias"]) == (1, new.instance_id, "session-1")


@pytest.mark.req("SM-30", "SM-31", "SM-16")
@in_loop
async def test_what_is_told_of_a_crash_comes_in_order(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, capabilities=OURS) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        old = crash(made, session_id)
        await made.supervisor.restarts.decided(session_id)
        await client.call("session/list")
        news = [frame for frame in client.frames if frame.get("method", "").startswith(EXTENSION)]
        new = made.session(session_id).instance_id
        assert [
            (frame["method"].removeprefix(EXTENSION), frame["params"].get("instanceId"), frame["params"].get("status"))
            for frame in news
        ] == [
            ("created", old.instance_id, None),
            ("status", old.instance_id, "idle"),
            ("status", old.instance_id, "thinking"),
            ("status", old.instance_id, "terminated"),
            ("restarted", None, None),
            ("status", new, "idle"),
        ]
        assert news[3]["params"]["error"] == "the session crashed (RuntimeError)"
        assert news[5]["params"]["previousStatus"] == "initializing"
        place = {client.frames.index(news[3]), client.frames.index(news[4])}
        assert min(place) < client.position(lambda frame: frame.get("id") == prompt) < max(place)


@pytest.mark.req("SM-15")
@in_loop
async def test_a_prompt_that_comes_while_the_restart_waits_is_answered_once_by_the_session_that_lives_then(
    tmp_path: Path,
) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        crash(made, session_id)
        prompts = [client.prompt(session_id, text) for text in ("one", "two")]
        mode = client.request("session/set_mode", sessionId=session_id, modeId="plan")
        await model.asked(1)
        assert made.session(session_id).queued_prompts == 1
        model.finish(1)
        await model.asked(2)
        model.finish(2)
        assert [await client.stop_reason(prompt) for prompt in prompts] == ["end_turn"] * 2
        assert (await client.answer(mode))["result"] == {}
        assert [len(client.answers_to(one)) for one in (*prompts, mode)] == [1, 1, 1]


@pytest.mark.req("SM-15", "TN-09")
@pytest.mark.promise("P8")
@in_loop
async def test_a_prompt_that_waits_for_the_restart_can_be_cancelled_and_withdrawn(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        crash(made, session_id)
        client.cancel(session_id)  # there is nothing to cancel yet
        cancelled = client.prompt(session_id)
        client.cancel(session_id)
        withdrawn = client.prompt(session_id)
        client.notify("$/cancel_request", requestId=withdrawn)
        assert await client.stop_reason(cancelled) == "cancelled"
        assert (await client.answer(withdrawn))["error"]["code"] == -32800
        assert model.seen == []
        after = client.prompt(session_id)
        await model.asked(1)
        model.finish(1)
        assert await client.stop_reason(after) == "end_turn"


@pytest.mark.req("SM-05")
@in_loop
async def test_a_session_that_waits_for_its_restart_cannot_be_opened(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        client, other = await made.connect(), await made.connect()
        session_id = await client.new_session(str(tmp_path))
        crash(made, session_id)
        refused = [one.request(EXTENSION + "open", **setup(session_id, tmp_path)) for one in (client, other)]
        for one, request in zip((client, other), refused, strict=True):
            error = (await one.answer(request))["error"]
            assert (error["code"], error["data"]["reason"]) == (-32010, "restart_pending")
        await made.supervisor.restarts.decided(session_id)
        assert await client.run(session_id) == "end_turn"


@pytest.mark.parametrize("method", ["session/load", "session/resume"])
@in_loop
async def test_whoever_comes_back_to_a_session_that_waits_for_its_restart_waits_too(
    tmp_path: Path, method: str
) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        old = crash(made, session_id)
        reached = await client.call(method, **setup(session_id, tmp_path))
        assert reached["_meta"]["agent_server"]["instanceId"] != old.instance_id
        assert await client.run(session_id) == "end_turn"


@pytest.mark.req("SM-15", "SM-14")
@pytest.mark.parametrize("ender", ["session/close", "session/delete", EXTENSION + "stop"])
@in_loop
async def test_a_session_that_waits_for_its_restart_can_be_ended_and_its_prompts_are_answered(
    tmp_path: Path, ender: str
) -> None:
    async with house(forever(say("hi"))) as made:
        client, other = await made.connect(OURS), await made.connect()
        session_id = await client.new_session(str(tmp_path))
        old = crash(made, session_id)
        if ender == "session/close":
            await client.call(ender, sessionId=session_id)
            prompt = client.prompt(session_id)
        else:
            prompt = client.prompt(session_id)
            await client.call("session/list")
            await other.call(ender, sessionId=session_id)
        assert (await client.answer(prompt))["error"]["code"] == -32002
        reason = "deleted" if ender == "session/delete" else "closed"
        assert told(client, "stopped") == [
            {"sessionId": session_id, "instanceId": old.instance_id, "reason": reason}
        ]
        assert made.supervisor.live() == []


@pytest.mark.req("SM-15", "SM-14")
@in_loop
async def test_after_three_restarts_the_session_stops_and_can_be_loaded_again(tmp_path: Path) -> None:
    async with one_client(forever(say("hi")), capabilities=OURS) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        for _ in range(4):
            assert await client.run(session_id) == "end_turn"
            last = crash(made, session_id)
        assert len(told(client, "restarted")) == 3
        await client.until(lambda: told(client, "stopped"))
        names = {"sessionId": session_id, "instanceId": last.instance_id}
        assert told(client, "stopped") == [{**names, "reason": "restart_exhausted"}]
        assert (await client.answer(client.prompt(session_id)))["error"]["code"] == -32002
        live = await client.call(EXTENSION + "list_live")
        assert live["sessions"] == []
        await client.call("session/load", **setup(session_id, tmp_path))
        assert await client.run(session_id) == "end_turn"


@pytest.mark.req("SM-20")
@in_loop
async def test_a_neighbour_on_the_same_connection_goes_on(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, made):
        other, victim = [await client.new_session(str(tmp_path)) for _ in range(2)]
        theirs = client.prompt(other)
        await model.asked(1)
        crash(made, victim)
        waiting = client.prompt(victim)
        model.finish(1, "unharmed")
        assert await client.stop_reason(theirs) == "end_turn"
        await model.asked(2)
        model.finish(2, "back")
        assert await client.stop_reason(waiting) == "end_turn"
        assert (client.text(other), client.text(victim)) == ("unharmed", "back")


@pytest.mark.req("AP-01")
@in_loop
async def test_the_next_instance_asks_the_client_as_the_last_one_did(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(changes=True)
    async with one_client(model, tools=[tool]) as (client, made):
        client.answers["session/request_permission"] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        crash(made, session_id)
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        await model.asked(2)
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"
        assert tool.runs == 1


@in_loop
async def test_a_question_that_stands_at_a_crash_is_withdrawn(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(changes=True)
    async with one_client(model, tools=[tool]) as (client, made):
        client.answers["session/request_permission"] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        asked = await client.asked("session/request_permission")
        crash(made, session_id)
        assert "error" in await client.answer(prompt)
        await client.until(lambda: [f for f in client.frames if f.get("method") == "$/cancel_request"])
        client.respond(asked["id"], choose("approve"))
        await client.call("session/list")
        assert tool.runs == 0


@pytest.mark.promise("P12")
@in_loop
async def test_a_load_in_which_the_session_crashes_is_refused_and_the_client_still_has_the_session(
    tmp_path: Path,
) -> None:
    async with house(forever(say("hi"))) as made:
        client, other = await made.connect(), await made.connect()
        session_id = await client.new_session(str(tmp_path))
        show_pictures(made, session_id, 100, 65536)
        client.stop_reading()
        load = client.request("session/load", **setup(session_id, tmp_path))
        await other.call("session/list")
        await made.supervisor.restarts.decided(session_id)
        made.supervisor.delays_s["restart"] = 0.1
        crash(made, session_id)
        client.read_on()
        error = (await client.answer(load))["error"]
        assert (error["code"], error["data"]["reason"]) == (-32010, "restart_pending")
        assert await client.run(session_id) == "end_turn"
        said = client.updates(session_id, sessionUpdate="agent_message_chunk")
        assert said[-1]["content"] == {"type": "text", "text": "hi"}


@in_loop
async def test_a_client_that_hung_up_while_the_restart_waits_is_not_attached_to_the_next_instance(
    tmp_path: Path,
) -> None:
    async with house(forever(say("hi"))) as made:
        client = await made.connect()
        session_id = await client.new_session(str(tmp_path))
        crash(made, session_id)
        client.hang_up()
        await asyncio.gather(*made.agents)
        made.agents.clear()
        await made.supervisor.restarts.decided(session_id)
        assert made.session(session_id).log.attachments == []


@pytest.mark.req("SM-15", "SM-17")
@in_loop
async def test_tests_may_crash_a_session_delay_restarts_and_turn_the_clock(tmp_path: Path) -> None:
    features = Features(test_faults=True)
    async with house(forever(say("hi")), features=features) as made:
        client = made.join()
        welcome = await client.call("initialize", protocolVersion=1, clientCapabilities=OURS)
        ours = welcome["agentCapabilities"]["_meta"]["agent_server"]["methods"]
        assert {"_agent_server/test/crash", "_agent_server/test/delay", "_agent_server/test/clock"} <= set(ours)
        session_id = await client.new_session(str(tmp_path))
        await client.call("_agent_server/test/delay", where="restart", seconds=0.2)
        crashed = client.request("_agent_server/test/crash", sessionId="session-1")
        assert (await client.answer(crashed))["result"] == {}
        assert (await client.refused(EXTENSION + "open", **setup(session_id, tmp_path)))["code"] == -32010
        await client.until(lambda: told(client, "restarted"))
        await client.call("_agent_server/test/delay", where="restart", seconds=0)
        await client.call(EXTENSION + "detach", sessionId=session_id)
        await client.call("_agent_server/test/clock", advanceS=5 * 3600)
        await client.until(lambda: told(client, "stopped"))
        assert told(client, "stopped")[0]["reason"] == "idle_timeout"
        assert await client.run(session_id) == "end_turn"


@pytest.mark.parametrize("unstable", [False, True])
@in_loop
async def test_without_the_switch_the_methods_for_tests_are_unknown(tmp_path: Path, unstable: bool) -> None:
    for faults in (False, True):
        async with one_client(forever(say("hi")), features=Features(unstable=unstable, test_faults=faults)) as (
            client,
            _,
        ):
            session_id = await client.new_session(str(tmp_path))
            for name, params in (
                ("crash", {"sessionId": session_id}),
                ("delay", {"where": "open", "seconds": 0}),
                ("clock", {"advanceS": 0}),
            ):
                frame = await client.answer(client.request(f"_agent_server/test/{name}", **params))
                assert ("result" in frame) is faults
                assert faults or frame["error"]["code"] == -32601
