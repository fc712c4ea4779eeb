"""A response of Anthropic Messages, read. Pure. Spec: Anthropic API, "Streaming messages", version 2023-06-01.

A message is blocks, each with an index: a start, deltas, a stop. Servers that speak the format and are not Anthropic's
stop all blocks at the end, leave fields out, and write errors in other shapes; all of that is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal

from agent_server.conversation.reasoning import Layout
from agent_server.providers.json_reading import MAX_PIECES, arguments_of, count_in, json_of, object_in
from agent_server.providers.provider import (
    Finished,
    ProviderEvent,
    TextDelta,
    ThoughtDelta,
    ToolCallBegun,
    ToolCallRequested,
    UsageSoFar,
)
from agent_server.providers.stream_faults import fault_in, named_fault
from agent_server.providers.wire import ServerFault, StreamCut

WINDOW_EXCEEDED: Final = "The conversation exceeds the context window of the model."

_KINDS: Final = {"text": "text", "thinking": "thought", "tool_use": "tool"}
_DELTA_BLOCKS: Final = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking"}
_TOLD_BY_US: Final = frozenset({"type", "id", "name", "input"})
_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "thinking_tokens",
)
_PLAIN_CALLER: Final = {"type": "direct"}


class _Block:
    """One block of the message. ``at`` is its place among them."""

    __slots__ = ("at", "chars", "json", "kind", "signature", "source", "stopped")

    def __init__(self, at: int, source: dict[str, Any]) -> None:
        self.at = at
        self.source = source
        self.kind: str = _KINDS.get(str(source.get("type")), "opaque")
        self.chars = 0
        self.json: list[str] = []
        self.signature: str | None = source.get("signature") or None
        self.stopped = False


class AnthropicDecoder:
    """Reads one response. ``origin`` names who gives it. ``_takers`` says what each kind of event changes."""

    _takers: ClassVar[Mapping[str, Callable[[AnthropicDecoder, dict[str, Any]], Sequence[ProviderEvent]]]]

    def __init__(self, origin: str) -> None:
        self.complete = False
        self._origin = origin
        self._blocks: list[_Block] = []
        self._at_index: dict[Any, _Block] = {}
        self._begun: set[str] = set()
        self._held: list[_Block] = []
        self._call_ids: dict[int, str] = {}
        self._furthest = {"text": 0, "thought": 0}
        self._tangled = False
        self._stop_reason: str | None = None
        self._usage: dict[str, int] = {}

    def event(self, name: str, data: bytes) -> Sequence[ProviderEvent]:
        """What one event of the stream means; see `agent_server.providers.wire.Decoder`."""
        if name == "error":
            raise named_fault(data)
        try:
            event = object_in(json_of(data))
        except ValueError:
            if name == "ping" or data.strip() == b"[DONE]":  # some gateways end every stream as OpenAI does
                return ()
            raise
        kind = event.get("type")
        taker = self._takers.get(kind if type(kind) is str else name)
        if taker is not None:
            try:
                return taker(self, event)
            except (AttributeError, TypeError) as error:
                raise ValueError(f"a {kind} event of another shape") from error
        if kind == "error" or event.get("error"):
            raise fault_in(event)
        return ()

    def end(self) -> Sequence[ProviderEvent]:
        """The last events; see `agent_server.providers.wire.Decoder`."""
        if not self.complete and self._stop_reason is None:
            raise StreamCut("the stream ended inside of the message")
        events: list[ProviderEvent] = []
        for block in self._blocks:
            events += self._close(block)
        events += self._settle_held()
        finished = self._finished()
        state = None if self._tangled else self._layout().state(self._origin)
        return [*events, finished] if state is None else [*events, state, finished]

    def whole(self, body: Any) -> Sequence[ProviderEvent]:
        """The events of a message that came in one piece; see `agent_server.providers.wire.Decoder`."""
        if not isinstance(body, dict):
            raise ValueError("no message")
        content = body.get("content")
        if body.get("type") == "error" or body.get("error"):
            raise fault_in(body)
        if not isinstance(content, list):
            raise ValueError("no message")
        events: list[ProviderEvent] = []
        for index, block in enumerate(content):
            if isinstance(block, dict):
                events += self._start({"index": index, "content_block": block})
                events += self._stop({"index": index})
        events += self._message_delta({"delta": body, "usage": body.get("usage")})
        self.complete = True
        return [*events, *self.end()]

    def _delta(self, event: dict[str, Any]) -> Sequence[ProviderEvent]:
        delta = event.get("delta") or {}
        kind = delta.get("type")
        block = self._block(event.get("index"), kind)
        if block is None:
            return ()
        if kind == "text_delta":
            return self._said(block, "text", delta.get("text"))
        if kind == "thinking_delta":
            return self._said(block, "thought", delta.get("thinking"))
        if kind == "input_json_delta":
            block.json.append(delta.get("partial_json") or "")
        elif kind == "signature_delta":
            block.signature = delta.get("signature") or ""
        elif block.kind == "opaque":
            _extend(block.source, delta)
        return ()

    def _block(self, index: Any, delta_kind: Any) -> _Block | None:
        block = self._at_index.get(index) if index is not None else (self._blocks[-1] if self._blocks else None)
        if block is None and delta_kind in _DELTA_BLOCKS:
            return self._open(index, {"type": _DELTA_BLOCKS[delta_kind]})
        return block

    def _open(self, index: Any, source: dict[str, Any]) -> _Block:
        if len(self._blocks) == MAX_PIECES:
            raise ValueError(f"a message of more than {MAX_PIECES} blocks")
        block = _Block(len(self._blocks), source)
        self._blocks.append(block)
        self._at_index[len(self._blocks) - 1 if index is None else index] = block
        return block

    def _said(self, block: _Block, kind: Literal["text", "thought"], text: Any) -> Sequence[ProviderEvent]:
        if not text or type(text) is not str or block.kind != kind:
            return ()
        if block.at < self._furthest[kind]:
            self._tangled = True  # where each block's text lies is lost, so nothing can be sent back unchanged
        self._furthest[kind] = block.at
        block.chars += len(text)
        return (TextDelta(text),) if kind == "text" else (ThoughtDelta(text),)

    def _start(self, event: dict[str, Any]) -> Sequence[ProviderEvent]:
        source = event.get("content_block")
        if not isinstance(source, dict):
            return ()
        index = event.get("index")
        former = self._at_index.get(index) if index is not None else None
        events = list(self._close(former)) if former is not None else []
        block = self._open(index, source)
        if block.kind == "text":
            events += self._said(block, "text", source.get("text"))
        elif block.kind == "thought":
            events += self._said(block, "thought", source.get("thinking"))
        elif block.kind == "tool":
            call_id, name = str(source.get("id") or ""), str(source.get("name") or "")
            if call_id and name and call_id not in self._begun:
                self._begun.add(call_id)
                events.append(ToolCallBegun(call_id, name))
        return events

    def _stop(self, event: dict[str, Any]) -> Sequence[ProviderEvent]:
        block = self._block(event.get("index"), None)
        return self._close(block) if block is not None else ()

    def _close(self, block: _Block) -> Sequence[ProviderEvent]:
        if block.stopped:
            return ()
        block.stopped = True
        if block.kind == "tool":
            call = self._call(block)
            if self._held or call.misread or not call.arguments:
                self._held.append(block)  # it may be cut: the reason of the end says so
                return ()
            return (call,)
        if block.kind == "opaque" and block.json:
            block.source["input"] = arguments_of("".join(block.json))[0]
        return ()

    def _call(self, block: _Block) -> ToolCallRequested:
        source = block.source
        written = "".join(block.json)
        given = source.get("input")
        if written or not isinstance(given, dict):
            arguments, misread = arguments_of(written)
        else:
            arguments, misread = given, None
        call_id = str(source.get("id") or "call")
        if call_id in (other for at, other in self._call_ids.items() if at != block.at) or not source.get("id"):
            call_id += f"_{block.at}"
        self._call_ids[block.at] = call_id
        return ToolCallRequested(call_id, str(source.get("name") or ""), arguments, misread)

    def _settle_held(self) -> list[ProviderEvent]:
        events: list[ProviderEvent] = []
        for block in self._held:
            call = self._call(block)
            unsaid = not call.arguments and block is self._blocks[-1]
            cut = self._stop_reason in ("max_tokens", "model_context_window_exceeded", "refusal")
            if cut and (call.misread or unsaid):
                del self._call_ids[block.at]
            else:
                events.append(call)
        self._held = []
        return events

    def _message_start(self, event: dict[str, Any]) -> Sequence[ProviderEvent]:
        message = event.get("message")
        return self._take_usage(message.get("usage")) if isinstance(message, dict) else ()

    def _message_delta(self, event: dict[str, Any]) -> Sequence[ProviderEvent]:
        delta = event.get("delta")
        if isinstance(delta, dict):
            self._stop_reason = delta.get("stop_reason") or self._stop_reason
        return self._take_usage(event.get("usage"))

    def _message_stop(self, event: dict[str, Any]) -> Sequence[ProviderEvent]:
        self.complete = True
        return ()

    def _take_usage(self, usage: Any) -> Sequence[ProviderEvent]:
        """Take counts over the former ones: all of them are of the whole message. What is not told stays."""
        if not isinstance(usage, dict):
            return ()
        details = usage.get("output_tokens_details")
        known = self._usage
        for counts in (usage, details if isinstance(details, dict) else {}):
            known.update({key: count_in(counts, key) for key in _COUNTS if type(counts.get(key)) in (int, float)})
        read, written = known.get("cache_read_input_tokens", 0), known.get("cache_creation_input_tokens", 0)
        return (
            UsageSoFar(
                input_tokens=known.get("input_tokens", 0) + read + written,
                output_tokens=known.get("output_tokens", 0),
                cached_read_tokens=read,
                cached_write_tokens=written,
                thought_tokens=known.get("thinking_tokens", 0),
            ),
        )

    def _finished(self) -> Finished:
        reason = self._stop_reason
        if reason == "model_context_window_exceeded":
            if not self._call_ids and not any(block.chars for block in self._blocks if block.kind == "text"):
                raise ServerFault({"error": {"type": reason, "message": WINDOW_EXCEEDED}})
            return Finished("max_tokens")
        if reason == "max_tokens":
            return Finished("max_tokens")
        if reason == "refusal":
            return Finished("refusal")
        if reason == "pause_turn":
            return Finished("pause")
        return Finished("tool_use" if self._call_ids else "end_turn")

    def _ping(self, event: dict[str, Any]) -> Sequence[ProviderEvent]:
        return ()

    def _layout(self) -> Layout:
        layout = Layout()
        for block in self._blocks:
            if block.kind == "text" and block.chars:
                layout.text(block.chars)
            elif block.kind == "thought" and (block.chars or block.signature is not None):
                layout.thought(block.chars)
                if block.signature is not None:
                    layout.mark(signature=block.signature)
            elif block.kind == "tool" and block.at in self._call_ids:
                layout.tool(self._call_ids[block.at])
                more = _more_of(block.source)
                if more:
                    layout.mark(**more)
            elif block.kind == "opaque":
                layout.opaque({"block": block.source})
            layout.close()
        return layout


AnthropicDecoder._takers = {
    "content_block_delta": AnthropicDecoder._delta,
    "content_block_start": AnthropicDecoder._start,
    "content_block_stop": AnthropicDecoder._stop,
    "message_start": AnthropicDecoder._message_start,
    "message_delta": AnthropicDecoder._message_delta,
    "message_stop": AnthropicDecoder._message_stop,
    "ping": AnthropicDecoder._ping,
}


def _extend(block: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta of a kind that is not known to its block: each text is the next bit of the field of its name."""
    for key, value in delta.items():
        if key != "type" and isinstance(value, str):
            former = block.get(key)
            block[key] = former + value if isinstance(former, str) else value


def _more_of(source: dict[str, Any]) -> dict[str, Any]:
    """What a tool call has besides what every call has."""
    more = {key: value for key, value in source.items() if key not in _TOLD_BY_US and value is not None}
    if more.get("caller") == _PLAIN_CALLER:
        del more["caller"]
    return more
