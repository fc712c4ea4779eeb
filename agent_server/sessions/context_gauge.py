"""How full a model's context is: what its server counted last, and a guess for what came after that (Req: MO-12).

No tokenizer is asked: the server's own count of the request before is better than any, and what is new since then is
counted in characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent_server.conversation.content import ImagePart, Part, ResourcePart, TextPart
from agent_server.conversation.messages import AssistantMessage, ModelMessage
from agent_server.providers.provider import ModelRequest, Usage

CHARS_PER_TOKEN: Final = 4
TOKENS_PER_MESSAGE: Final = 4
TOKENS_PER_IMAGE: Final = 1_500


class ContextGauge:
    """Guesses, for one session. Messages are only ever added to a conversation, or taken from its end."""

    def __init__(self) -> None:
        self._counted = 0
        self._tokens = 0
        self._model = ""
        self._answer_counted = False

    def estimate(self, request: ModelRequest) -> int:
        """How many tokens the request takes."""
        messages = request.messages
        if self._model != request.model or len(messages) < self._counted:
            self._model, self._counted, self._answer_counted = request.model, 0, False
            self._tokens = (len(request.system) + _chars_of_tools(request)) // CHARS_PER_TOKEN
        new = messages[self._counted :]
        if self._answer_counted and new and isinstance(new[0], AssistantMessage):
            new = new[1:]
        self._tokens += _tokens_of(new)
        self._counted, self._answer_counted = len(messages), False
        return self._tokens

    def measured(self, call: Usage, *, thoughts_return: bool) -> None:
        """What the server counted of the request that was estimated last, and of its answer.

        The answer will stand in the next request as one message more, unless nothing was said. Thoughts are a part of
        it only where the server wants them back; there they count in full, because what it drops of them is not known,
        and too much is the safer guess.
        """
        unsent_tokens = 0 if thoughts_return else call.thought_tokens
        self._tokens = call.input_tokens + max(0, call.output_tokens - unsent_tokens)
        self._answer_counted = True


def _chars_of_tools(request: ModelRequest) -> int:
    return sum(len(spec.name) + len(spec.description) + len(repr(spec.parameters)) for spec in request.tools)


def _tokens_of(messages: Sequence[ModelMessage]) -> int:
    tokens = TOKENS_PER_MESSAGE * len(messages)
    for message in messages:
        if isinstance(message, AssistantMessage):
            said = len(message.text) + sum(len(repr(call.arguments)) for call in message.tool_requests)
            tokens += said // CHARS_PER_TOKEN
        else:
            tokens += sum(map(_tokens_of_part, message.parts))
    return tokens


def _tokens_of_part(part: Part) -> int:
    if isinstance(part, TextPart):
        return len(part.text) // CHARS_PER_TOKEN
    if isinstance(part, ImagePart):
        return TOKENS_PER_IMAGE
    if isinstance(part, ResourcePart):
        return len(part.text or part.blob or "") // CHARS_PER_TOKEN
    return TOKENS_PER_MESSAGE
