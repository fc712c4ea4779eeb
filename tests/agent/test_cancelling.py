from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import ToolResultRecorded
from agent_server.conversation.messages import AssistantMessage, ToolResultMessage, UserMessage
from agent_server.providers.provider import Finished
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import ToolResult

from .puppets import WAIT, PuppetModel, PuppetTool, call, forever, say, scenario, wants
from .scripted_client import SILENCE, ScriptedClient, choose, in_loop, one_client

pytestmark = pytest.mark.promise("P8")
WRITE = call("write_file", path="new.txt", content="x")


def open_calls(client: ScriptedClient) -> set[str]:
    """The announced calls that did not end."""
    announced = {u["toolCallId"] for u in client.updates(sessionUpdate="tool_call")}
    updates = client.updates(sessionUpdate="tool_call_update")
    return announced - {u["toolCallId"] for u in updates if u.get("status") in ("completed", "failed")}


async def cancelled_in_time(client: ScriptedClient, session_id: str, prompt: int) -> None:
    """Cancel; the prompt is answered ``cancelled`` within a second, as the last frame."""
    client.cancel(session_id)
    async with asyncio.timeout(1):
        assert await client.stop_reason(prompt) == "cancelled"
    assert client.frames[-1]["id"] == prompt
    assert open_calls(client) == set()
    assert len(client.answers_to(prompt)) == 1


@pytest.mark.spec("N-52", "N-53")
@pytest.mark.req("TN-08", "JR-18")
@in_loop
async def test_a_cancel_in_the_middle_of_an_answer_keeps_what_was_said(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id, "one")
        await model.asked(1)
        model.say(1, "Once upon")
        await client.seen(sessionUpdate="agent_message_chunk")
        await cancelled_in_time(client, session_id, prompt)
        assert model.closed == 1
        assert house.session(session_id).status == "idle"
        again = client.prompt(session_id, "two")
        await model.asked(2)
        user, partial, _ = model.seen[1]
        assert user == UserMessage((TextPart("one"),))
        assert isinstance(partial, AssistantMessage)
        assert partial.text == "Once upon"
        model.finish(2)
        assert await client.stop_reason(again) == "end_turn"


