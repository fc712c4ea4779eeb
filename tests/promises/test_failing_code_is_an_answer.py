"""P5: whatever a tool or a model raises, the request is answered and the session lives on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest

from agent_server.conversation.messages import ToolResultMessage
from agent_server.errors import ConnectionClosed, ProviderError, RpcError, ToolError
from agent_server.providers.provider import (
    Finished,
    ModelRequest,
    PartDelta,
    ProviderEvent,
    TextDelta,
    ToolCallRequested,
)
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import ToolResult
from tests.agent.puppets import PuppetModel, PuppetTool, wants
from tests.agent.scripted_client import choose, in_loop, one_client

pytestmark = [pytest.mark.promise("P5"), pytest.mark.promise("P1")]

SECRET = "sk-very-secret"


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


KINDS: list[BaseException] = [
    ValueError(SECRET),
    RecursionError(SECRET),
    MemoryError(),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    StopIteration(SECRET),
    StopAsyncIteration(),
    asyncio.CancelledError(),
    TimeoutError(),
    ExceptionGroup("group", [ValueError(SECRET)]),
    BaseExceptionGroup("group", [KeyboardInterrupt(), SystemExit()]),
    RpcError(-32000, "the client said no"),
    ConnectionClosed("gone"),
    Unprintable(),
    anyio.ClosedResourceError(),
]


def by_kind(error: BaseException) -> str:
    return type(error).__name__


@pytest.mark.req("TL-11", "SM-20")
@pytest.mark.parametrize("error", [*KINDS, ProviderError("raw", "inner model"), ToolError("plain")], ids=by_kind)
@pytest.mark.parametrize("where", ["prepare", "run", "run of a changing tool", "one of two"])
@in_loop
async def test_a_tool_may_raise_anything_and_the_run_goes_on(tmp_path: Path, where: str, error: BaseException) -> None:
    def fail() -> None:
        raise error

    async def run(context: ToolContext) -> ToolResult:
        raise error

    changes = where == "run of a changing tool"
    tool = PuppetTool("bad", prepare=fail) if where == "prepare" else PuppetTool("bad", body=run, changes=changes)
    model = PuppetModel()
    async with one_client(model, tools=[tool, PuppetTool("good")]) as (client, _):
        client.answers["session/request_permission"] = choose("approve")
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        more = [wants("good", "2")] if where == "one of two" else []
        model.say(1, wants("bad", "1"), *more, Finished("tool_use"))
        await model.asked(2)
        results = [message for message in model.seen[1] if isinstance(message, ToolResultMessage)]
        assert [result.is_error for result in results] == [True] + [False] * len(more)
        assert SECRET not in str(results)
        assert len(client.updates(sessionUpdate="tool_call_update", status="failed")) == 1
        model.finish(2, "on we go")
        assert await client.stop_reason(prompt) == "end_turn"
        assert SECRET not in str(client.frames)


@pytest.mark.req("TL-11")
@pytest.mark.parametrize("result", [None, 7, "text", ToolResult((object(),), content=(object(),))])  # type: ignore[arg-type]
@in_loop
async def test_a_tool_may_give_nonsense_and_the_run_goes_on(tmp_path: Path, result: Any) -> None:
    async def run(context: ToolContext) -> ToolResult:
        return result  # type: ignore[no-any-return]

    model = PuppetModel()
    async with one_client(model, tools=[PuppetTool("bad", body=run)]) as (client, _):
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.say(1, wants("bad"), Finished("tool_use"))
        await model.asked(2)
        assert client.updates(sessionUpdate="tool_call_update")[-1]["status"] == "failed"
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"


@pytest.mark.req("TN-05", "ST-05")
@pytest.mark.parametrize("error", KINDS, ids=by_kind)
@pytest.mark.parametrize("after", [(), ("some text",), ("text", wants("good"))], ids=["at once", "text", "call"])
@in_loop
async def test_a_model_may_raise_anything_and_the_session_lives_on(
    tmp_path: Path, after: tuple[Any, ...], error: BaseException
) -> None:
    model = PuppetModel()
    async with one_client(model, tools=[PuppetTool("good")]) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, *after, error)
        frame = await client.answer(prompt)
        assert frame["error"]["code"] == -32603
        assert SECRET not in str(frame)
        assert client.frames[-1] is frame
        assert house.session(session_id).status == "error"
        again = client.prompt(session_id)
        await model.asked(2)
        model.finish(2, "fine")
        assert await client.stop_reason(again) == "end_turn"
        assert len(client.answers_to(prompt)) == 1


@pytest.mark.req("JR-19")
@pytest.mark.parametrize(
    "events",
    [
        [TextDelta("half \ud800 a pair")],
        [wants("good", text="half \ud800 a pair")],
        [ToolCallRequested("c", "good", {"\udfff": 1})],
        [wants("\ud800")],
        [wants("good", big=2**80)],
        [wants("good", what=object())],
        [wants("x" * 9_000_000)],
        [wants("good", "id" * 5_000_000)],
        [PartDelta(None)],  # type: ignore[arg-type]
    ],
    ids=["text", "argument", "key", "name", "number", "object", "long name", "long id", "no part"],
)
@in_loop
async def test_what_a_model_says_may_be_anything_and_the_prompt_is_answered(tmp_path: Path, events: list[Any]) -> None:
    class OddOnce(PuppetModel):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
            odd, events[:] = list(events), []
            for event in odd or [TextDelta("fine")]:
                yield event
            yield Finished()

    async with one_client(OddOnce(), tools=[PuppetTool("good")]) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await client.answer(client.prompt(session_id))
        assert await client.run(session_id) == "end_turn"
        assert client.text(session_id).endswith("fine")
