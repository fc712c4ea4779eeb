"""The conversation as a language model sees it: messages, with tool calls and their results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from agent_server.conversation.content import Part


@dataclass(slots=True)
class UserMessage:
    """What the user said."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool call that the model asked for. ``call_id`` is the provider's own id."""

    call_id: str
    name: str
    arguments: dict[str, Any]


@dataclass(slots=True)
class AssistantMessage:
    """What the model answered in one response: text, thoughts and the tool calls it asked for."""

    text: str = ""
    thought: str = ""
    tool_requests: list[ToolRequest] = field(default_factory=list)


@dataclass(slots=True)
class ToolResultMessage:
    """What one tool call gave back to the model, in the order of the requests."""

    call_id: str
    name: str
    parts: tuple[Part, ...]
    is_error: bool = False


ModelMessage: TypeAlias = UserMessage | AssistantMessage | ToolResultMessage
