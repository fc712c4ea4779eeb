"""Responses of OpenAI Chat Completions, and of everything that speaks it. Pure.

Of a hundred servers each leaves out, repeats or adds something else. So nothing is relied on but this: text stands in
``content``, and a reason to finish, or ``[DONE]``, is the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import orjson

from agent_server.conversation.reasoning import Layout
from agent_server.providers.json_reading import json_of, object_in
from agent_server.providers.openai_chat_calls import Calls
from agent_server.providers.openai_usage import chat_usage
from agent_server.providers.provider import Finished, ModelRequest, ProviderEvent, TextDelta, ThoughtDelta
from agent_server.providers.stream_faults import fault_in, named_fault
from agent_server.providers.wire import Endpoint, StreamCut, origin_of

Reason: TypeAlias = Literal["end_turn", "tool_use", "max_tokens", "refusal", "pause"]

_REASONS: Final[dict[str, Reason]] = {
    "length": "max_tokens",
    "model_length": "max_tokens",
    "content_filter": "refusal",
    "sensitive": "refusal",
}
_FAILED: Final = {
    "error": None,
    "network_error": None,
    "insufficient_system_resource": "server_is_overloaded",
    "model_context_window_exceeded": "context_length_exceeded",
}
"""Reasons to finish that are errors, with the code that OpenAI has for each."""
_THOUGHT_FIELDS: Final = ("reasoning", "reasoning_content")  # some servers send both, with the same text


class ChatDecoder:
    """Implements `Decoder`."""

    def __init__(self, request: ModelRequest, endpoint: Endpoint) -> None:
        self.complete = False
        self._origin = origin_of(request, endpoint)
        self._keeps_thoughts = "send-reasoning" in endpoint.quirks
        self._calls = Calls(f"call_{len(request.messages)}")
        self._lists_calls = False
        self._finish: str | None = None
        self._refused = False
        self._answered = False
        self._text_chars = 0
        self._thought_chars = 0
        self._thought_field = ""
        self._details: list[dict[str, Any]] = []

    def event(self, name: str, data: bytes) -> Sequence[ProviderEvent]:
        """What one event means. The commonest one, nothing but text, takes the short way."""
        if data[:1] == b"[" and data.strip() == b"[DONE]":
            self.complete = True
            return ()
        if name == "error":
            raise named_fault(data)
        try:
            chunk = orjson.loads(data)
            (choice,) = chunk["choices"]
            delta = choice["delta"]
            text = delta.get("content")
            plain = text and type(text) is str and len(delta) <= ("role" in delta) + 1
            if plain and not (choice.get("finish_reason") or chunk.get("usage") or chunk.get("error")):
                self._text_chars += len(text)
                return (TextDelta(text),)
        except orjson.JSONDecodeError:
            chunk = json_of(data)
        except (AttributeError, KeyError, TypeError, ValueError):
            pass  # it is something else
        return self._guarded(chunk, "delta")

    def whole(self, body: Any) -> Sequence[ProviderEvent]:
        """What a response means that is no stream."""
        self.complete = True
        events = self._guarded(body, "message")
        if not self._answered:
            raise ValueError("no chat completion")
        return [*events, *self.end()]

    def end(self) -> Sequence[ProviderEvent]:
        """The calls that were not told yet, what is to be sent back, and the reason."""
        if not (self._answered or self._text_chars) or not (self.complete or self._finish):
            raise StreamCut
        if self._finish in _FAILED:
            message = f"the server ended its response with: {self._finish}"
            raise fault_in({"message": message, "type": self._finish, "code": _FAILED[self._finish]})
        reason = "refusal" if self._refused else _REASONS.get(self._finish or "", "end_turn")
        calls = self._calls.rest(cut=reason != "end_turn")
        if reason == "end_turn" and self._calls.ids:
            reason = "tool_use"
        state = self._layout(self._calls.ids).state(self._origin)
        return [*calls, *([state] if state else ()), Finished(reason)]

    def _guarded(self, said: Any, field: str) -> Sequence[ProviderEvent]:
        chunk = object_in(said)
        if chunk.get("error") or chunk.get("object") == "error":
            raise fault_in(chunk)
        try:
            return self._chunk(chunk, field)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError("no chunk of a chat completion") from error

    def _chunk(self, chunk: dict[str, Any], field: str) -> list[ProviderEvent]:
        events: list[ProviderEvent] = []
        for choice in chunk.get("choices") or ():
            self._answered = True
            events += self._delta(choice.get(field) or {})
            finish = choice.get("finish_reason")
            if finish and type(finish) is str:
                self._finish = finish
        usage = chunk.get("usage")
        if usage and type(usage) is dict:
            events.append(chat_usage(usage))
        return events

    def _delta(self, delta: dict[str, Any]) -> list[ProviderEvent]:
        events: list[ProviderEvent] = []
        self._think(delta, events)
        self._say(delta.get("content"), events)
        refusal = delta.get("refusal")
        if refusal and type(refusal) is str:
            self._refused = True
            self._say(refusal, events)
        for call in delta.get("tool_calls") or ():
            self._lists_calls = True
            events += self._calls.add(call)
        mirrored = delta.get("function_call")  # the old way to call one function; some servers say it both ways
        if mirrored and not self._lists_calls:
            events += self._calls.add({"function": mirrored})
        return events

    def _think(self, delta: dict[str, Any], events: list[ProviderEvent]) -> None:
        for field in _THOUGHT_FIELDS:
            thought = delta.get(field)
            if thought and type(thought) is str:
                self._thought_field = field
                self._thought(thought, events)
                break
        for detail in delta.get("reasoning_details") or ():
            self._detail(detail)

    def _say(self, content: Any, events: list[ProviderEvent]) -> None:
        if type(content) is str:
            if content:
                self._text_chars += len(content)
                events.append(TextDelta(content))
        elif content:
            for part in content:
                if part.get("type") == "thinking":
                    self._thought(_text(part.get("thinking")), events)
                else:
                    self._say(_text(part.get("text")), events)

    def _thought(self, text: str, events: list[ProviderEvent]) -> None:
        if text:
            self._thought_chars += len(text)
            events.append(ThoughtDelta(text))

    def _detail(self, detail: dict[str, Any]) -> None:
        """Put together what came in pieces: the same kind at the same index, with more text, or with its signature."""
        last = self._details[-1] if self._details else {}
        streamed = next((field for field in ("text", "summary") if field in last), None)
        same = all(last.get(field) == detail.get(field) for field in ("type", "index"))
        if streamed is None or not same or "data" in detail:
            self._details.append(dict(detail))
            return
        for field, value in detail.items():
            if field == streamed:
                last[field] = (last[field] or "") + (value or "")
            elif value:
                last[field] = value

    def _layout(self, call_ids: Sequence[str]) -> Layout:
        """What is to be sent back. The order of the pieces does not matter here: each kind has its own field."""
        layout = Layout()
        if self._thought_chars or self._details:
            layout.thought(self._thought_chars)
        if self._details:
            layout.mark(reasoning_details=self._details)
        elif self._thought_chars and self._keeps_thoughts:
            layout.mark(field=self._thought_field or "reasoning_content")
        if self._text_chars:
            layout.text(self._text_chars)
        for call_id in call_ids:
            layout.tool(call_id)
        return layout


def _text(value: Any) -> str:
    """The text of a part, which may be a list of parts itself."""
    if type(value) is list:
        return "".join(_text(part.get("text")) for part in value)
    return value if type(value) is str else ""
