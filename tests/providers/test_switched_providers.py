"""A conversation goes on with another provider: what the former one asked for is written as this one wants."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent_server.conversation.messages import ModelMessage
from agent_server.conversation.reasoning import ReasoningState
from agent_server.providers.formats import format_named
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.wire import FORMATS, Endpoint
from tests.providers.conversations import IMAGE, READ, answer, call, result, user, wire_request

Pairs = tuple[list[str], list[str]]

LONG = "call_" + "x" * 80
ITEMS: list[dict[str, Any]] = [
    {"kind": "opaque", "extra": {"item": {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA"}}},
    {"kind": "tool", "call_id": "functions.read:0"},
    {"kind": "tool", "call_id": LONG},
]
CONVERSATION: list[ModelMessage] = [
    user("Look at both."),
    answer("", call("functions.read:0"), call(LONG), reasoning=ReasoningState("openai:gpt-6", ITEMS)),
    result(LONG, "second"),
    result("functions.read:0", "first", IMAGE),
    answer("", call("call_0"), thought="hm"),
    result("call_0", is_error=True),
    answer("And again.", call("call_0"), call("never answered")),
    result("call_0", "third"),
    user("Well?"),
]


def _anthropic(body: dict[str, Any]) -> Pairs:
    blocks = [block for message in body["messages"] for block in message["content"]]
    return (
        [block["id"] for block in blocks if block["type"] == "tool_use"],
        [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"],
    )


def _chat(body: dict[str, Any]) -> Pairs:
    asked = [made["id"] for message in body["messages"] for made in message.get("tool_calls", ())]
    return asked, [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"]


def _responses(body: dict[str, Any]) -> Pairs:
    def of(kind: str) -> Iterator[str]:
        return (item["call_id"] for item in body["input"] if item.get("type") == kind)

    return list(of("function_call")), list(of("function_call_output"))


def _gemini(body: dict[str, Any]) -> Pairs:
    parts = [part for content in body["contents"] for part in content["parts"]]

    def of(kind: str) -> Iterator[str]:
        return (part[kind]["id"] for part in parts if kind in part)

    return list(of("functionCall")), list(of("functionResponse"))


PAIRS: dict[str, Callable[[dict[str, Any]], Pairs]] = {
    "anthropic": _anthropic,
    "openai-chat": _chat,
    "openai-responses": _responses,
    "gemini": _gemini,
}


TAKEN = {
    "anthropic": r"[a-zA-Z0-9_-]{1,128}",
    "openai-chat": r"[!-~]{1,40}",
    "openai-responses": r"[!-~]{1,64}",
    "gemini": r"[!-~]{1,128}",
}
"""What ids of calls each takes."""


@pytest.mark.parametrize("name", FORMATS)
def test_every_call_of_the_former_provider_has_its_one_result_under_an_id_that_is_taken(name: str) -> None:
    endpoint = Endpoint("next", name, "https://api.example")
    request = ModelRequest("m", CONVERSATION, tools=[READ])
    body = wire_request(format_named(name), request, endpoint, ModelInfo("m", "M")).body
    asked, answered = PAIRS[name](body)
    assert len(asked) == len(set(asked)) == 5
    assert answered == asked
    assert all(re.fullmatch(TAKEN[name], call_id) for call_id in asked)
    assert "gAAA" not in str(body) and "hm" not in str(body), "thoughts of another model mean nothing to this one"
