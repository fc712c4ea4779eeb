from __future__ import annotations

from pathlib import Path

import pytest

from agent_server.conversation.messages import ToolResultMessage
from agent_server.providers.provider import Finished

from .puppets import PuppetModel, PuppetTool, call, forever, say, scenario, wants
from .scripted_client import SILENCE, Frame, ScriptedClient, choose, in_loop, one_client

ASK = "session/request_permission"


def values(options: list[Frame]) -> dict[str, str]:
    return {option["id"]: option["currentValue"] for option in options}


async def set_mode(client: ScriptedClient, session_id: str, mode: str) -> None:
    assert await client.call("session/set_mode", sessionId=session_id, modeId=mode) == {}


@pytest.mark.spec("N-60", "N-61")
@pytest.mark.req("JR-11")
@in_loop
async def test_a_new_session_says_what_can_be_set_and_how_it_stands(tmp_path: Path) -> None:
    async with one_client(PuppetModel()) as (client, _):
        result = await client.call("session/new", cwd=str(tmp_path), mcpServers=[])
        assert result["modes"]["currentModeId"] == "ask"
        assert [mode["id"] for mode in result["modes"]["availableModes"]] == ["ask", "plan"]
        assert values(result["configOptions"]) == {"mode": "ask", "model": "small"}
        mode, model = result["configOptions"]
        assert [value["value"] for value in mode["options"]] == ["ask", "plan"]
        assert [value["value"] for value in model["options"]] == ["small", "large"]
        assert {option["category"] for option in (mode, model)} == {"mode", "model"}


@pytest.mark.spec("N-60")
@pytest.mark.promise("P3")
@pytest.mark.parametrize("way", ["mode", "option"])
@in_loop
async def test_both_ways_to_set_the_mode_tell_both_updates_before_the_response(tmp_path: Path, way: str) -> None:
    async with one_client(PuppetModel()) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        if way == "mode":
            request = client.request("session/set_mode", sessionId=session_id, modeId="plan")
        else:
            request = client.set_option(session_id, "mode", "plan")
        frame = await client.answer(request)
        current, options, answer = client.frames[-3:]
        assert current["params"]["update"] == {"sessionUpdate": "current_mode_update", "currentModeId": "plan"}
        assert options["params"]["update"]["sessionUpdate"] == "config_option_update"
        assert values(options["params"]["update"]["configOptions"]) == {"mode": "plan", "model": "small"}
        assert answer["id"] == request
        if way == "option":
            assert frame["result"] == {"configOptions": options["params"]["update"]["configOptions"]}
        assert house.session(session_id).status == "plan"


@in_loop
async def test_setting_what_is_set_already_tells_nothing(tmp_path: Path) -> None:
    async with one_client(PuppetModel()) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        count = len(client.frames)
        await set_mode(client, session_id, "ask")
        await client.answer(client.set_option(session_id, "model", "small"))
        assert len(client.frames) == count + 2


