"""The model's context, folded from the events of a session. Pure.

It grows with the log instead of being rebuilt for every request. The text of a response is kept in pieces until
somebody reads it, so that a long stream costs linear time and is not copied for nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from agent_server.conversation.content import AudioPart, ImagePart, Part, ResourcePart, TextPart
from agent_server.conversation.events import (
    Event,
    MessageInserted,
    ModelResponded,
    TextRun,
    ToolResultRecorded,
    TurnEnded,
    TurnOrigin,
    TurnStarted,
)
from agent_server.conversation.messages import (
    AssistantMessage,
    ModelMessage,
    ToolRequest,
    ToolResultMessage,
    UserMessage,
)
from agent_server.conversation.reasoning import ReasoningState

_MAYBE_MEDIA = frozenset({ImagePart, AudioPart, ResourcePart})
CONTINUE = (
    "Your last answer broke off. Go on with it exactly where it stopped, without repeating anything and without any"
    " remark about the interruption."
)
"""What the model is told, and nobody else, when it is to go on (Req: TN-10)."""

_ABORTED = "This call did not finish: the turn was cancelled or failed."


class ModelContext:
    """What the next model request holds. ``messages`` is live: read it, never change it.

    ``folds`` says what each kind of event changes; a subclass that keeps more of the events extends it.
    """

    folds: ClassVar[Mapping[type, Callable[[Any, Any], None]]]

    def __init__(self) -> None:
        self.messages: list[ModelMessage] = []
        self._text: list[str] = []
        self._thought: list[str] = []
        self._unanswered: dict[str, str] = {}
        self._turn_start = 0
        self._origin: TurnOrigin = "prompt"
        self._has_media = False
        self._described: list[ModelMessage] = []

    def messages_for(self, *, images: bool, audio: bool) -> list[ModelMessage]:
        """The messages for a model; what it cannot take is replaced by a text that says what was there (Req: TN-02).

        It is the same list each time, as long as the model can take as much.
        """
        if not self._has_media or (images and audio):
            return self.messages
        from agent_server.conversation.placeholders import described

        self._described[:] = [described(message, images=images, audio=audio) for message in self.messages]
        return self._described

    def apply(self, events: Iterable[Event]) -> None:
        """Fold events, in their order."""
        folds = self.folds
        for event in events:
            fold = folds.get(type(event))
            if fold is not None:
                fold(self, event)

    def text_run(self, event: TextRun) -> None:
        """Fold the commonest event."""
        (self._thought if event.role == "thought" else self._text).extend(event.pieces)

    def _message(self, event: MessageInserted) -> None:
        self._close_response(())
        if event.role == "user" and self._origin != "continue":
            self._note_media(event.parts)
            self.messages.append(UserMessage(event.parts))

    def _response(self, event: ModelResponded) -> None:
        self._close_response(event.tool_requests, event.reasoning)

    def _tool_result(self, event: ToolResultRecorded) -> None:
        self._unanswered.pop(event.provider_call_id, None)
        self._note_media(event.parts)
        result = ToolResultMessage(event.provider_call_id, event.name, event.parts, is_error=event.is_error)
        self.messages.append(result)

    def _note_media(self, parts: tuple[Part, ...]) -> None:
        for part in parts:
            if type(part) in _MAYBE_MEDIA:
                self._has_media = True

    def _begin_turn(self, event: TurnStarted) -> None:
        self._turn_start = len(self.messages)
        self._origin = event.origin
        if event.origin == "continue":
            self._close_response(())
            self.messages.append(UserMessage((TextPart(CONTINUE),)))

    def _close_response(
        self, requests: tuple[tuple[str, str, dict[str, object]], ...], reasoning: ReasoningState | None = None
    ) -> None:
        if not (self._text or self._thought or requests or reasoning):
            return
        tools = [ToolRequest(call_id, name, arguments) for call_id, name, arguments in requests]
        self.messages.append(AssistantMessage(self._text, self._thought, tools, reasoning))
        self._unanswered = {tool.call_id: tool.name for tool in tools}
        self._text, self._thought = [], []

    def _end_turn(self, event: TurnEnded) -> None:
        self._close_response(())
        origin, self._origin = self._origin, "prompt"
        if event.stop_reason == "refusal" or origin == "command":
            del self.messages[self._turn_start :]  # the model goes on as if the prompt had never been
            return
        for call_id, name in self._unanswered.items():  # models refuse a call without its result
            self.messages.append(ToolResultMessage(call_id, name, (TextPart(_ABORTED),), is_error=True))
        self._unanswered = {}


ModelContext.folds = {
    TextRun: ModelContext.text_run,
    MessageInserted: ModelContext._message,
    ModelResponded: ModelContext._response,
    ToolResultRecorded: ModelContext._tool_result,
    TurnStarted: ModelContext._begin_turn,
    TurnEnded: ModelContext._end_turn,
}
