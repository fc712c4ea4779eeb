"""Conversations that requests are written from."""

from __future__ import annotations

import copy

import orjson

from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, Part, ResourcePart, TextPart
from agent_server.conversation.messages import (
    AssistantMessage,
    ModelMessage,
    ToolRequest,
    ToolResultMessage,
    UserMessage,
)
from agent_server.conversation.reasoning import ReasoningState
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.wire import Endpoint, WireFormat, WireRequest

IMAGE = ImagePart("aW1n", "image/png")
SOUND = AudioPart("c25k", "audio/wav")
LINK = LinkPart("file:///w/a.txt", "a.txt")
RESOURCE = ResourcePart("file:///w/b.txt", text="content of b")

READ = ToolSpec(
    "read",
    "Reads a file.",
    {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
)


def parts_of(*parts: Part | str) -> tuple[Part, ...]:
    return tuple(TextPart(part) if isinstance(part, str) else part for part in parts)


def user(*parts: Part | str) -> ModelMessage:
    return UserMessage(parts_of(*parts))


def answer(
    text: str = "", *calls: ToolRequest, thought: str = "", reasoning: ReasoningState | None = None
) -> ModelMessage:
    return AssistantMessage(text, thought, list(calls), reasoning)


def call(call_id: str, path: str = "x") -> ToolRequest:
    return ToolRequest(call_id, "read", {"path": path})


def asks(*call_ids: str, text: str = "") -> ModelMessage:
    """A response that asks for these calls at once."""
    return answer(text, *(call(call_id, call_id) for call_id in call_ids))


def result(call_id: str, *parts: Part | str, is_error: bool = False) -> ModelMessage:
    return ToolResultMessage(call_id, "read", parts_of(*parts), is_error)


def with_tools_and_images() -> list[ModelMessage]:
    """Two calls at once, one of which gives an image, and a prompt behind it."""
    return [
        user("What is in ", LINK, "?", IMAGE),
        answer("I will look.", call("call_1", "a.txt"), call("call_2", "b.png")),
        result("call_1", "text of a"),
        result("call_2", "an image", IMAGE),
        answer("It is a cat."),
        user("And now?"),
    ]


def wire_request(wire: WireFormat, request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> WireRequest:
    """The request as the format writes it: it can be sent, and the session's own messages are as they were."""
    before = copy.deepcopy(request.messages)
    made = wire.request(request, endpoint, info)
    assert before == request.messages, "the session's messages are not to be changed"
    assert orjson.dumps(made.body)
    return made
