"""Being at a session by its id or its directory, leaving it, and hearing of what others do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_server.providers.provider import Finished

from .puppets import PuppetModel, PuppetTool, forever, say, wants
from .scripted_client import Frame, ScriptedClient, choose, house, in_loop, one_client
from .test_coming_and_going import setup, show_pictures

OURS: Frame = {"_meta": {"agent_server": {}}}
EXTENSION = "_agent_server/session/"
OPEN, DETACH, SUBSCRIBE = EXTENSION + "open", EXTENSION + "detach", "_agent_server/events/subscribe"


def told(client: ScriptedClient, *names: str) -> list[tuple[str, Any]]:
    """The notifications of ours with these names: name and params."""
    return [
        (frame["method"].removeprefix(EXTENSION), frame["params"])
        for frame in client.frames
        if frame.get("method", "").removeprefix(EXTENSION) in names and "id" not in frame
    ]


# open


@pytest.mark.req("SM-05")
@in_loop
async def test_opening_an_id_twice_gives_one_session_that_can_be_prompted(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        first = await client.call(OPEN, sessionId="mine", cwd=str(tmp_path))
        again = await client.call(OPEN, sessionId="mine")
        assert first == again
        assert (first["sessionId"], first["alias"]) == ("mine", "session-1")
        assert [session.id for session in made.supervisor.live()] == ["mine"]
        assert await client.run("mine") == "end_turn"
        assert (await client.call(OPEN, sessionId="session-1"))["sessionId"] == "mine"
        lives = await client.call(EXTENSION + "list_live")
        assert [one["sessionId"] for one in lives["sessions"]] == ["mine"]


@pytest.mark.req("SM-06")
@in_loop
async def test_every_spelling_of_a_directory_leads_to_one_session(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    spellings = [str(tmp_path), f"{tmp_path}/", f"{tmp_path}/x/..", f"/{tmp_path}", f"{tmp_path}/./x/../"]
    async with one_client(forever(say("hi"))) as (client, made):
        requests = [client.request(OPEN, cwd=path) for path in spellings]  # at once
        results = [(await client.answer(request))["result"] for request in requests]
        assert len({(result["sessionId"], result["instanceId"]) for result in results}) == 1
        assert results[0]["sessionId"].startswith("workdir-")
        assert made.session(results[0]["sessionId"]).cwd == str(tmp_path)
        other = await client.call(OPEN, cwd=f"{tmp_path}/x")
        assert other["sessionId"] != results[0]["sessionId"]


@pytest.mark.req("SM-05", "SM-06")
@in_loop
async def test_a_session_that_was_closed_is_opened_from_its_log_and_told_to_nobody(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        first = await client.call(OPEN, cwd=str(tmp_path), additionalDirectories=["/tmp"])
        session_id = first["sessionId"]
        assert await client.run(session_id, "remember me") == "end_turn"
        await client.call("session/close", sessionId=session_id)
        client.frames.clear()
        again = await client.call(OPEN, sessionId=session_id)
        assert (again["sessionId"], again["alias"]) == (session_id, "session-2")
        assert again["instanceId"] != first["instanceId"]
        assert made.session(session_id).record.first_prompt == "remember me"
        assert made.session(session_id).info().roots == (str(tmp_path), "/tmp")
        assert client.updates(sessionUpdate="agent_message_chunk") == []
        assert await client.run(session_id) == "end_turn"


@in_loop
async def test_what_comes_right_behind_an_opening_finds_the_session(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        made.supervisor.delays_s["open"] = 0.02
        opening = client.made(OPEN, sessionId="mine", cwd=str(tmp_path))
        prompt = client.made("session/prompt", sessionId="mine", prompt=[{"type": "text", "text": "go"}])
        client.send(opening, prompt)
        assert await client.stop_reason(prompt["id"]) == "end_turn"
        answers = [frame["id"] for frame in client.frames if "method" not in frame][-2:]
        assert answers == [opening["id"], prompt["id"]]


@pytest.mark.req("SM-05")
@in_loop
async def test_a_session_that_another_client_drives_is_not_opened(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        client, other = await made.connect(), await made.connect()
        await client.call(OPEN, sessionId="mine", cwd=str(tmp_path))
        error = await other.refused(OPEN, sessionId="mine")
        assert (error["code"], error["data"]["reason"]) == (-32010, "driver_taken")
        await client.call(DETACH, sessionId="mine")
        await other.call(OPEN, sessionId="mine")
        error = (await client.answer(client.prompt("mine")))["error"]
        assert (error["code"], error["data"]["reason"]) == (-32010, "driver_taken")


@in_loop
async def test_an_opening_may_wish_for_a_mode_and_an_unknown_alias_is_not_found(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        wish = {"_meta": {"agent_server": {"mode": "plan"}}}
        opened = await client.call(OPEN, cwd=str(tmp_path), **wish)
        assert opened["modes"]["currentModeId"] == "plan"
        assert (await client.refused(OPEN, sessionId="session-7", cwd=str(tmp_path)))["code"] == -32002


# detach


@pytest.mark.req("SM-19")
@in_loop
async def test_a_turn_goes_on_when_its_client_leaves_and_is_there_when_it_comes_back(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(waits=True)
    async with one_client(model, tools=[tool]) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        await tool.begun.wait()
        await client.call(DETACH, sessionId=session_id)
        assert await client.call(DETACH, sessionId=session_id) == {}
        before = len(client.updates(session_id))
        tool.go.set()
        await model.asked(2)
        model.finish(2, "done without you")
        assert await client.stop_reason(prompt) == "end_turn"  # its request is answered all the same
        assert len(client.updates(session_id)) == before
        await client.call("session/load", **setup(session_id, tmp_path))
        assert client.updates(session_id, toolCallId="call_1")[-1]["status"] == "completed"
        assert client.text(session_id).endswith("done without you")
        assert made.stopped == []


@pytest.mark.req("SM-19")
@in_loop
async def test_a_prompt_leads_back_to_a_session_that_was_left(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(changes=True)
    async with one_client(model, tools=[tool]) as (client, made):
        client.answers["session/request_permission"] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        instance = made.session(session_id)
        await client.call(DETACH, sessionId=session_id)
        assert instance.log.attachments == []
        prompts = [client.prompt(session_id) for _ in range(2)]
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        await model.asked(2)
        model.finish(2, "seen")
        await model.asked(3)
        model.finish(3)
        assert [await client.stop_reason(prompt) for prompt in prompts] == ["end_turn"] * 2
        assert (client.text(session_id), tool.runs) == ("seen", 1)
        assert made.session(session_id) is instance


@pytest.mark.req("EV-05", "EV-08")
@in_loop
async def test_a_prompt_leads_back_to_a_session_that_left_memory(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, capabilities=OURS) as (client, made):
        result = await client.call(
            "session/new", cwd=str(tmp_path), mcpServers=[], additionalDirectories=["/tmp"],
            _meta={"agent_server": {"config": {"maxTurnRequests": 7}, "metadata": {"a": 1}}},
        )  # fmt: skip
        session_id = result["sessionId"]
        first = client.prompt(session_id, "remember me")
        await model.asked(1)
        model.finish(1, "yes")
        await client.stop_reason(first)
        await client.call(DETACH, sessionId=session_id)
        made.supervisor.clock.advance(5 * 3600)
        await client.until(lambda: told(client, "stopped"))
        assert told(client, "stopped")[0][1]["reason"] == "idle_timeout"
        prompts = [client.prompt(session_id) for _ in range(2)]
        for number in (2, 3):
            await model.asked(number)
            model.finish(number)
        assert [await client.stop_reason(prompt) for prompt in prompts] == ["end_turn"] * 2
        info = made.session(session_id).info()
        assert (info.roots, info.limits.max_turn_requests, info.metadata) == ((str(tmp_path), "/tmp"), 7, {"a": 1})
        assert len(model.seen[1]) == 3
        assert [name for name, _ in told(client, "created", "stopped")] == ["created", "stopped", "created"]


@pytest.mark.req("EV-05")
@in_loop
async def test_a_session_whose_history_is_being_told_stays(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        client, other = await made.connect(), await made.connect()
        session_id = await client.new_session(str(tmp_path))
        show_pictures(made, session_id, 100, 65536)
        await client.call("session/close", sessionId=session_id)
        client.stop_reading()
        load = client.request("session/load", **setup(session_id, tmp_path))
        await other.call("session/list")
        made.session(session_id)  # it lives, and nobody sees it yet
        made.supervisor.clock.advance(5 * 3600)
        client.read_on()
        assert "result" in await client.answer(load)
        assert await client.run(session_id) == "end_turn"
        assert made.stopped == [(session_id, "closed")]


@in_loop
async def test_who_never_had_a_session_cannot_leave_it_and_who_left_it_can_close_it(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        client, other = await made.connect(), await made.connect()
        left, closed, gone = [await client.new_session(str(tmp_path)) for _ in range(3)]
        for method in (DETACH, "session/close"):
            assert (await other.refused(method, sessionId=left))["code"] == -32002
        for session_id in (left, closed, gone):
            await client.call(DETACH, sessionId=session_id)
        await client.call("session/close", sessionId=closed)
        await other.call("session/delete", sessionId=gone)
        for session_id in (closed, gone):
            assert (await client.answer(client.prompt(session_id)))["error"]["code"] == -32002
            assert (await client.refused(DETACH, sessionId=session_id))["code"] == -32002
        made.supervisor.clock.advance(5 * 3600)
        assert made.supervisor.live() == []
        await other.call("session/delete", sessionId=left)
        assert (await client.answer(client.prompt(left)))["error"]["code"] == -32002
        assert (await client.refused(DETACH, sessionId=left))["code"] == -32002  # it is remembered no more


@in_loop
async def test_a_cancel_of_a_session_that_was_left_brings_nothing_back(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        await client.call(DETACH, sessionId=session_id)
        client.cancel(session_id)
        await client.call("session/list")
        assert made.session(session_id).log.attachments == []


@pytest.mark.promise("P4")
@in_loop
async def test_a_prompt_leads_back_to_a_session_that_crashed_after_it_was_left(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        await client.call(DETACH, sessionId=session_id)
        made.supervisor.crash(made.session(session_id), RuntimeError("it broke"))
        assert await client.run(session_id) == "end_turn"
        assert (client.text(session_id), made.session(session_id).restarts) == ("hi", 1)


# subscribe


@pytest.mark.req("SM-32", "SM-14")
@in_loop
async def test_who_subscribed_to_all_hears_of_sessions_that_others_made(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        maker, all_, own, usual = [await made.connect(OURS) for _ in range(4)]
        for client, scope in ((all_, "all"), (own, "own")):
            assert await client.call(SUBSCRIBE, scope=scope) == {"scope": scope}
        session_id = await maker.new_session(str(tmp_path))
        await maker.run(session_id)
        session = made.session(session_id)
        made.supervisor.crash(session, RuntimeError("it broke"))
        await maker.run(session_id)
        await maker.call("session/close", sessionId=session_id)
        for client in (all_, own, usual):
            await client.call("session/list")
        news = told(all_, "created", "status", "restarted", "stopped")
        assert all(params["sessionId"] == session_id for _, params in news)
        assert [params.get("status", name) for name, params in news] == [
            *("created", "idle", "thinking", "idle", "terminated"),
            *("restarted", "idle", "thinking", "idle", "terminating", "terminated", "stopped"),
        ]
        created = news[0][1]
        assert (created["instanceId"], created["alias"]) == (session.instance_id, "session-1")
        assert (created["cwd"], created["createdAt"]) == (str(tmp_path), session.created_at)
        assert told(own, "created", "status", "restarted", "stopped") == []
        names = [name for name, _ in told(usual, "created", "status", "restarted", "stopped")]
        assert names == ["restarted", "stopped"]
        assert told(maker, "created", "status", "restarted", "stopped") == news


@pytest.mark.req("SM-32")
@in_loop
async def test_news_of_a_clients_own_session_follow_the_answer_that_names_it(tmp_path: Path) -> None:
    async with one_client(forever(say("hi")), capabilities=OURS) as (client, _):
        await client.call(SUBSCRIBE, scope="all")
        request = client.request("session/new", cwd=str(tmp_path), mcpServers=[])
        await client.answer(request)
        await client.call("session/list")
        answered = client.position(lambda frame: frame.get("id") == request)
        created = client.position(lambda frame: frame.get("method") == EXTENSION + "created")
        assert created > answered
        assert [name for name, _ in told(client, "created", "status")] == ["created", "status"]


@in_loop
async def test_who_did_not_opt_in_cannot_subscribe(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        error = await client.refused(SUBSCRIBE, scope="all")
        assert (error["code"], error["data"]["reason"]) == (-32010, "not_supported")
