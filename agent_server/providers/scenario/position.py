"""Which turn comes next, for many conversations at once.

A conversation is told by the identity of its sequence of messages, which is the session's live context. What was
played in it is remembered, so that a failed, retried or cancelled response counts although it left no message. A
sequence that is seen for the first time may hold earlier responses (a loaded session, a branch, a context that was
made anew): they are played through in thought, so that the scenario goes on after them.

The newest `REMEMBERED` conversations are held, with their messages: only that keeps Python from giving the identity
of a conversation that is gone to a new one. So the memory is bounded. A conversation beyond them loses nothing but
the responses that left no message.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from agent_server.conversation.content import text_of
from agent_server.conversation.messages import AssistantMessage, ModelMessage, ToolResultMessage, UserMessage
from agent_server.providers.scenario.script import PromptMatch, ScriptedTurn, SystemMatch, ToolResultMatch

REMEMBERED: Final = 256


class Conversation:
    """What was played in one conversation."""

    def __init__(self, turns: Sequence[ScriptedTurn], messages: Sequence[ModelMessage], system: str) -> None:
        self.messages = messages
        self.system = system
        self.responses = 0
        self._turns = turns
        self._played: set[int] = set()
        for index, message in enumerate(messages):
            if isinstance(message, AssistantMessage):
                self._take(index)

    def next_turn(self) -> ScriptedTurn | None:
        """Take the turn that answers the messages as they are now; None when none is left that does."""
        return self._take(len(self.messages))

    def _take(self, end: int) -> ScriptedTurn | None:
        self.responses += 1
        news = _since_last_response(self.messages, end)
        left = [index for index in range(len(self._turns)) if index not in self._played]
        matching = (index for index in left if _matches(self._turns[index], news, self.system))
        in_order = (index for index in left if self._turns[index].match is None)
        index = next(matching, next(in_order, None))
        if index is None:
            return None
        if not self._turns[index].repeat:
            self._played.add(index)
        return self._turns[index]


class Conversations:
    """The conversations of one provider."""

    def __init__(self, turns: Sequence[ScriptedTurn]) -> None:
        self._turns = turns
        self._newest: OrderedDict[int, Conversation] = OrderedDict()

    def of(self, messages: Sequence[ModelMessage], system: str) -> Conversation:
        """The conversation with these messages, under these instructions."""
        conversation = self._newest.get(id(messages)) or Conversation(self._turns, messages, system)
        conversation.system = system
        self._newest[id(messages)] = conversation
        self._newest.move_to_end(id(messages))
        if len(self._newest) > REMEMBERED:
            self._newest.popitem(last=False)
        return conversation


def _since_last_response(messages: Sequence[ModelMessage], end: int) -> list[ModelMessage]:
    start = end
    while start and not isinstance(messages[start - 1], AssistantMessage):
        start -= 1
    return list(messages[start:end])


def _matches(turn: ScriptedTurn, news: Iterable[ModelMessage], system: str) -> bool:
    match turn.match:
        case PromptMatch(pattern):
            prompts = [message for message in news if isinstance(message, UserMessage)]
            return bool(prompts) and pattern.search(text_of(prompts[-1].parts)) is not None
        case SystemMatch(pattern):
            return pattern.search(system) is not None
        case ToolResultMatch() as wanted:
            return any(_is_wanted(message, wanted) for message in news if isinstance(message, ToolResultMessage))
    return False


def _is_wanted(result: ToolResultMessage, wanted: ToolResultMatch) -> bool:
    return (
        wanted.name in (None, result.name)
        and wanted.is_error in (None, result.is_error)
        and (wanted.pattern is None or wanted.pattern.search(text_of(result.parts)) is not None)
    )
