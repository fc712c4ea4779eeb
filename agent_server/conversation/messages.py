"""The conversation as a language model sees it: messages, with tool calls and their results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from agent_server.conversation.content import Part
from agent_server.conversation.reasoning import ReasoningState


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


class AssistantMessage:
    """What the model answered in one response: text, thoughts and the tool calls it asked for.

    Text may be given in pieces; they are joined when somebody first reads it. ``reasoning`` is what the model that
    answered wants back with it.
    """

    __slots__ = ("_text", "_thought", "reasoning", "tool_requests")

    def __init__(
        self,
        text: str | list[str] = "",
        thought: str | list[str] = "",
        tool_requests: list[ToolRequest] | None = None,
        reasoning: ReasoningState | None = None,
    ) -> None:
        self._text = text
        self._thought = thought
        self.tool_requests = tool_requests if tool_requests is not None else []
        self.reasoning = reasoning

    @property
    def text(self) -> str:
        """The answer."""
        if not isinstance(self._text, str):
            self._text = "".join(self._text)
        return self._text

    @property
    def thought(self) -> str:
        """The reasoning."""
        if not isinstance(self._thought, str):
            self._thought = "".join(self._thought)
        return self._thought

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AssistantMessage) and (
            (self.text, self.thought, self.tool_requests, self.reasoning)
            == (other.text, other.thought, other.tool_requests, other.reasoning)
        )

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"AssistantMessage({self.text!r}, {self.thought!r}, {self.tool_requests!r})"


@dataclass(slots=True)
class ToolResultMessage:
    """What one tool call gave back to the model, in the order of the requests."""

    call_id: str
    name: str
    parts: tuple[Part, ...]
    is_error: bool = False


ModelMessage: TypeAlias = UserMessage | AssistantMessage | ToolResultMessage
