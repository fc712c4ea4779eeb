"""A response of Google Gemini, read. Pure. Spec: Gemini API, models.streamGenerateContent.

A stream is chunks, each with some parts of the one candidate. There is no event that ends it: a chunk names the reason
of the end, and what comes behind that still counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import orjson

from agent_server.conversation.content import ImagePart
from agent_server.conversation.reasoning import Layout
from agent_server.providers.json_reading import MAX_PIECES, NO_ARGUMENTS, count_in, json_of
from agent_server.providers.provider import (
    Finished,
    PartDelta,
    ProviderEvent,
    TextDelta,
    ThoughtDelta,
    ToolCallRequested,
    UsageSoFar,
)
from agent_server.providers.stream_faults import fault_in, named_fault
from agent_server.providers.wire import ServerFault, StreamCut

Ending: TypeAlias = Literal["end_turn", "max_tokens", "refusal"]

NO_ANSWER: Final = "The model stopped without an answer."
MADE_ID: Final = "made-"
"""How ids of calls begin that we made, because the server gave none."""

ENDINGS: Final[dict[str, Ending]] = {
    "STOP": "end_turn",
    "FUNCTION_CALL": "end_turn",
    "MAX_TOKENS": "max_tokens",
    "CONTINUATION": "max_tokens",
    "SAFETY": "refusal",
    "RECITATION": "refusal",
    "LANGUAGE": "refusal",
    "BLOCKLIST": "refusal",
    "PROHIBITED_CONTENT": "refusal",
    "SPII": "refusal",
    "ESCALATION": "refusal",
    "MODEL_ARMOR": "refusal",
    "IMAGE_SAFETY": "refusal",
    "IMAGE_PROHIBITED_CONTENT": "refusal",
    "IMAGE_RECITATION": "refusal",
}
"""What the reasons mean that are no failures."""

FAILURES: Final = {
    "MALFORMED_FUNCTION_CALL": "The model asked for a tool in a form that cannot be read.",
    "UNEXPECTED_TOOL_CALL": "The model asked for a tool that was not offered to it.",
    "TOO_MANY_TOOL_CALLS": "The model asked for too many tools at once.",
    "MISSING_THOUGHT_SIGNATURE": "The server misses the signature of an earlier thought.",
    "MALFORMED_RESPONSE": "The model's answer cannot be read.",
    "PUP_LIMITED_DISABLED": "The account is limited because of its use.",
}
"""What to say of the reasons that are failures, where the server does not say it."""


class GeminiDecoder:
    """Reads one response.

    Args:
        origin: who gives it.
        seed: names the request; ids of calls are made from it, besides the response's own id and the calls themselves.
    """

    def __init__(self, origin: str, seed: str) -> None:
        self.complete = False  # never known: counts may come behind the reason of the end
        self._origin = origin
        self._seed = seed
        self._response_id = ""
        self._layout = Layout()
        self._call_ids: set[str] = set()
        self._spoke = False
        self._reason: str | None = None
        self._reason_said = ""
        self._blocked = False

    def event(self, name: str, data: bytes) -> Sequence[ProviderEvent]:
        """What one chunk means; see `agent_server.providers.wire.Decoder`."""
        if name == "error":
            raise named_fault(data)
        try:
            value = json_of(data)
        except ValueError:
            if data.strip() == b"[DONE]":  # some gateways end every stream as OpenAI does
                return ()
            raise
        return self._chunks(value)

    def end(self) -> Sequence[ProviderEvent]:
        """The last events; see `agent_server.providers.wire.Decoder`."""
        finished = self._finished()
        state = self._layout.state(self._origin)
        return [finished] if state is None else [state, finished]

    def whole(self, body: Any) -> Sequence[ProviderEvent]:
        """The events of a response that came in one piece; see `agent_server.providers.wire.Decoder`."""
        return [*self._chunks(body), *self.end()]

    def _chunks(self, value: Any) -> Sequence[ProviderEvent]:
        try:
            if type(value) is list:  # an error may come so, and a stream that nobody cut into events
                return [event for chunk in value for event in self._chunk(chunk)]
            return self._chunk(value)
        except (AttributeError, TypeError, KeyError) as error:
            raise ValueError("a chunk of another shape") from error

    def _chunk(self, chunk: dict[str, Any]) -> Sequence[ProviderEvent]:
        if chunk.get("error"):
            raise fault_in(chunk)
        if not self._response_id:
            self._response_id = chunk.get("responseId") or ""
        events: list[ProviderEvent] = []
        candidates = chunk.get("candidates")
        if candidates:
            candidate = candidates[0]
            for part in (candidate.get("content") or {}).get("parts") or ():
                self._take_part(part, events)
            self._reason = str(candidate.get("finishReason") or "") or self._reason
            self._reason_said = str(candidate.get("finishMessage") or "") or self._reason_said
        feedback = chunk.get("promptFeedback")
        if feedback and feedback.get("blockReason"):
            self._blocked = True
        usage = chunk.get("usageMetadata")
        if usage:
            events.append(_usage(usage))
        return events

    def _take_part(self, part: dict[str, Any], events: list[ProviderEvent]) -> None:
        signature = part.get("thoughtSignature")
        if "functionCall" in part:
            call = self._call(part["functionCall"])
            events.append(call)
            self._layout.tool(call.call_id)
        elif "text" in part or part.keys() <= {"thoughtSignature", "thought"}:
            self._take_text(str(part.get("text") or ""), signature, events, thought=bool(part.get("thought")))
        elif "inlineData" in part:
            self._take_media(part["inlineData"], events)
            return
        else:  # what tools of the server's own did
            self._layout.opaque({"part": part})
            return
        if signature:
            self._layout.mark(thoughtSignature=signature)
            self._layout.close()  # what has a signature stays apart from what has none

    def _take_text(self, text: str, signature: Any, events: list[ProviderEvent], *, thought: bool) -> None:
        if signature:
            self._layout.close()
        elif not text:
            return
        if thought:
            self._layout.thought(len(text))
        else:
            self._layout.text(len(text))
        if text:
            events.append(ThoughtDelta(text) if thought else TextDelta(text))
            self._spoke = self._spoke or not thought

    def _take_media(self, data: dict[str, Any], events: list[ProviderEvent]) -> None:
        mime_type = data.get("mimeType") or ""
        if mime_type.startswith("image/") and data.get("data"):
            events.append(PartDelta(ImagePart(data["data"], mime_type)))
            self._spoke = True

    def _call(self, call: dict[str, Any]) -> ToolCallRequested:
        name = str(call.get("name") or "")
        arguments = call.get("args")
        misread = None
        if arguments is None:
            arguments = {}
        elif type(arguments) is not dict:
            arguments, misread = {}, NO_ARGUMENTS
        if len(self._call_ids) == MAX_PIECES:
            raise ValueError(f"a response with more than {MAX_PIECES} tool calls")
        call_id = str(call.get("id") or "") or self._made_id(name, arguments)
        self._call_ids.add(call_id)
        return ToolCallRequested(call_id, name, arguments, misread)

    def _made_id(self, name: str, arguments: dict[str, Any]) -> str:
        said = orjson.dumps([self._seed, self._response_id, len(self._call_ids), name, arguments])
        return MADE_ID + hashlib.blake2b(said, digest_size=8).hexdigest()

    def _finished(self) -> Finished:
        reason = self._reason
        if reason is None:
            if self._blocked:
                return Finished("refusal")
            raise StreamCut("the stream ended before the response did")
        ending = ENDINGS.get(reason)
        if reason in FAILURES or (ending is None and not (self._spoke or self._call_ids)):
            message = self._reason_said or FAILURES.get(reason, NO_ANSWER)
            raise ServerFault({"error": {"status": reason, "message": message}})
        if ending in ("max_tokens", "refusal"):
            return Finished(ending)
        return Finished("tool_use" if self._call_ids else "end_turn")


def _usage(said: dict[str, Any]) -> UsageSoFar:
    """The counts until now. Thoughts stand beside the answer, and what the server's own tools read beside the input."""
    thoughts = count_in(said, "thoughtsTokenCount")
    return UsageSoFar(
        input_tokens=count_in(said, "promptTokenCount") + count_in(said, "toolUsePromptTokenCount"),
        output_tokens=count_in(said, "candidatesTokenCount") + thoughts,
        cached_read_tokens=count_in(said, "cachedContentTokenCount"),
        thought_tokens=thoughts,
    )
