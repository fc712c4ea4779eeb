"""What a client answers malformed is no approval, no text and no reply; the turn goes on, and nothing leaks."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent_server.agent.self_test import SelfTest, SelfTestTerminal
from agent_server.conversation.messages import ToolResultMessage
from agent_server.providers.provider import Finished
from agent_server.tools.tool import Tool

from .puppets import PuppetModel, wants
from .scripted_client import FILES, SILENCE, Refusal, ScriptedClient, choose, in_loop, one_client

ASK, READ, WRITE, ELICIT = "session/request_permission", "fs/read_text_file", "fs/write_text_file", "elicitation/create"
CREATE, OUTPUT, WAIT = "terminal/create", "terminal/output", "terminal/wait_for_exit"
MARK = "hunter2-swordfish"
EVERYTHING = {**FILES, "terminal": True, "elicitation": {"form": {}, "url": {}}}

JUNK: list[Any] = [None, True, 7, 1.5, MARK, [], [MARK], {}, {"a": MARK}]


async def told(
    cwd: Path, tool: str, arguments: dict[str, Any], answers: dict[str, Any]
) -> tuple[ToolResultMessage, ScriptedClient]:
    """Let the model use a tool once: what it was told. The turn must end well, and the session take another."""
    model = PuppetModel()
    tools: list[Tool] = [SelfTest(), SelfTestTerminal()]
    async with one_client(model, capabilities=EVERYTHING, tools=tools) as (client, _):
        client.answers.update({ASK: choose("approve"), **answers})
        session_id = await client.new_session(str(cwd))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants(tool, **arguments), Finished("tool_use"))
        await model.asked(2)
        model.finish(2, "so be it")
        assert await client.stop_reason(prompt) == "end_turn"
        again = client.prompt(session_id)
        await model.asked(3)
        model.finish(3)
        assert await client.stop_reason(again) == "end_turn"
        result = model.seen[1][-1]
        assert isinstance(result, ToolResultMessage)
        assert MARK.encode() not in orjson.dumps(client.frames)
        return result, client


def text_of(result: ToolResultMessage) -> str:
    return "".join(getattr(part, "text", "") for part in result.parts)


def selected(option_id: Any) -> dict[str, Any]:
    return {"outcome": {"outcome": "selected", "optionId": option_id}}


NO_APPROVALS: list[Any] = [
    *JUNK,
    *({"outcome": junk} for junk in JUNK),
    *({"outcome": {"outcome": junk, "optionId": "approve"}} for junk in JUNK),
    *(selected(junk) for junk in JUNK),
    {"outcome": {"outcome": "selected"}},
    {"outcome": {"outcome": "approved", "optionId": "approve"}},
    {"outcome": {"outcome": "Selected", "optionId": "approve"}},
    {"outcome": {"optionId": "approve"}},
    {"outcome": {"outcome": "cancelled", "optionId": "approve"}},
    {"outcome": "selected", "optionId": "approve"},
    {"outcome": "approve"},
    {"optionId": "approve"},
    [selected("approve")],
    "approve",
    selected("APPROVE"),
    selected(" approve"),
    selected(["approve"]),
    selected(f"approve{MARK}"),
    {"outcome": {"outcome": "selected", "option_id": "approve"}},
    {"outcome": {"outcome": "selected", "optionId": "nothing", "_meta": {"optionId": "approve"}}},
    Refusal(-32800, MARK),
    Refusal(-32603, MARK),
    Refusal(0, MARK),
]


@pytest.mark.req("AP-11", "JR-16")
@pytest.mark.parametrize("answer", NO_APPROVALS, ids=repr)
@in_loop
async def test_a_malformed_answer_to_a_question_is_no_approval(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    arguments = {"path": "a.txt", "content": "x"}
    result, client = await told(tmp_path, "write_file", arguments, {ASK: answer})
    assert result.is_error
    assert client.requests(WRITE) == []
    assert not (tmp_path / "a.txt").exists()
    assert MARK not in caplog.text


@pytest.mark.req("TL-03", "JR-16")
@pytest.mark.parametrize("answer", [*JUNK, *({"content": junk} for junk in JUNK if junk != MARK)], ids=repr)
@in_loop
async def test_a_file_that_is_answered_malformed_is_a_failed_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "a.txt").write_text("on disk\n")
    result, _ = await told(tmp_path, "read_file", {"path": "a.txt"}, {READ: answer})
    assert result.is_error
    assert "malformed" in text_of(result)
    assert MARK not in text_of(result)
    assert MARK not in caplog.text


@pytest.mark.req("JR-16")
@pytest.mark.parametrize("text", [b'{"content":"\\ud800"}', b'{"content":"cut of', b'{"content":"\xff"}', b"NaN"])
@in_loop
async def test_a_file_that_is_answered_with_garbage_is_a_failed_call_and_no_endless_one(
    tmp_path: Path, text: bytes
) -> None:
    (tmp_path / "a.txt").write_text("on disk\n")
    model = PuppetModel()
    async with one_client(model, capabilities=FILES) as (client, _):
        client.answers[READ] = SILENCE
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.say(1, wants("read_file", path="a.txt"), Finished("tool_use"))
        asked = await client.asked(READ)
        client.send_line(b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (asked["id"], text))
        await model.asked(2)
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"
        result = model.seen[1][-1]
        assert isinstance(result, ToolResultMessage)
        assert result.is_error


@pytest.mark.req("TL-03")
@pytest.mark.parametrize("answer", [True, 7, MARK, [], [MARK]], ids=repr)
@in_loop
async def test_a_write_that_is_answered_malformed_is_a_failed_call(tmp_path: Path, answer: Any) -> None:
    result, client = await told(tmp_path, "write_file", {"path": "a.txt", "content": "x"}, {WRITE: answer})
    assert len(client.requests(WRITE)) == 1
    assert result.is_error
    assert MARK not in text_of(result)


NO_REPLIES: list[Any] = [
    *JUNK,
    *({"action": junk} for junk in JUNK),
    {"action": "Accept"},
    {"action": "approve", "content": {}},
    *({"action": "accept", "content": junk} for junk in (True, 7, MARK, [MARK])),
    *({"action": "accept", "content": {"name": junk}} for junk in (None, {"a": MARK}, [7], [[MARK]])),
]


@pytest.mark.req("JR-16")
@pytest.mark.parametrize("answer", NO_REPLIES, ids=repr)
@pytest.mark.parametrize("action", ["form", "url"])
@in_loop
async def test_a_malformed_answer_to_a_form_or_a_visit_is_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, action: str, answer: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    result, client = await told(tmp_path, "self_test", {"action": action}, {ELICIT: answer})
    assert len(client.requests(ELICIT)) == 1
    assert not text_of(result).startswith("accept")
    assert MARK not in text_of(result)
    assert MARK not in caplog.text


@pytest.mark.req("JR-16")
@pytest.mark.parametrize(
    "answers",
    [
        *({CREATE: junk} for junk in JUNK),
        *({CREATE: {"terminalId": junk}} for junk in (None, 7, [MARK], {"a": MARK})),
        *({CREATE: {"terminalId": "t"}, WAIT: junk} for junk in (True, 7, MARK, [MARK])),
        *({CREATE: {"terminalId": "t"}, WAIT: {}, OUTPUT: junk} for junk in JUNK),
        {CREATE: {"terminalId": "t"}, WAIT: {}, OUTPUT: {"output": [MARK], "truncated": False}},
        {CREATE: {"terminalId": "t"}, WAIT: {}, OUTPUT: {"output": "", "truncated": MARK}},
    ],
    ids=repr,
)
@in_loop
async def test_a_terminal_that_is_answered_malformed_is_a_failed_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answers: dict[str, Any]
) -> None:
    caplog.set_level(logging.DEBUG)
    result, client = await told(tmp_path, "self_test_terminal", {"command": "ls"}, answers)
    assert result.is_error
    assert MARK not in text_of(result)
    assert MARK not in caplog.text
    if isinstance(answers[CREATE], dict) and answers[CREATE].get("terminalId") == "t":
        assert len(client.requests("terminal/release")) == 1
