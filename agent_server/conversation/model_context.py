"""The model's context, folded from the events of a session. Pure.

It grows with the log instead of being rebuilt for every request. Text of a response that is still streaming is kept in
pieces and joined when the response is complete, so that a long stream costs linear time.
"""

from __future__ import annotations

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import (
    Event,
    MessageInserted,
    ModelResponded,
    TextRun,
    ToolResultRecorded,
    TurnEnded,
    TurnStarted,
)
from agent_server.conversation.messages import (
    AssistantMessage,
    ModelMessage,
    ToolRequest,
    ToolResultMessage,
    UserMessage,
)

_ABORTED = "This call did not finish: the turn was cancelled or failed."


class ModelContext:
    """What the next model request holds. ``messages`` is live: read it, never change it."""

    def __init__(self) -> None:
        self.messages: list[ModelMessage] = []
        self._text: list[str] = []
        self._thought: list[str] = []
        self._unanswered: dict[str, str] = {}
        self._turn_start = 0

    def apply(self, event: Event) -> None:
        """Fold one event."""
        kind = type(event)
        if kind is TextRun:
            assert isinstance(event, TextRun)
            (self._thought if event.role == "thought" else self._text).append(event.text)
        elif kind is MessageInserted:
            assert isinstance(event, MessageInserted)
            self._close_response(())
            if event.role == "user":
                self.messages.append(UserMessage(event.parts))
        elif kind is ModelResponded:
            assert isinstance(event, ModelResponded)
            self._close_response(event.tool_requests)
        elif kind is ToolResultRecorded:
            assert isinstance(event, ToolResultRecorded)
            self._unanswered.pop(event.provider_call_id, None)
            self.messages.append(
                ToolResultMessage(event.provider_call_id, event.name, event.parts, is_error=event.is_error)
            )
        elif kind is TurnStarted:
            self._turn_start = len(self.messages)
        elif kind is TurnEnded:
            assert isinstance(event, TurnEnded)
            self._end_turn(event)

    def _close_response(self, requests: tuple[tuple[str, str, dict[str, object]], ...]) -> None:
        if not (self._text or self._thought or requests):
            return
        tools = [ToolRequest(call_id, name, arguments) for call_id, name, arguments in requests]
        self.messages.append(AssistantMessage("".join(self._text), "".join(self._thought), tools))
        self._unanswered = {tool.call_id: tool.name for tool in tools}
        self._text, self._thought = [], []

    def _end_turn(self, event: TurnEnded) -> None:
        self._close_response(())
        if event.stop_reason == "refusal":
            del self.messages[self._turn_start :]  # the model goes on as if the prompt had never been
            return
        for call_id, name in self._unanswered.items():  # models refuse a call without its result
            self.messages.append(ToolResultMessage(call_id, name, (TextPart(_ABORTED),), is_error=True))
        self._unanswered = {}
