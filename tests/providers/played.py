"""A response, played to a decoder and joined: what the agent loop would make of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agent_server.conversation.messages import AssistantMessage, ToolRequest
from agent_server.conversation.reasoning import ReasoningState
from agent_server.providers.provider import (
    Finished,
    ProviderEvent,
    TextDelta,
    ThoughtDelta,
    ToolCallRequested,
    Usage,
    UsageSoFar,
)
from agent_server.providers.sse import EventDecoder
from agent_server.providers.wire import Decoder


@dataclass(slots=True)
class Played:
    """What a response came to. ``events`` is all that the decoder gave, in its order."""

    events: list[ProviderEvent] = field(default_factory=list)
    text: str = ""
    thought: str = ""
    calls: list[ToolCallRequested] = field(default_factory=list)
    usage: Usage | None = None
    reasoning: ReasoningState | None = None
    stop: str | None = None

    @property
    def message(self) -> AssistantMessage:
        """The response as a model's context keeps it."""
        requests = [ToolRequest(call.call_id, call.name, call.arguments) for call in self.calls]
        return AssistantMessage(self.text, self.thought, requests, self.reasoning)


def joined(events: Iterable[ProviderEvent]) -> Played:
    """The events put together."""
    played = Played()
    for event in events:
        assert played.stop is None, f"{event} came behind the end"
        played.events.append(event)
        match event:
            case TextDelta(text):
                played.text += text
            case ThoughtDelta(text):
                played.thought += text
            case ToolCallRequested():
                played.calls.append(event)
            case UsageSoFar():
                played.usage = event
            case ReasoningState():
                played.reasoning = event
            case Finished(reason):
                played.stop = reason
    return played


def play(decoder: Decoder, body: bytes, fragment_bytes: int | None = None) -> Played:
    """What the decoder makes of a stream, given whole or in fragments of so many bytes.

    Raises:
        ServerFault, StreamCut, ValueError: as the decoder does.
    """
    played = joined(_heard(decoder, body, fragment_bytes or max(1, len(body))))
    assert played.stop is not None, "a decoder either ends or raises"
    return played


def _heard(decoder: Decoder, body: bytes, fragment_bytes: int) -> Iterator[ProviderEvent]:
    cutter = EventDecoder()
    for start in range(0, len(body), fragment_bytes):
        for name, data in cutter.feed(body[start : start + fragment_bytes]):
            yield from decoder.event(name, data)
    for name, data in cutter.end():
        yield from decoder.event(name, data)
    yield from decoder.end()