@pytest.mark.req("TN-08")
@in_loop
async def test_a_cancel_ends_the_calls_that_the_model_had_asked_for_so_far(tmp_path: Path) -> None:
    """The response is not complete yet, so the calls were announced and never began."""
    tool = PuppetTool()
    async with one_client(scenario([call("puppet"), call("puppet"), WAIT]), tools=[tool]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await client.seen(2, sessionUpdate="tool_call")
        await cancelled_in_time(client, session_id, prompt)
        assert tool.runs == 0


@pytest.mark.req("TN-05")
@pytest.mark.promise("P5")
@in_loop
async def test_a_model_that_breaks_off_ends_the_calls_that_it_had_asked_for_so_far(tmp_path: Path) -> None:
    tool = PuppetTool()
    async with one_client(scenario([call("puppet"), {"drop": True}]), tools=[tool]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        assert "error" in await client.answer(client.prompt(session_id))
        assert open_calls(client) == set()
        assert tool.runs == 0


@pytest.mark.spec("N-54")
@pytest.mark.req("TN-08")
@in_loop
async def test_a_cancel_while_a_tool_runs_ends_the_call_and_the_model_learns_of_it(tmp_path: Path) -> None:
    tool, model = PuppetTool(waits=True), PuppetModel()
    async with one_client(model, tools=[tool]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        await tool.begun.wait()
        await cancelled_in_time(client, session_id, prompt)
        again = client.prompt(session_id)
        await model.asked(2)
        result = model.seen[1][2]
        assert isinstance(result, ToolResultMessage)
        assert (result.call_id, result.is_error) == ("c", True)
        model.finish(2)
        await client.answer(again)


@pytest.mark.req("TN-08", "TN-16")
@in_loop
async def test_what_was_done_before_a_cancel_is_told_to_the_model_as_done(tmp_path: Path) -> None:
    done, stuck, model = PuppetTool("done", changes=True), PuppetTool("stuck", changes=True, waits=True), PuppetModel()
    async with one_client(model, tools=[done, stuck]) as (client, house):
        client.answers["session/request_permission"] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("done", "1"), wants("stuck", "2"), wants("done", "3"), Finished("tool_use"))
        await stuck.begun.wait()
        await cancelled_in_time(client, session_id, prompt)
        assert done.runs == 1
        again = client.prompt(session_id)
        await model.asked(2)
        results = [m for m in model.seen[1] if isinstance(m, ToolResultMessage)]
        assert [(m.call_id, m.is_error) for m in results] == [("1", False), ("2", True), ("3", True)]
        recorded = [e for _, e in house.store.read(session_id) if isinstance(e, ToolResultRecorded)]
        assert len(recorded) == 3
        model.finish(2)
        await client.answer(again)


@pytest.mark.spec("N-52")
@pytest.mark.req("TN-08", "SM-33")
@in_loop
async def test_a_cancel_leaves_no_process_of_a_command_behind(tmp_path: Path) -> None:
    stubborn = "trap '' TERM; sleep 1000 & echo pids $$ $!; wait"
    async with one_client(scenario([call("run_command", command=stubborn)])) as (client, _):
        client.answers["session/request_permission"] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)

        def pids() -> list[int]:
            shown = [str(u.get("content")) for u in client.updates(sessionUpdate="tool_call_update")]
            found = [text.split("console\\npids ", 1)[1].split("\\n")[0] for text in shown if "console\\npids " in text]
            return [int(pid) for pid in found[0].split()] if found else []

        children = await client.until(pids)
        assert len(children) == 2
        assert all(psutil.pid_exists(pid) for pid in children)
        await cancelled_in_time(client, session_id, prompt)
        assert not any(psutil.pid_exists(pid) for pid in children)


@pytest.mark.spec("D-45", "D-46")
@pytest.mark.req("TN-08", "AP-14")
@in_loop
async def test_a_cancel_while_the_user_is_asked_withdraws_the_question(tmp_path: Path) -> None:
    async with one_client(scenario([WRITE], [say("ok")])) as (client, house):
        client.answers["session/request_permission"] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        question = await client.asked("session/request_permission")
        await cancelled_in_time(client, session_id, prompt)
        assert [f["params"] for f in client.frames if f.get("method") == "$/cancel_request"] == [
            {"requestId": question["id"]}
        ]
        assert house.session(session_id).snapshot().pending_approvals == ()
        client.respond(question["id"], choose("approve"))
        assert await client.run(session_id) == "end_turn"
        assert not (tmp_path / "new.txt").exists()


@pytest.mark.req("AP-14")
@pytest.mark.parametrize("approval_first", [True, False])
@in_loop
async def test_an_approval_and_a_cancel_in_one_delivery_leave_the_file_untouched(
    tmp_path: Path, approval_first: bool
) -> None:
    async with one_client(scenario([WRITE])) as (client, _):
        client.answers["session/request_permission"] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        question = await client.asked("session/request_permission")
        approval = {"id": question["id"], "result": choose("approve")}
        cancel = {"method": "session/cancel", "params": {"sessionId": session_id}}
        client.send(*((approval, cancel) if approval_first else (cancel, approval)))
        assert await client.stop_reason(prompt) == "cancelled"
        assert open_calls(client) == set()
        assert not (tmp_path / "new.txt").exists()


@pytest.mark.req("TN-08")
@in_loop
async def test_a_client_may_answer_cancelled_to_the_question_when_it_cancels(tmp_path: Path) -> None:
    async with one_client(scenario([WRITE])) as (client, _):
        client.answers["session/request_permission"] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        question = await client.asked("session/request_permission")
        client.send(
            {"method": "session/cancel", "params": {"sessionId": session_id}},
            {"id": question["id"], "result": {"outcome": {"outcome": "cancelled"}}},
        )
        assert await client.stop_reason(prompt) == "cancelled"


@pytest.mark.req("TN-09", "SM-13")
@in_loop
async def test_a_cancel_when_idle_or_of_an_unknown_session_is_silent(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        frames, records = len(client.frames), len(house.store.read(session_id))
        for name in (session_id, session_id, "session_none", ""):
            client.cancel(name)
        assert await client.call("session/set_mode", sessionId=session_id, modeId="ask") == {}
        assert len(client.frames) == frames + 1
        assert len(house.store.read(session_id)) == records
        assert await client.run(session_id) == "end_turn"


@pytest.mark.req("TN-09", "TN-08")
@in_loop
async def test_cancelling_twice_is_as_cancelling_once(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        client.cancel(session_id)
        await cancelled_in_time(client, session_id, prompt)
        client.cancel(session_id)
        again = client.prompt(session_id)
        await model.asked(2)
        model.finish(2, "well")
        assert await client.stop_reason(again) == "end_turn"


@pytest.mark.req("TN-08")
@in_loop
async def test_a_cancel_right_behind_the_prompt_cancels_it(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"), WAIT)) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.made("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "x"}])
        client.send(prompt, {"method": "session/cancel", "params": {"sessionId": session_id}})
        assert await client.stop_reason(prompt["id"]) == "cancelled"


@pytest.mark.req("TN-08")
@in_loop
async def test_a_prompt_right_behind_a_cancel_is_run(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        first = client.prompt(session_id)
        await model.asked(1)
        second = client.made("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "x"}])
        client.send({"method": "session/cancel", "params": {"sessionId": session_id}}, second)
        assert await client.stop_reason(first) == "cancelled"
        await model.asked(2)
        model.finish(2)
        assert await client.stop_reason(second["id"]) == "end_turn"


@pytest.mark.spec("N-53")
@pytest.mark.req("TN-08")
@pytest.mark.parametrize("swallowed", ["returns", "raises"])
@in_loop
async def test_a_tool_that_makes_something_else_of_a_cancel_is_cancelled_all_the_same(
    tmp_path: Path, swallowed: str
) -> None:
    async def stubborn(context: ToolContext) -> ToolResult:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if swallowed == "raises":
                raise ValueError("no") from None
        return ToolResult.text("late")

    tool = PuppetTool(body=stubborn)
    async with one_client(scenario([call("puppet")], [say("on")]), tools=[tool]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await tool.begun.wait()
        await cancelled_in_time(client, session_id, prompt)


@pytest.mark.spec("N-53")
@pytest.mark.req("TN-08")
@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)])
@in_loop
async def test_a_model_that_breaks_while_it_is_cancelled_is_cancelled_all_the_same(
    tmp_path: Path, error: BaseException
) -> None:
    class Breaking(PuppetModel):
        async def stream(self, request: Any) -> Any:
            try:
                async for event in super().stream(request):
                    yield event
            except asyncio.CancelledError:
                raise error from None

    model = Breaking()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        await cancelled_in_time(client, session_id, prompt)
