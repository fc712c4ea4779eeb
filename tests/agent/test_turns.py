from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.content import ImagePart, TextPart
from agent_server.conversation.events import MessageInserted, PromptReceived
from agent_server.conversation.messages import AssistantMessage, ToolRequest, ToolResultMessage, UserMessage
from agent_server.conversation.tool_calls import ToolKind
from agent_server.errors import ProviderError
from agent_server.providers.provider import Finished, ThoughtDelta
from agent_server.providers.scenario.provider import ScenarioProvider
from agent_server.sessions.spec import Limits
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import ToolResult

from .puppets import PuppetModel, PuppetTool, call, forever, say, scenario, wants
from .scripted_client import choose, in_loop, one_client


@pytest.mark.spec("N-08", "N-45", "D-23")
@pytest.mark.req("TN-01", "JR-11")
@in_loop
async def test_a_prompt_is_recorded_answered_in_chunks_and_ended(tmp_path: Path) -> None:
    async with one_client(scenario([say("Hello, world!", chunk_chars=5)])) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        prompt = await client.answer(client.prompt(session_id, "greet"))
        assert prompt["result"]["stopReason"] == "end_turn"
        chunks = client.updates(sessionUpdate="agent_message_chunk")
        assert [chunk["content"]["text"] for chunk in chunks] == ["Hello", ", wor", "ld!"]
        assert len({chunk["messageId"] for chunk in chunks}) == 1
        (own,) = [e for _, e in house.store.read(session_id) if isinstance(e, MessageInserted)]
        assert own.parts == (TextPart("greet"),)
        assert prompt["result"]["_meta"]["agent_server"]["messageId"] == str(own.message_id)
        assert client.updates(sessionUpdate="user_message_chunk") == []


