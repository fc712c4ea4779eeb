"""Responses of OpenAI Responses. Pure.

Not every server numbers its items and events, so they are found by their ids where they have some. What is said of an
item when it is done counts more than what was streamed of it, and what is said of the whole response fills in what no
event said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias

import orjson

from agent_server.conversation.reasoning import Layout
from agent_server.providers.json_reading import MAX_PIECES, arguments_of, json_of, object_in
from agent_server.providers.openai_chat_calls import tool_call
from agent_server.providers.openai_usage import responses_usage
from agent_server.providers.provider import (
    Finished,
    ModelRequest,
    ProviderEvent,
    TextDelta,
    ThoughtDelta,
    ToolCallBegun,
    ToolCallRequested,
)
from agent_server.providers.stream_faults import fault_in, named_fault
from agent_server.providers.wire import Endpoint, StreamCut, origin_of

Reason: TypeAlias = Literal["end_turn", "tool_use", "max_tokens", "refusal", "pause"]

_TEXT: Final = "response.output_text.delta"
_OUTPUT_KINDS: Final = frozenset({"message", "reasoning", "function_call"})
_CUT: Final[dict[str, Reason]] = {"max_output_tokens": "max_tokens", "content_filter": "refusal"}


class _Item:
    """An item of the output as far as it is known. ``said`` is how much of it was told."""

    __slots__ = ("arguments", "call_id", "final", "kind", "name", "said", "told")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.call_id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.final: dict[str, Any] = {}
        self.said = 0
        self.told = False


class ResponsesDecoder:
    """Implements `Decoder`."""

    def __init__(self, request: ModelRequest, endpoint: Endpoint) -> None:
        self.complete = False
        self._origin = origin_of(request, endpoint)
        self._prefix = f"call_{len(request.messages)}"
        self._items: list[_Item] = []
        self._by_id: dict[str | None, _Item] = {}
        self._by_index: dict[int | None, _Item] = {}
        self._thought_type = ""
        self._refused = False
        self._reason: Reason | None = None

    def event(self, name: str, data: bytes) -> Sequence[ProviderEvent]:
        """What one event means; its data says which it is, because not every server names it outside."""
        if data[:1] == b"[" and data.strip() == b"[DONE]":
            return ()
        if name == "error":
            raise named_fault(data)
        try:
            event = orjson.loads(data)
            if event["type"] == _TEXT:
                return self._text(event)
        except orjson.JSONDecodeError:
            event = json_of(data)
        except (AttributeError, IndexError, KeyError, TypeError):
            pass  # it is something else
        return self._unusual(name, object_in(event))

    def _unusual(self, name: str, event: dict[str, Any]) -> Sequence[ProviderEvent]:
        kind = event.get("type") or name
        if kind == "error":
            raise fault_in(event)
        handler = _HANDLERS.get(kind) if type(kind) is str else None
        if handler is None:
            if not kind and event.get("error"):
                raise fault_in(event)
            return ()
        try:
            return handler(self, event)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError(f"no {kind}") from error

    def whole(self, body: Any) -> Sequence[ProviderEvent]:
        """What a response means that is no stream."""
        response = object_in(body)
        if response.get("error"):
            raise fault_in(response)
        if type(response.get("output")) is not list:
            raise ValueError("no response")
        try:
            return [*self._response({"response": response}), *self.end()]
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ValueError("no response") from error

    def end(self) -> Sequence[ProviderEvent]:
        """The calls that could not be read, what is to be sent back, and the reason."""
        reason = self._reason
        if reason is None:
            raise StreamCut
        if self._refused:
            reason = "refusal"
        left = [item for item in self._items if item.kind == "function_call" and not item.told]
        events: list[ProviderEvent] = []
        if reason == "end_turn":  # else they were cut off
            events += [self._call(item, *arguments_of("".join(item.arguments))) for item in left]
        if reason == "end_turn" and any(item.told for item in self._items):
            reason = "tool_use"
        state = self._layout().state(self._origin)
        if state is not None:
            events.append(state)
        return [*events, Finished(reason)]

    def _text(self, event: dict[str, Any]) -> list[ProviderEvent]:
        text = event["delta"]
        if not text or type(text) is not str:
            return []
        item = self._by_id.get(event.get("item_id")) or self._item(event, "message")
        item.said += len(text)
        return [TextDelta(text)]

    def _refusal(self, event: dict[str, Any]) -> list[ProviderEvent]:
        self._refused = True
        return self._text(event)

    def _thought(self, event: dict[str, Any]) -> list[ProviderEvent]:
        """A thought; of servers that tell both the thoughts and their summary, what they tell first."""
        text, kind = event["delta"], event.get("type", "")
        self._thought_type = self._thought_type or kind
        if not text or type(text) is not str or kind != self._thought_type:
            return []
        self._item(event, "reasoning").said += len(text)
        return [ThoughtDelta(text)]

    def _arguments(self, event: dict[str, Any]) -> list[ProviderEvent]:
        item = self._item(event, "function_call")
        if type(event.get("delta")) is str:
            item.arguments.append(event["delta"])
        elif type(event.get("arguments")) is str:
            item.arguments = [event["arguments"]]
        return []

    def _added(self, event: dict[str, Any]) -> list[ProviderEvent]:
        said = event["item"]
        if said.get("type") not in _OUTPUT_KINDS or said.get("id") in self._by_id:
            return []
        item = self._begin(said["type"], said.get("id"), event.get("output_index"))
        self._note(item, said)
        return [ToolCallBegun(item.call_id, item.name)] if item.call_id and item.name else []

    def _done(self, event: dict[str, Any]) -> list[ProviderEvent]:
        said = event["item"]
        if said.get("type") not in _OUTPUT_KINDS:
            return []
        item = self._item({**event, "item_id": said.get("id")}, said["type"], said.get("call_id"))
        return self._end_item(item, said)

    def _response(self, event: dict[str, Any]) -> list[ProviderEvent]:
        response = event["response"]
        status = response.get("status") or event.get("type", "").rpartition(".")[2]
        if response.get("error") or status in {"failed", "cancelled"}:
            raise fault_in(response.get("error") or {"message": f"the server says that the response was {status}"})
        events: list[ProviderEvent] = []
        for said in response.get("output") or ():
            events += self._unsaid(said)
        self._reason = self._reason_of(response, status)
        self.complete = True
        usage = response.get("usage")
        if usage and type(usage) is dict:
            events.append(responses_usage(usage))
        return events

    def _unsaid(self, said: dict[str, Any]) -> list[ProviderEvent]:
        """What no event has said of an item of the whole response."""
        kind, call_id = said.get("type"), said.get("call_id")
        if kind not in _OUTPUT_KINDS:
            return []
        item = self._found({"item_id": said.get("id")}, kind, call_id)
        if item is None:
            if kind != "function_call" and any(one.kind == kind and one.said for one in self._items):
                return []  # the same under another id
            item = self._begin(kind, said.get("id"), None)
        return self._end_item(item, said)

    def _end_item(self, item: _Item, said: dict[str, Any]) -> list[ProviderEvent]:
        if item.final:
            return []
        item.final = said
        self._note(item, said)
        if item.kind != "function_call":
            return [] if item.said else self._late(item, said)
        arguments, misread = arguments_of("".join(item.arguments))
        if misread is not None or said.get("status") == "incomplete":
            return []  # whether the response was cut off is known only at its end
        return [self._call(item, arguments, None)]

    def _late(self, item: _Item, said: dict[str, Any]) -> list[ProviderEvent]:
        """What an item holds of which nothing was streamed."""
        events: list[ProviderEvent] = []
        delta = TextDelta if item.kind == "message" else ThoughtDelta
        for part in said.get("summary") or said.get("content") or ():
            self._refused = self._refused or part.get("type") == "refusal"
            text = part.get("text") or part.get("refusal")
            if text and type(text) is str:
                item.said += len(text)
                events.append(delta(text))
        return events

    def _reason_of(self, response: dict[str, Any], status: str) -> Reason:
        """Why it ended. Some servers call complete what they cut off, but say so of an item, or by the numbers."""
        if status == "incomplete":
            why = (response.get("incomplete_details") or {}).get("reason")
            return _CUT.get(why or "", "max_tokens")
        limit, written = response.get("max_output_tokens"), (response.get("usage") or {}).get("output_tokens")
        if type(limit) is int and type(written) is int and 0 < limit <= written:
            return "max_tokens"
        cut = any(item.final.get("status") == "incomplete" for item in self._items)
        return "max_tokens" if cut else "end_turn"

    def _item(self, event: dict[str, Any], kind: str, call_id: str | None = None) -> _Item:
        found = self._found(event, kind, call_id)
        return found or self._begin(kind, event.get("item_id"), event.get("output_index"))

    def _found(self, event: dict[str, Any], kind: str, call_id: str | None) -> _Item | None:
        """The item that is meant. Ids may change from event to event, indexes may be absent, both may be."""
        item_id, index = event.get("item_id"), event.get("output_index")
        if item_id is not None and item_id in self._by_id:
            return self._by_id[item_id]
        at_index = self._by_index.get(index)
        if at_index is not None and at_index.kind == kind and call_id in {None, "", at_index.call_id}:
            return at_index
        for item in reversed(self._items):
            if item.kind == kind and (call_id and item.call_id == call_id):
                return item
            if item.kind == kind and item_id is None and index is None and not item.final and not call_id:
                return item
        return None

    def _begin(self, kind: str, item_id: str | None, index: int | None) -> _Item:
        if len(self._items) == MAX_PIECES:
            raise ValueError(f"a response of more than {MAX_PIECES} items")
        item = _Item(kind)
        self._items.append(item)
        if item_id is not None:
            self._by_id[item_id] = item
        if index is not None:
            self._by_index[index] = item
        return item

    def _note(self, item: _Item, said: dict[str, Any]) -> None:
        item.call_id = str(said.get("call_id") or item.call_id)
        item.name = str(said.get("name") or item.name)
        if type(said.get("arguments")) is str and said["arguments"]:
            item.arguments = [said["arguments"]]

    def _call(self, item: _Item, arguments: dict[str, Any], misread: str | None) -> ToolCallRequested:
        item.told = True
        item.call_id = item.call_id or f"{self._prefix}_{self._items.index(item)}"
        return tool_call(item.call_id, item.name, arguments, misread)

    def _layout(self) -> Layout:
        """The pieces of the response. An item keeps its id only beside the thoughts that led to it: with either alone
        the request is refused."""
        layout = Layout()
        thoughts = [item for item in self._items if item.kind == "reasoning"]
        kept = [item for item in thoughts if item.final.get("encrypted_content") or item.final.get("content")]
        with_ids = bool(kept) and len(kept) == len(thoughts)
        for item in self._items:
            if item.kind == "reasoning":
                if with_ids:
                    layout.opaque({"item": item.final})
                continue
            if item.kind == "message":
                layout.close()
                layout.text(item.said)
            elif item.told:
                layout.tool(item.call_id)
            else:
                continue
            marks = {"id": item.final.get("id") if with_ids else None, "phase": item.final.get("phase")}
            marks = {name: value for name, value in marks.items() if value}
            if marks:
                layout.mark(**marks)
        return layout


_HANDLERS: Final[dict[str, Callable[[ResponsesDecoder, dict[str, Any]], list[ProviderEvent]]]] = {
    _TEXT: ResponsesDecoder._text,
    "response.refusal.delta": ResponsesDecoder._refusal,
    "response.reasoning_summary_text.delta": ResponsesDecoder._thought,
    "response.reasoning_text.delta": ResponsesDecoder._thought,
    "response.function_call_arguments.delta": ResponsesDecoder._arguments,
    "response.function_call_arguments.done": ResponsesDecoder._arguments,
    "response.output_item.added": ResponsesDecoder._added,
    "response.output_item.done": ResponsesDecoder._done,
    "response.completed": ResponsesDecoder._response,
    "response.incomplete": ResponsesDecoder._response,
    "response.failed": ResponsesDecoder._response,
    "response.cancelled": ResponsesDecoder._response,
}
