"""P6: whatever a model and its tools come up with, no frame is too long; the scripted client measures each."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_server.conversation.content import text_of
from agent_server.conversation.messages import ToolResultMessage
from agent_server.providers.provider import Finished, ThoughtDelta
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import ToolResult

from .puppets import PuppetModel, PuppetTool, wants
from .scripted_client import choose, in_loop, one_client

pytestmark = pytest.mark.promise("P6")
MIB = 1024 * 1024


@pytest.mark.spec("D-61", "N-48")
@pytest.mark.req("TN-06")
@pytest.mark.parametrize(
    "text", ["x" * (20 * MIB), "\x01" * (4 * MIB), "😀" * (3 * MIB)], ids=["ascii", "escapes", "wide"]
)
@in_loop
async def test_a_giant_delta_arrives_whole_in_several_chunks_of_one_message(tmp_path: Path, text: str) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.finish(1, text, ThoughtDelta(text[: MIB * 2]))
        assert await client.stop_reason(prompt) == "end_turn"
        assert client.text() == text
        assert len({u["messageId"] for u in client.updates(sessionUpdate="agent_message_chunk")}) == 1


@pytest.mark.req("AP-02", "TL-11")
@in_loop
async def test_a_giant_call_can_be_asked_about_and_run(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\n")
    text = "y\n" * (2 * MIB)
    model = PuppetModel()
    async with one_client(model) as (client, _):
        client.answers["session/request_permission"] = choose("approve")
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.say(1, wants("write_file", path="a.txt", content=text), Finished("tool_use"))
        await model.asked(2)
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"
        assert (tmp_path / "a.txt").read_text() == text
        (question,) = client.requests("session/request_permission")
        assert "too large" in question["params"]["toolCall"]["content"][0]["content"]["text"]
        assert "notShown" in question["params"]["toolCall"]["rawInput"]


@pytest.mark.spec("D-61")
@pytest.mark.req("TL-11")
@in_loop
async def test_a_giant_result_is_shown_cut_and_given_to_the_model_whole(tmp_path: Path) -> None:
    async def shout(context: ToolContext) -> ToolResult:
        return ToolResult(ToolResult.text("\0" * (9 * MIB)).parts, raw_output={"x": "\0" * (9 * MIB)})

    model = PuppetModel()
    async with one_client(model, tools=[PuppetTool(body=shout)]) as (client, _):
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        await model.asked(2)
        result = model.seen[1][-1]
        assert isinstance(result, ToolResultMessage)
        assert len(text_of(result.parts)) == 9 * MIB
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"
        done = client.updates(sessionUpdate="tool_call_update", status="completed")[0]
        assert "not shown" in done["content"][0]["content"]["text"]