@pytest.mark.req("TN-04")
@in_loop
async def test_an_empty_prompt_is_refused_idle_or_busy_and_never_recorded(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        assert (await client.refused("session/prompt", sessionId=session_id, prompt=[]))["code"] == -32602
        running = client.prompt(session_id)
        await model.asked(1)
        assert (await client.refused("session/prompt", sessionId=session_id, prompt=[]))["code"] == -32602
        model.finish(1, "hi")
        assert await client.stop_reason(running) == "end_turn"
        received = [e for _, e in house.store.read(session_id) if isinstance(e, PromptReceived)]
        assert len(received) == 1


@pytest.mark.req("TN-05", "ST-05")
@pytest.mark.promise("P1", "P5")
@in_loop
async def test_a_model_that_refuses_makes_an_error_and_the_prompt_stays_in_the_conversation(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id, "one")
        await model.asked(1)
        error = ProviderError(
            "rejected_key", "The key is wrong.", provider="p", http_status=401, request_id="r", retry_after_s=2.5
        )
        model.say(1, error)
        frame = await client.answer(prompt)
        assert frame["error"]["code"] == -32603
        assert frame["error"]["data"] == {
            "details": "The key is wrong.",
            "errorKind": "rejected_key",
            "retryable": False,
            "httpStatus": 401,
            "provider": "p",
            "requestId": "r",
            "retryAfterS": 2.5,
        }
        assert house.session(session_id).snapshot().last_error == "The key is wrong."
        again = client.prompt(session_id, "two")
        await model.asked(2)
        assert house.session(session_id).status == "thinking"
        assert model.seen[1] == [UserMessage((TextPart("one"),)), UserMessage((TextPart("two"),))]
        model.finish(2, "fine")
        assert await client.stop_reason(again) == "end_turn"
        assert house.session(session_id).snapshot().last_error is None


@pytest.mark.req("TN-06")
@in_loop
async def test_each_change_between_thinking_and_speaking_opens_a_new_message(tmp_path: Path) -> None:
    steps = [{"thought": "a"}, say("b"), {"thought": "c"}, say("d"), say("e")]
    async with one_client(scenario(steps)) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await client.run(session_id)
        chunks = [update for update in client.updates() if "messageId" in update]
        assert [(chunk["sessionUpdate"], chunk["content"]["text"]) for chunk in chunks] == [
            ("agent_thought_chunk", "a"),
            ("agent_message_chunk", "b"),
            ("agent_thought_chunk", "c"),
            ("agent_message_chunk", "d"),
            ("agent_message_chunk", "e"),
        ]
        ids = [int(chunk["messageId"]) for chunk in chunks]
        assert ids[:4] == sorted(set(ids))
        assert ids[3] == ids[4]


@pytest.mark.req("TN-06")
@in_loop
async def test_text_after_a_tool_call_is_a_new_message(tmp_path: Path) -> None:
    async with one_client(scenario([say("before"), call("puppet")], [say("after")]), tools=[PuppetTool()]) as (
        client,
        _,
    ):
        await client.run(await client.new_session(str(tmp_path)))
        before, after = client.updates(sessionUpdate="agent_message_chunk")
        assert before["messageId"] != after["messageId"]


@pytest.mark.spec("N-49", "D-27", "D-28")
@pytest.mark.req("TN-07", "ST-02")
@pytest.mark.promise("P3")
@in_loop
async def test_usage_and_the_last_status_come_before_the_answer_and_nothing_after_it(tmp_path: Path) -> None:
    usage = {"usage": {"input_tokens": 10, "output_tokens": 4, "cost_usd": 0.25}}
    async with one_client(scenario([say("hi"), usage], [say("ho")], window_tokens=100)) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await client.answer(prompt)
        assert client.updates(sessionUpdate="usage_update") == [
            {"sessionUpdate": "usage_update", "used": 14, "size": 100, "cost": {"amount": 0.25, "currency": "USD"}}
        ]
        assert house.session(session_id).status == "idle"
        assert "result" in client.frames[-1]
        count = len(client.frames)
        await client.call("session/set_mode", sessionId=session_id, modeId="ask")
        assert len(client.frames) == count + 1


@pytest.mark.spec("D-10", "N-49")
@pytest.mark.req("TN-07")
@in_loop
async def test_no_usage_is_shown_where_the_size_of_the_window_is_unknown(tmp_path: Path) -> None:
    async with one_client(scenario([say("hi"), {"usage": {"input_tokens": 10}}])) as (client, _):
        await client.run(await client.new_session(str(tmp_path)))
        assert client.updates(sessionUpdate="usage_update") == []


@pytest.mark.req("TN-12")
@in_loop
async def test_a_model_that_never_stops_asking_is_stopped_after_its_requests(tmp_path: Path) -> None:
    tool = PuppetTool()
    async with one_client(forever(call("puppet")), tools=[tool], limits=Limits(max_turn_requests=2)) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        assert await client.run(session_id) == "max_turn_requests"
        assert tool.runs == 2
        assert len(client.updates(sessionUpdate="tool_call_update", status="completed")) == 2


@pytest.mark.spec("N-45", "N-46")
@pytest.mark.req("TN-12", "TN-01")
@pytest.mark.parametrize("reason", ["max_tokens", "refusal"])
@in_loop
async def test_the_models_own_reason_to_stop_is_the_prompts(tmp_path: Path, reason: str) -> None:
    async with one_client(scenario([say("so far"), {"finish": reason}])) as (client, _):
        assert await client.run(await client.new_session(str(tmp_path))) == reason


@pytest.mark.req("TN-16", "AP-21")
@in_loop
async def test_calls_that_change_nothing_run_side_by_side_and_the_others_one_by_one(tmp_path: Path) -> None:
    slow, quick = PuppetTool("slow", waits=True), PuppetTool("quick")
    first, second = PuppetTool("first", changes=True, waits=True), PuppetTool("second", changes=True)
    model = PuppetModel()
    async with one_client(model, tools=[slow, quick, first, second]) as (client, _):
        client.answers["session/request_permission"] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        calls = [wants(name, name) for name in ("slow", "first", "quick", "second")]
        model.say(1, *calls, Finished("tool_use"))
        await slow.begun.wait()
        await quick.begun.wait()
        await first.begun.wait()
        assert not second.begun.is_set()
        first.go.set()
        await second.begun.wait()
        slow.go.set()
        await model.asked(2)
        results = [m.name for m in model.seen[1] if isinstance(m, ToolResultMessage)]
        assert results == ["slow", "first", "quick", "second"]
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"


@pytest.mark.req("TN-16")
@in_loop
async def test_the_model_is_told_what_it_asked_for_and_what_came_of_it(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, tools=[PuppetTool()]) as (client, _):
        prompt = client.prompt(await client.new_session(str(tmp_path)), "use it")
        await model.asked(1)
        model.say(1, ThoughtDelta("hm"), "I will.", wants("puppet", "p-1", shows="b"), Finished("tool_use"))
        await model.asked(2)
        user, assistant, result = model.seen[1]
        assert user == UserMessage((TextPart("use it"),))
        assert isinstance(assistant, AssistantMessage)
        assert (assistant.text, assistant.thought) == ("I will.", "hm")
        assert assistant.tool_requests == [ToolRequest("p-1", "puppet", {"shows": "b"})]
        assert result == ToolResultMessage("p-1", "puppet", (TextPart("done"),))
        model.finish(2)
        await client.answer(prompt)


@pytest.mark.req("TL-11")
@in_loop
async def test_an_unknown_tool_is_a_failed_call_that_names_the_tools_and_the_run_goes_on(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.say(1, wants("telepathy"), Finished("tool_use"))
        await model.asked(2)
        result = model.seen[1][-1]
        assert isinstance(result, ToolResultMessage)
        assert result.is_error
        assert "read_file" in str(result.parts)
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"
        assert client.updates(sessionUpdate="tool_call")[0]["kind"] == "other"
        assert client.updates(sessionUpdate="tool_call_update")[-1]["status"] == "failed"


@pytest.mark.req("TN-17", "TL-07")
@in_loop
async def test_the_output_of_a_command_is_shown_while_it_runs(tmp_path: Path) -> None:
    """The command goes on only when the client has seen its first line."""
    gate = tmp_path / "gate"
    command = f"echo first; while ! test -e {gate}; do :; done; echo second"
    async with one_client(scenario([call("run_command", command=command)], [say("ok")])) as (client, _):
        client.answers["session/request_permission"] = choose("approve")
        prompt = client.prompt(await client.new_session(str(tmp_path)))

        def shown(text: str) -> list[Any]:
            updates = client.updates(sessionUpdate="tool_call_update")
            return [u for u in updates if "content" in u and text in u["content"][-1]["content"]["text"]]

        await client.until(lambda: shown("console\nfirst"))
        assert client.updates(sessionUpdate="tool_call_update", status="completed") == []
        gate.touch()
        assert await client.stop_reason(prompt) == "end_turn"
        assert client.updates(sessionUpdate="tool_call_update")[-1]["status"] == "completed"
        assert shown("first\nsecond")


@pytest.mark.req("TN-18")
@in_loop
async def test_each_turn_leaves_one_line_in_the_log_and_none_in_the_transcript(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "agent_server")
    usage = {"usage": {"input_tokens": 10, "output_tokens": 4}}
    tool = PuppetTool(kind=ToolKind.READ)
    async with one_client(scenario([usage, call("puppet")], [say("hi"), usage]), tools=[tool]) as (client, _):
        await client.run(await client.new_session(str(tmp_path)))
        (line,) = [record.getMessage() for record in caplog.records if "turn 1" in record.getMessage()]
        assert "session-1" in line
        assert "end_turn" in line
        assert "20 input tokens" in line
        assert "8 output tokens" in line
        assert client.text() == "hi"


@pytest.mark.req("TN-16")
@in_loop
async def test_a_tool_that_asked_for_pictures_and_plans_shows_them(tmp_path: Path) -> None:
    plan = {"plan": [{"content": "Look", "status": "completed"}, {"content": "Act"}]}
    image = {"image": {"data": "AAAA", "mime_type": "image/png"}}
    async with one_client(scenario([plan, say("see "), image, say("that")])) as (client, _):
        await client.run(await client.new_session(str(tmp_path)))
        assert client.updates(sessionUpdate="plan")[0]["entries"] == [
            {"content": "Look", "priority": "medium", "status": "completed"},
            {"content": "Act", "priority": "medium", "status": "pending"},
        ]
        chunks = client.updates(sessionUpdate="agent_message_chunk")
        assert [chunk["content"]["type"] for chunk in chunks] == ["text", "image", "text"]
        assert len({chunk["messageId"] for chunk in chunks}) == 1


@pytest.mark.spec("N-57")
@pytest.mark.req("TN-17")
@in_loop
async def test_a_tool_shows_its_progress_in_place_of_what_it_showed_before(tmp_path: Path) -> None:
    async def work(context: ToolContext) -> ToolResult:
        context.report(content=(TextPart("one"),))
        context.report(content=(TextPart("two"),))
        return ToolResult.text("three")

    async with one_client(scenario([call("puppet")], [say("ok")]), tools=[PuppetTool(body=work)]) as (client, _):
        await client.run(await client.new_session(str(tmp_path)))
        shown = [u["content"] for u in client.updates(sessionUpdate="tool_call_update") if "content" in u]
        assert [blocks[0]["content"]["text"] for blocks in shown] == ["one", "two", "three"]
        assert all(len(blocks) == 1 for blocks in shown)




@pytest.mark.req("TN-02")
@in_loop
async def test_a_model_without_eyes_is_told_what_was_there_and_the_conversation_keeps_it(tmp_path: Path) -> None:
    blind = ScenarioProvider.from_dict(
        {
            "models": [{"id": "blind", "images": False}],
            "turns": [
                {"match": {"prompt": r"look \[An image \(image/png, 5 bytes\) was"}, "steps": [say("I cannot.")]},
                {"steps": [say("wrong")]},
            ],
        }
    )
    async with one_client(blind) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        image = {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"}
        prompt = [{"type": "text", "text": "look "}, image]
        request = client.request("session/prompt", sessionId=session_id, prompt=prompt)
        assert await client.stop_reason(request) == "end_turn"
        assert client.text() == "I cannot."
        (own,) = [e for _, e in house.store.read(session_id) if isinstance(e, MessageInserted)]
        assert own.parts == (TextPart("look "), ImagePart("aGVsbG8=", "image/png"))


@pytest.mark.promise("P10")
@in_loop
async def test_a_client_that_shows_neither_notices_nor_compactions_nor_forms_gets_none(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [{"notice": {"title": "Hm"}}, {"compaction": {"summary": ["x"]}}]
    asking = call("ask_user", message="?", fields={"name": {"type": "string"}})
    async with one_client(scenario([*steps, asking], [say("done")])) as (client, _):
        assert await client.run(await client.new_session(str(tmp_path))) == "end_turn"
        kinds = {update["sessionUpdate"] for update in client.updates()}
        assert kinds == {"tool_call", "tool_call_update", "agent_message_chunk", "session_info_update"}
        assert client.requests("elicitation/create") == []
        (result,) = client.updates(status="completed")
        assert "Ask in your answer instead" in result["content"][0]["content"]["text"]
