"""P3: per session, what the client sees comes in the order in which it happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_server.conversation.content import TextPart
from agent_server.providers.provider import Command, Finished, TextDelta
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import ToolResult
from tests.agent.puppets import PuppetModel, PuppetTool, wants
from tests.agent.scripted_client import choose, in_loop, one_client

pytestmark = pytest.mark.promise("P3")


@pytest.mark.spec("N-54", "D-27")
@pytest.mark.req("JR-01", "TN-07")
@in_loop
async def test_every_update_of_a_turn_comes_between_its_prompt_and_its_answer(tmp_path: Path) -> None:
    async def work(context: ToolContext) -> ToolResult:
        context.report(content=(TextPart("half"),))
        return ToolResult.text("whole")

    model = PuppetModel()
    async with one_client(model, tools=[PuppetTool(body=work)]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        for turn in range(3):
            before = len(client.frames)
            prompt = client.prompt(session_id)
            await model.asked(2 * turn + 1)
            model.say(2 * turn + 1, *"abcdefgh", wants("puppet"), *"ijk", Finished("tool_use"))
            await model.asked(2 * turn + 2)
            model.finish(2 * turn + 2, *"lmnop")
            await client.answer(prompt)
            frames = client.frames[before:]
            assert frames[-1]["id"] == prompt
            assert all(frame["params"]["sessionId"] == session_id for frame in frames[:-1])
            updates = [frame["params"]["update"] for frame in frames[:-1]]
            ended = updates.pop()
            assert ended == {"sessionUpdate": "session_info_update", "updatedAt": ended["updatedAt"]}
            if turn == 0:
                assert updates.pop() == {"sessionUpdate": "session_info_update", "title": "abcdefghijk"}
            shown = [u["content"]["text"] if "messageId" in u else u.get("status", "progress") for u in updates]
            call = ["progress", "in_progress", "progress", "completed"]
            assert shown == [*"abcdefgh", "pending", *"ijk", *call, *"lmnop"]


@pytest.mark.spec("D-29", "D-20")
@pytest.mark.req("JR-01", "JR-09")
@in_loop
async def test_a_pipelined_prompt_finds_its_session_and_nothing_precedes_the_sessions_answer(tmp_path: Path) -> None:
    async with one_client(PuppetModel(Command("greet", "Greets."))) as (client, _):
        one = await client.new_session(str(tmp_path))
        create = client.made("session/new", cwd=str(tmp_path), mcpServers=[])
        prompt = client.made("session/prompt", sessionId=one, prompt=[{"type": "text", "text": "x"}])
        client.send(prompt, create, {"method": "session/cancel", "params": {"sessionId": one}})
        created = (await client.answer(create["id"]))["result"]["sessionId"]
        assert await client.stop_reason(prompt["id"]) == "cancelled"
        told = await client.seen(sessionUpdate="available_commands_update", session_id=created)
        assert told["availableCommands"][0]["name"] == "greet"
        answered = client.position(lambda frame: frame.get("id") == create["id"])
        assert answered < client.position(lambda frame: frame.get("params", {}).get("sessionId") == created)


@pytest.mark.req("TN-06", "JR-01")
@in_loop
async def test_a_change_of_mode_falls_between_the_words_that_were_said_before_and_after_it(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, "before")
        await client.seen(sessionUpdate="agent_message_chunk")
        await client.call("session/set_mode", sessionId=session_id, modeId="plan")
        model.finish(1, "after")
        await client.answer(prompt)
        kinds = [update["sessionUpdate"] for update in client.updates()]
        assert kinds == [
            "agent_message_chunk",
            "current_mode_update",
            "config_option_update",
            "agent_message_chunk",
            "session_info_update",
            "session_info_update",
        ]


@pytest.mark.req("AP-01")
@in_loop
async def test_a_question_comes_behind_everything_that_was_said_before_it(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, tools=[PuppetTool("change", changes=True)]) as (client, _):
        client.answers["session/request_permission"] = choose("approve")
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.say(1, *(TextDelta(str(n)) for n in range(100)), wants("change"), Finished("tool_use"))
        await model.asked(2)
        model.finish(2)
        await client.answer(prompt)
        asked = client.position(lambda frame: frame.get("method") == "session/request_permission")
        said = [i for i, f in enumerate(client.frames) if "messageId" in f.get("params", {}).get("update", {})]
        assert len(said) == 100
        assert max(said) < asked


@pytest.mark.req("JR-01", "SM-20")
@in_loop
async def test_two_sessions_that_speak_at_once_keep_their_streams_apart(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        ids = [await client.new_session(str(tmp_path)) for _ in range(2)]
        prompts = [client.prompt(session_id) for session_id in ids]
        await model.asked(2)
        for n in range(50):
            model.say(1, f"a{n} ")
            model.say(2, f"b{n} ")
            await client.seen(2 * n + 2, sessionUpdate="agent_message_chunk")
        model.finish(1)
        model.finish(2)
        for prompt in prompts:
            assert await client.stop_reason(prompt) == "end_turn"
        assert [client.text(session_id) for session_id in ids] == [
            "".join(f"{letter}{n} " for n in range(50)) for letter in "ab"
        ]
