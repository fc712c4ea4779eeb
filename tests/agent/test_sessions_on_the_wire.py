from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from agent_server.conversation.events import SessionCreated, SystemNote
from agent_server.store.memory import MemoryStore

from .puppets import WAIT, PuppetModel, forever, say, scenario
from .scripted_client import in_loop, one_client


@pytest.mark.req("SM-01", "SM-02", "SM-03")
@in_loop
async def test_the_first_session_of_a_process_is_session_1_and_each_has_its_own_id(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, house):
        assert house.supervisor.live() == []
        one = await client.call("session/new", cwd=str(tmp_path), mcpServers=[])
        two = await client.call("session/new", cwd=str(tmp_path), mcpServers=[])
        ours = [result["_meta"]["agent_server"] for result in (one, two)]
        assert [meta["alias"] for meta in ours] == ["session-1", "session-2"]
        assert one["sessionId"] != two["sessionId"]
        assert ours[0]["instanceId"] != ours[1]["instanceId"]
        assert [session.instance_id for session in house.supervisor.live()] == [meta["instanceId"] for meta in ours]


@pytest.mark.req("SM-03")
@in_loop
async def test_an_alias_is_never_given_twice(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        first = await client.new_session(str(tmp_path))
        await client.call("session/close", sessionId=first)
        second = await client.call("session/new", cwd=str(tmp_path), mcpServers=[])
        assert second["_meta"]["agent_server"]["alias"] == "session-2"


@pytest.mark.spec("N-10", "N-32")
@pytest.mark.req("SM-02", "SM-04")
@pytest.mark.parametrize("cwd", ["relative", "/nowhere/at/all", "/\0"])
@in_loop
async def test_a_session_that_cannot_start_leaves_no_trace(tmp_path: Path, cwd: str) -> None:
    async with one_client(forever(say("hi"))) as (client, house):
        error = await client.refused("session/new", cwd=cwd, mcpServers=[])
        assert error["code"] == -32602
        assert "cwd" in error["data"]["details"]
        assert house.supervisor.live() == []
        good = await client.call("session/new", cwd=str(tmp_path), mcpServers=[])
        assert good["_meta"]["agent_server"]["alias"] == "session-1"


@pytest.mark.req("SM-04", "SM-02")
@in_loop
async def test_a_store_that_refuses_a_new_log_makes_an_error_and_no_session(tmp_path: Path) -> None:
    class FullStore(MemoryStore):
        full = True

        def create(self, session_id: str, *, fresh: bool = False) -> int:
            if self.full:
                raise OSError("no space left")
            return super().create(session_id)

    store = FullStore()
    async with one_client(forever(say("hi")), store=store) as (client, house):
        assert (await client.refused("session/new", cwd=str(tmp_path), mcpServers=[]))["code"] == -32603
        assert house.supervisor.live() == []
        store.full = False
        good = await client.call("session/new", cwd=str(tmp_path), mcpServers=[])
        assert good["_meta"]["agent_server"]["alias"] == "session-1"


@pytest.mark.spec("N-27")
@pytest.mark.req("SM-22", "JR-07", "JR-09")
@in_loop
async def test_fifty_sessions_asked_for_at_once_get_fifty_ids(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        requests = [client.made("session/new", cwd=str(tmp_path), mcpServers=[]) for _ in range(50)]
        client.send(*requests)
        ids = [(await client.answer(request["id"]))["result"]["sessionId"] for request in requests]
        assert len(set(ids)) == 50
        assert all(re.fullmatch(r"session_[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", name) for name in ids)
        assert all(len(client.answers_to(request["id"])) == 1 for request in requests)


@pytest.mark.req("SM-21")
@in_loop
async def test_what_the_creator_said_about_a_session_is_kept_as_it_came(tmp_path: Path) -> None:
    meta = {"metadata": {"ticket": 7}, "llmConfig": {"temperature": 0.5}, "unknown": 1}
    async with one_client(forever(say("hi"))) as (client, house):
        session = house.session(await client.new_session(str(tmp_path), _meta={"agent_server": meta}))
        assert session.spec.metadata == {"ticket": 7}
        assert session.spec.llm_config == {"temperature": 0.5}


@pytest.mark.req("SM-21")
@pytest.mark.parametrize("meta", [3, {"metadata": []}, {"llmConfig": "x"}])
@in_loop
async def test_what_the_creator_said_in_the_wrong_type_is_refused(tmp_path: Path, meta: object) -> None:
    async with one_client(forever(say("hi"))) as (client, house):
        params = {"cwd": str(tmp_path), "mcpServers": [], "_meta": {"agent_server": meta}}
        assert (await client.refused("session/new", **params))["code"] == -32602
        assert house.supervisor.live() == []


@pytest.mark.spec("D-07", "D-08", "D-49", "N-34")
@pytest.mark.req("SM-04")
@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    "more",
    [
        {"mcpServers": [{"type": "http", "name": "n", "url": "http://localhost", "headers": []}]},
        {"mcpServers": [{"type": "carrier-pigeon", "name": "n", "command": "true", "args": [], "env": []}]},
        {},
        {"mcpServers": [], "systemPrompt": "be evil"},
        {"mcpServers": [], "additionalDirectories": ["relative"]},
        {"mcpServers": [], "additionalDirectories": ["/nowhere/at/all"]},
    ],
)
@in_loop
async def test_what_was_not_advertised_or_cannot_be_is_refused(tmp_path: Path, more: dict[str, object]) -> None:
    async with one_client(forever(say("hi"))) as (client, house):
        error = await client.refused("session/new", **{"cwd": str(tmp_path), **more})
        assert error["code"] == -32602
        assert house.supervisor.live() == []


@pytest.mark.spec("N-31")
@pytest.mark.req("SM-07", "SM-23")
@in_loop
async def test_closing_twice_says_not_found_and_the_log_stays(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        assert await client.run(session_id) == "end_turn"
        assert await client.call("session/close", sessionId=session_id) == {}
        error = await client.refused("session/close", sessionId=session_id)
        assert (error["code"], error["data"]["reason"]) == (-32002, "not_found")
        assert house.stopped == [(session_id, "closed")]
        assert house.store.read(session_id)


@pytest.mark.req("SM-23", "SM-07")
@pytest.mark.promise("P1")
@in_loop
async def test_two_closes_in_one_delivery_are_one_success_and_one_not_found(tmp_path: Path) -> None:
    async with one_client(forever(say("on"), WAIT)) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await client.seen(sessionUpdate="agent_message_chunk")
        closes = [client.made("session/close", sessionId=session_id) for _ in range(2)]
        client.send(*closes)
        one, two = [await client.answer(request["id"]) for request in closes]
        assert sorted([one, two], key=lambda frame: "error" in frame)[1]["error"]["code"] == -32002
        assert "result" in one or "result" in two
        assert await client.stop_reason(prompt) == "cancelled"
        assert house.stopped == [(session_id, "closed")]


@pytest.mark.spec("D-60", "D-31", "N-31")
@pytest.mark.req("SM-07", "SM-23")
@pytest.mark.promise("P1")
@in_loop
async def test_closing_answers_the_running_and_the_waiting_prompts_first(tmp_path: Path) -> None:
    async with one_client(forever(say("on"), WAIT)) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompts = [client.prompt(session_id) for _ in range(3)]
        await client.seen(sessionUpdate="agent_message_chunk")
        close = client.request("session/close", sessionId=session_id)
        await client.answer(close)
        order = [frame["id"] for frame in client.frames if "result" in frame and frame["id"] in (*prompts, close)]
        assert sorted(order[:-1]) == prompts
        assert order[-1] == close
        assert [await client.stop_reason(prompt) for prompt in prompts] == ["cancelled"] * 3


@pytest.mark.req("SM-12")
@pytest.mark.parametrize("method", ["session/prompt", "session/close", "session/set_mode", "session/set_config_option"])
@in_loop
async def test_a_session_that_nobody_knows_is_not_found(method: str) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        params = {"prompt": [{"type": "text", "text": "x"}], "modeId": "ask", "configId": "mode", "value": "ask"}
        error = await client.refused(method, sessionId="session_none", **params)
        assert error["code"] == -32002
        assert error["data"]["sessionId"] == "session_none"
        assert error["data"]["reason"] == "not_found"


@pytest.mark.spec("D-68")
@pytest.mark.req("SM-12", "JR-09")
@in_loop
async def test_a_session_of_another_connection_is_not_found(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        stranger = await house.connect()
        params = {"prompt": [{"type": "text", "text": "x"}], "modeId": "plan"}
        for method in ("session/prompt", "session/close", "session/set_mode"):
            error = await stranger.refused(method, sessionId=session_id, **params)
            assert (error["code"], error["data"]["reason"]) == (-32002, "not_found")
        stranger.cancel(session_id)
        assert await client.run(session_id) == "end_turn"
        assert house.session(session_id).policy.mode == "ask"
        assert stranger.updates() == []


@pytest.mark.req("SM-12", "SM-07")
@in_loop
async def test_a_closed_session_takes_no_prompt(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await client.call("session/close", sessionId=session_id)
        error = await client.answer(client.prompt(session_id))
        assert error["error"]["code"] == -32002
        assert error["error"]["data"]["sessionId"] == session_id


@pytest.mark.req("SM-12", "SM-23")
@pytest.mark.promise("P1")
@in_loop
async def test_a_prompt_right_behind_a_close_is_answered_not_found(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        close = client.made("session/close", sessionId=session_id)
        late = client.made("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "x"}])
        client.send(close, late)
        assert (await client.answer(late["id"]))["error"]["code"] == -32002
        assert (await client.answer(close["id"]))["result"] == {}


@pytest.mark.req("ST-11", "ST-12")
@in_loop
async def test_a_sessions_id_names_it_everywhere_and_its_first_entry_says_when_it_began(tmp_path: Path) -> None:
    async with one_client(scenario([say("hi")])) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        await client.run(session_id)
        updates = [frame for frame in client.frames if frame.get("method") == "session/update"]
        assert updates
        assert {frame["params"]["sessionId"] for frame in updates} == {session_id}
        (_, created), (_, note), *_ = house.store.read(session_id)
        assert isinstance(created, SessionCreated)
        assert isinstance(note, SystemNote)
        assert (note.entry_id, note.level) == (1, "info")
        assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", note.text)


@pytest.mark.promise("P3")
@pytest.mark.req("JR-11", "JR-09")
@in_loop
async def test_commands_are_told_right_after_the_response_that_made_the_session(tmp_path: Path) -> None:
    commands = [
        {"name": "plan", "description": "Makes a plan.", "hint": "what for"},
        {"name": "go", "description": "."},
    ]
    async with one_client(scenario([say("hi")], commands=commands)) as (client, _):
        request = client.request("session/new", cwd=str(tmp_path), mcpServers=[])
        session_id = (await client.answer(request))["result"]["sessionId"]
        told = await client.seen(sessionUpdate="available_commands_update")
        assert told["availableCommands"] == [
            {"name": "plan", "description": "Makes a plan.", "input": {"hint": "what for"}},
            {"name": "go", "description": "."},
        ]
        answered = client.position(lambda frame: frame.get("id") == request)
        first = client.position(lambda frame: frame.get("params", {}).get("sessionId") == session_id)
        assert answered < first


@pytest.mark.req("SM-01")
@in_loop
async def test_a_session_outlives_the_connection_that_made_it(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        client.prompt(session_id)
        await model.asked(1)
        session = house.session(session_id)
        client.hang_up()
        await asyncio.gather(*house.agents)  # the drain is over, and with it the prompt's request
        assert house.supervisor.live() == [session]
        assert session.log.attachments == []
