"""Loading and resuming sessions. Spec: session-setup."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent_server.providers.provider import Usage
from tests.agent.puppets import WAIT, PuppetModel, PuppetTool, call, forever, say, scenario, wants
from tests.agent.scripted_client import SILENCE, Frame, ScriptedClient, choose, house, in_loop, one_client

CHUNKS = ("user_message_chunk", "agent_message_chunk", "agent_thought_chunk")
TOLD_LAST = ["current_mode_update", "config_option_update", "session_info_update"]


async def load(client: ScriptedClient, session_id: str, cwd: Path, **more: object) -> tuple[list[Frame], Frame]:
    """Load the session; the updates that came before the answer, and the answer."""
    before = len(client.frames)
    request = client.request("session/load", sessionId=session_id, cwd=str(cwd), mcpServers=[], **more)
    answer = await client.answer(request)
    frames = client.frames[before : client.frames.index(answer)]
    return [frame["params"]["update"] for frame in frames if frame.get("method") == "session/update"], answer["result"]


def said(updates: list[Frame]) -> list[tuple[str, str]]:
    return [(up["sessionUpdate"], up["content"]["text"]) for up in updates if up["sessionUpdate"] in CHUNKS]


@pytest.mark.spec("N-29", "D-24", "D-26", "N-08")
@in_loop
async def test_loading_tells_everything_in_order_and_the_settings_last_and_then_answers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello\n")
    commands = [{"name": "plan", "description": "Makes a plan."}]
    turns: list[list[Frame]] = [
        [{"thought": "hm"}, say("one "), say("two"), call("read_file", path="a.txt")],
        [say("three"), {"plan": [{"content": "step"}]}],
        [say("four")],
    ]
    async with house(scenario(*turns, commands=commands, window_tokens=100)) as made:
        client = await made.connect()
        session_id = await client.new_session(str(tmp_path))
        assert [await client.run(session_id, text) for text in ("first", "second")] == ["end_turn", "end_turn"]
        await client.call("session/close", sessionId=session_id)
        other = await made.connect()
        updates, result = await load(other, session_id, tmp_path)
        assert said(updates) == [
            ("user_message_chunk", "first"),
            ("agent_thought_chunk", "hm"),
            ("agent_message_chunk", "one two"),
            ("agent_message_chunk", "three"),
            ("user_message_chunk", "second"),
            ("agent_message_chunk", "four"),
        ]
        kinds = [update["sessionUpdate"] for update in updates]
        assert kinds[3] == "tool_call"
        assert updates[3]["status"] == "completed"
        assert "plan" in kinds
        assert kinds[-4:] == ["available_commands_update", *TOLD_LAST]
        assert updates[-1]["title"]
        assert result["modes"]["currentModeId"] == "ask"
        assert [option["id"] for option in result["configOptions"]] == ["mode", "model"]


@pytest.mark.spec("N-30")
@in_loop
async def test_resuming_is_answered_at_once_and_the_past_is_never_told(tmp_path: Path) -> None:
    async with house(forever(say("again"))) as made:
        client = await made.connect()
        session_id = await client.new_session(str(tmp_path))
        await client.run(session_id)
        await client.call("session/close", sessionId=session_id)
        other = await made.connect()
        result = await other.call("session/resume", sessionId=session_id, cwd=str(tmp_path))
        assert result["modes"]["currentModeId"] == "ask"
        assert [frame for frame in other.frames if frame.get("method") == "session/update"] == []
        assert await other.run(session_id, "more") == "end_turn"
        assert other.text(session_id) == "again"
        assert other.updates(sessionUpdate="user_message_chunk") == []


@pytest.mark.spec("N-29", "N-30")
@pytest.mark.parametrize("method", ["session/load", "session/resume"])
@pytest.mark.parametrize("live", [True, False])
@in_loop
async def test_a_session_without_a_turn_can_be_opened_again(tmp_path: Path, live: bool, method: str) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        if not live:
            await client.call("session/close", sessionId=session_id)
        await client.call(method, sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        assert [update["sessionUpdate"] for update in client.updates() if update["sessionUpdate"] in CHUNKS] == []
        assert await client.run(session_id) == "end_turn"
        assert client.text(session_id) == "hi"


@pytest.mark.spec("N-29")
@pytest.mark.parametrize("method", ["session/load", "session/resume"])
@in_loop
async def test_a_session_that_never_was_is_not_found_and_none_is_made(tmp_path: Path, method: str) -> None:
    async with one_client(forever(say("hi"))) as (client, house):
        error = await client.refused(method, sessionId="session_0", cwd=str(tmp_path), mcpServers=[])
        assert (error["code"], error["data"]["sessionId"]) == (-32002, "session_0")
        assert house.supervisor.live() == []
        assert (await client.call("session/list"))["sessions"] == []


@pytest.mark.spec("D-66", "N-29")
@in_loop
async def test_a_live_session_is_told_and_goes_on_with_the_same_ids(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id, "first")
        await model.asked(1)
        model.finish(1, "one")
        first = await client.answer(prompt)
        live_id = client.updates(sessionUpdate="agent_message_chunk")[0]["messageId"]
        updates, _ = await load(client, session_id, tmp_path)
        assert said(updates) == [("user_message_chunk", "first"), ("agent_message_chunk", "one")]
        own_id = first["result"]["_meta"]["agent_server"]["messageId"]
        assert [up["messageId"] for up in updates if up["sessionUpdate"] in CHUNKS] == [own_id, live_id]
        before = len(client.frames)
        prompt = client.prompt(session_id, "second")
        await model.asked(2)
        model.finish(2, "two")
        assert await client.stop_reason(prompt) == "end_turn"
        later = [frame["params"]["update"] for frame in client.frames[before:] if "method" in frame]
        assert said(later) == [("agent_message_chunk", "two")]
        assert later[0]["messageId"] not in (own_id, live_id)


@pytest.mark.spec("D-66", "N-48")
@in_loop
async def test_a_running_turn_goes_on_across_a_load_in_the_same_messages_and_calls(tmp_path: Path) -> None:
    model = PuppetModel()
    tool = PuppetTool(waits=True)
    async with one_client(model, tools=[tool]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        running, waiting = client.prompt(session_id, "running"), client.prompt(session_id, "waiting")
        await model.asked(1)
        model.finish(1, "before ", wants("puppet"))
        await tool.begun.wait()
        await client.seen(sessionUpdate="tool_call_update", status="in_progress")
        call_id = client.updates(sessionUpdate="tool_call")[0]["toolCallId"]
        updates, _ = await load(client, session_id, tmp_path)
        assert said(updates) == [("user_message_chunk", "running"), ("agent_message_chunk", "before ")]
        calls = [update for update in updates if update["sessionUpdate"] == "tool_call"]
        assert [(one["toolCallId"], one["status"]) for one in calls] == [(call_id, "in_progress")]
        assert not client.answers_to(running)
        assert not client.answers_to(waiting)
        loaded = len(client.frames)
        tool.go.set()
        await model.asked(2)
        model.say(2, "after ")
        grown = (await client.seen(sessionUpdate="agent_message_chunk", content={"type": "text", "text": "after "}))
        updates, _ = await load(client, session_id, tmp_path)  # in the middle of a message
        assert said(updates)[-1] == ("agent_message_chunk", "after ")
        model.finish(2, "the load")
        assert await client.stop_reason(running) == "end_turn"
        ends = [frame["params"]["update"] for frame in client.frames[loaded:] if "method" in frame]
        assert {up["toolCallId"] for up in ends if up["sessionUpdate"] == "tool_call_update"} == {call_id}
        last = [up for up in ends if up["sessionUpdate"] == "agent_message_chunk"][-1]
        assert (last["content"]["text"], last["messageId"]) == ("the load", grown["messageId"])
        await model.asked(3)
        model.finish(3, "done")
        assert await client.stop_reason(waiting) == "end_turn"


@pytest.mark.spec("D-66")
@in_loop
async def test_a_turn_that_ends_while_it_is_loaded_is_told_whole_before_its_answer(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        load_request = client.made("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        model.finish(1, *["word "] * 200)
        client.send(load_request)
        await client.answer(load_request["id"])
        assert await client.stop_reason(prompt) == "end_turn"
        loaded = client.position(lambda frame: frame.get("id") == load_request["id"])
        ended = client.position(lambda frame: frame.get("id") == prompt and "method" not in frame)
        chunks = [
            (index, frame["params"]["update"]["content"]["text"])
            for index, frame in enumerate(client.frames)
            if frame.get("params", {}).get("update", {}).get("sessionUpdate") == "agent_message_chunk"
        ]
        assert all(index < ended for index, _ in chunks)
        replayed = "".join(text for index, text in chunks if index < loaded)
        assert replayed.endswith("word ")
        assert "".join(text for _, text in chunks).count("word ") >= 200


@pytest.mark.spec("D-67")
@pytest.mark.parametrize("method", ["session/load", "session/resume"])
@in_loop
async def test_a_session_in_which_somebody_works_is_not_given_away(tmp_path: Path, method: str) -> None:
    async with house(forever(say("on"), WAIT)) as made:
        client, other = await made.connect(), await made.connect()
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await client.seen(sessionUpdate="agent_message_chunk")
        error = await other.refused(method, sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        assert (error["code"], error["data"]["reason"]) == (-32010, "driver_taken")
        assert other.updates() == []
        client.cancel(session_id)
        assert await client.stop_reason(prompt) == "cancelled"
        client.hang_up()
        await made.agents[0]
        await other.call(method, sessionId=session_id, cwd=str(tmp_path), mcpServers=[])


@pytest.mark.spec("D-67", "D-66", "D-24")
@in_loop
async def test_the_turn_of_a_client_that_left_is_seen_by_the_next_one(tmp_path: Path) -> None:
    model = PuppetModel()
    async with house(model) as made:
        client = await made.connect()
        session_id = await client.new_session(str(tmp_path))
        client.prompt(session_id, "mine")
        await model.asked(1)
        model.say(1, "one ")
        await client.seen(sessionUpdate="agent_message_chunk")
        client.hang_up()
        other = await made.connect()
        updates, _ = await load(other, session_id, tmp_path)
        assert said(updates) == [("user_message_chunk", "mine"), ("agent_message_chunk", "one ")]


@pytest.mark.spec("D-68", "N-27")
@in_loop
async def test_who_did_not_open_a_session_cannot_prompt_it_until_it_is_loaded(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        client, other = await made.connect(), await made.connect()
        one, two = [await client.new_session(str(tmp_path)) for _ in range(2)]
        assert one != two
        for session_id in (one, "session_unknown"):
            error = await other.refused("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "x"}])
            assert error["code"] == -32002
        client.hang_up()
        await made.agents[0]
        await load(other, one, tmp_path)
        assert await other.run(one) == "end_turn"


@pytest.mark.spec("D-13", "N-32")
@pytest.mark.parametrize("method", ["session/load", "session/resume"])
@pytest.mark.parametrize("live", [True, False])
@in_loop
async def test_a_session_stays_in_its_directory(tmp_path: Path, live: bool, method: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with one_client(forever(say("hi"))) as (client, house):
        session_id = await client.new_session(str(tmp_path / "one"))
        if not live:
            await client.call("session/close", sessionId=session_id)
        for wrong in (str(tmp_path / "two"), "one", str(tmp_path / "missing"), None):
            error = await client.refused(method, sessionId=session_id, cwd=wrong, mcpServers=[])
            assert error["code"] == -32602
            assert "cwd" in error["data"]["details"]
        assert len(house.supervisor.live()) == live
        await client.call(method, sessionId=session_id, cwd=str(tmp_path / "one"), mcpServers=[])


@pytest.mark.spec("D-14", "D-15", "N-33", "N-34")
@pytest.mark.parametrize("method", ["session/load", "session/resume"])
@pytest.mark.parametrize("live", [True, False])
@in_loop
async def test_roots_are_those_that_were_named_last(tmp_path: Path, live: bool, method: str) -> None:
    for name in ("home", "one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f.txt").write_text(f"in {name}\n")

    def reads(name: str) -> Frame:
        return call("read_file", path=str(tmp_path / name / "f.txt"))

    turns = [[reads("home"), reads("one"), reads("two")], [say("ok")]]
    async with one_client(scenario(*turns * 3)) as (client, _):
        cwd = str(tmp_path / "home")
        session_id = await client.new_session(cwd, additionalDirectories=[str(tmp_path / "one")])

        async def readable() -> list[str]:
            before = len(client.updates(sessionUpdate="tool_call_update", status="completed"))
            await client.run(session_id)
            updates = client.updates(sessionUpdate="tool_call_update", status="completed")[before:]
            return sorted(update["content"][0]["content"]["text"] for update in updates)

        async def reopen(**roots: object) -> None:
            if not live:
                await client.call("session/close", sessionId=session_id)
            await client.call(method, sessionId=session_id, cwd=cwd, mcpServers=[], **roots)

        assert [text.split("in ")[1].strip() for text in await readable()] == ["home", "one"]
        await reopen(additionalDirectories=[str(tmp_path / "two")])
        assert [text.split("in ")[1].strip() for text in await readable()] == ["home", "two"]
        await reopen()
        assert [text.split("in ")[1].strip() for text in await readable()] == ["home"]


@pytest.mark.spec("N-32")
@in_loop
async def test_relative_paths_and_commands_start_in_the_sessions_directory(tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text("found me\n")
    turns = [[call("read_file", path="here.txt"), call("run_command", command="pwd")], [say("ok")]]
    async with one_client(scenario(*turns)) as (client, _):
        client.answers["session/request_permission"] = choose("approve")
        assert os.getcwd() != str(tmp_path)
        await client.run(await client.new_session(str(tmp_path)))
        ends = client.updates(sessionUpdate="tool_call_update", status="completed")
        shown = " ".join(str(update.get("content")) for update in ends)
        assert "found me" in shown
        assert str(tmp_path.resolve()) in shown


@pytest.mark.spec("D-66")
@in_loop
async def test_a_question_that_stands_while_the_session_is_loaded_is_not_lost(tmp_path: Path) -> None:
    tool = PuppetTool(changes=True)
    model = PuppetModel()
    async with one_client(model, tools=[tool]) as (client, _):
        client.answers["session/request_permission"] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.finish(1, wants("puppet"))
        question = await client.asked("session/request_permission")
        await load(client, session_id, tmp_path)
        client.respond(question["id"], choose("approve"))
        await model.asked(2)
        model.finish(2, "done", Usage(1, 1))
        assert await client.stop_reason(prompt) == "end_turn"
        assert tool.runs == 1


@pytest.mark.spec("N-30", "D-66")
@in_loop
async def test_a_resume_in_a_turn_tells_nothing_again_and_all_prompts_are_answered(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        running, waiting = client.prompt(session_id, "running"), client.prompt(session_id, "waiting")
        await model.asked(1)
        model.say(1, "before ")
        await client.seen(sessionUpdate="agent_message_chunk")
        client.frames.clear()
        await client.call("session/resume", sessionId=session_id, cwd=str(tmp_path))
        assert said(client.updates()) == []
        model.finish(1, "after")
        assert await client.stop_reason(running) == "end_turn"
        assert said(client.updates()) == [("agent_message_chunk", "after")]
        await model.asked(2)
        model.finish(2, "done")
        assert await client.stop_reason(waiting) == "end_turn"