@in_loop
async def test_the_model_that_was_chosen_answers_the_next_request(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, tools=[PuppetTool()]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        frame = await client.answer(client.set_option(session_id, "model", "large"))
        assert values(frame["result"]["configOptions"]) == {"mode": "ask", "model": "large"}
        assert len(client.updates(sessionUpdate="config_option_update")) == 1
        assert client.updates(sessionUpdate="current_mode_update") == []
        model.say(1, wants("puppet"), Finished("tool_use"))
        await model.asked(2)
        assert model.models_asked == ["small", "large"]
        model.finish(2)
        await client.answer(prompt)


@pytest.mark.spec("N-61")
@pytest.mark.parametrize(
    ("option", "value"), [("mode", "yolo"), ("model", "gpt-0"), ("thinking", "high"), ("mode", True), ("", "ask")]
)
@in_loop
async def test_an_unknown_option_or_value_is_refused_and_changes_nothing(
    tmp_path: Path, option: str, value: object
) -> None:
    async with one_client(PuppetModel()) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        error = (await client.answer(client.set_option(session_id, option, value)))["error"]
        assert error["code"] == -32602
        assert error["data"]["details"]
        session = house.session(session_id)
        assert (session.policy.mode, session.model) == ("ask", "small")
        assert client.updates(sessionUpdate="config_option_update") == []


@pytest.mark.spec("N-59")
@in_loop
async def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    async with one_client(PuppetModel()) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        assert (await client.refused("session/set_mode", sessionId=session_id, modeId="yolo"))["code"] == -32602
        assert house.session(session_id).policy.mode == "ask"


@pytest.mark.req("AP-03")
@pytest.mark.promise("P14")
@in_loop
async def test_plan_mode_refuses_every_call_that_would_change_something_and_asks_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\n")
    calls = [
        call("write_file", path="b.txt", content="x"),
        call("edit_file", path="a.txt", old_text="x", new_text="y"),
        call("delete_file", path="a.txt"),
        call("move_file", source="a.txt", target="c.txt"),
        call("run_command", command="touch d.txt"),
        call("read_file", path="a.txt"),
    ]
    async with one_client(scenario(calls, [say("a plan")])) as (client, _):
        client.answers[ASK] = choose("approve_session")
        session_id = await client.new_session(str(tmp_path))
        await set_mode(client, session_id, "plan")
        assert await client.run(session_id) == "end_turn"
        assert client.requests(ASK) == []
        assert len(client.updates(sessionUpdate="tool_call_update", status="failed")) == 5
        assert len(client.updates(sessionUpdate="tool_call_update", status="completed")) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
        assert (tmp_path / "a.txt").read_text() == "x\n"


@pytest.mark.req("AP-06")
@pytest.mark.promise("P14")
@in_loop
async def test_plan_mode_refuses_what_was_trusted_before(tmp_path: Path) -> None:
    writes = [[call("write_file", path=name, content="x")] for name in ("a.txt", "b.txt")]
    async with one_client(scenario(writes[0], [say("ok")], writes[1], [say("ok")])) as (client, _):
        client.answers[ASK] = choose("approve_session")
        session_id = await client.new_session(str(tmp_path))
        await client.run(session_id)
        await set_mode(client, session_id, "plan")
        await client.run(session_id)
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.req("AP-03")
@pytest.mark.promise("P14")
@in_loop
async def test_an_approval_given_after_a_switch_to_plan_changes_nothing(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        client.answers[ASK] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("write_file", path="a.txt", content="x"), Finished("tool_use"))
        question = await client.asked(ASK)
        await set_mode(client, session_id, "plan")
        client.respond(question["id"], choose("approve_session"))
        await model.asked(2)
        result = model.seen[1][-1]
        assert isinstance(result, ToolResultMessage)
        assert "plan mode" in str(result.parts)
        assert list(tmp_path.iterdir()) == []
        model.finish(2)
        await client.answer(prompt)


@in_loop
async def test_a_switch_applies_to_the_next_call_of_a_running_turn(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        client.answers[ASK] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        await set_mode(client, session_id, "plan")
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("write_file", path="a.txt", content="x"), Finished("tool_use"))
        await model.asked(2)
        assert list(tmp_path.iterdir()) == []
        await set_mode(client, session_id, "ask")
        model.say(2, wants("write_file", path="a.txt", content="x"), Finished("tool_use"))
        await model.asked(3)
        assert (tmp_path / "a.txt").exists()
        model.finish(3)
        await client.answer(prompt)


@in_loop
async def test_the_mode_survives_a_cancel_and_an_error(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        await set_mode(client, session_id, "plan")
        first = client.prompt(session_id)
        await model.asked(1)
        client.cancel(session_id)
        assert await client.stop_reason(first) == "cancelled"
        second = client.prompt(session_id)
        await model.asked(2)
        model.say(2, ValueError("x"))
        assert "error" in await client.answer(second)
        assert house.session(session_id).policy.mode == "plan"


@pytest.mark.req("SM-20")
@in_loop
async def test_the_options_of_one_session_are_none_of_another(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, house):
        one, two = [await client.new_session(str(tmp_path)) for _ in range(2)]
        await set_mode(client, one, "plan")
        assert house.session(two).policy.mode == "ask"
        assert client.updates(two) == []
