"""Requests to OpenAI Chat Completions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from agent_server.conversation.content import AudioPart, ImagePart
from agent_server.conversation.messages import ToolRequest, ToolResultMessage
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.openai_requests import FROM_TOOLS, SHOWN_BELOW, tool_name
from agent_server.providers.prompt_parts import Told, audio_format, image_url, told
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.server_limits import longest_answer, tool_parameters
from agent_server.providers.turns import ModelTurn, UserTurn, turns_of
from agent_server.providers.wire import GO_ON, Endpoint, origin_of

_CALL_ID: Final = re.compile(r"[\x21-\x7e]{1,40}")
_SHORT_CALL_ID: Final = re.compile(r"[A-Za-z0-9]{9}")
_NO_ANSWER: Final = "(no answer)"
_NO_THOUGHTS: Final = " "
"""Said for thoughts that are not known: servers that want them back refuse a message without, and an empty one too."""


def chat_body(request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> dict[str, Any]:
    """The JSON body."""
    quirks = endpoint.quirks
    body: dict[str, Any] = {"model": request.model, "messages": _messages(request, endpoint), "stream": True}
    if "no-stream-options" not in quirks:
        body["stream_options"] = {"include_usage": True}
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
    longest = longest_answer(info)
    if longest is not None:
        body["max_completion_tokens" if "max-completion-tokens" in quirks else "max_tokens"] = longest
    if request.effort is not None and "no-effort" not in quirks:
        body |= _effort(request.effort, quirks)
    if request.session_id and "cache-key" in quirks:
        body["prompt_cache_key"] = request.session_id
    return body


def _tool(spec: ToolSpec) -> dict[str, Any]:
    parameters = tool_parameters(spec.parameters)
    function = {"name": spec.name, "description": spec.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _effort(effort: str, quirks: frozenset[str]) -> dict[str, Any]:
    word = "none" if effort == "off" else effort
    if "openrouter-reasoning" in quirks:
        return {"reasoning": {"effort": word}}
    if "thinking-switch" not in quirks:
        return {"reasoning_effort": word}
    return {"thinking": {"type": "disabled"}} if effort == "off" else {"reasoning_effort": word}


def _messages(request: ModelRequest, endpoint: Endpoint) -> list[dict[str, Any]]:
    quirks = endpoint.quirks
    turns = turns_of(
        request.messages,
        origin_of(request, endpoint),
        _SHORT_CALL_ID if "short-call-ids" in quirks else _CALL_ID,
    )
    writer = _Messages(sends_thoughts="send-reasoning" in quirks)
    if request.system:
        writer.written.append({"role": "system", "content": request.system})
    for turn in turns:
        if isinstance(turn, ModelTurn):
            writer.model(turn)
        else:
            writer.user(turn)
    return writer.written


class _Messages:
    """Writes the turns one after another."""

    def __init__(self, *, sends_thoughts: bool) -> None:
        self._sends_thoughts = sends_thoughts
        self._prompt_led_to_calls = False
        self.written: list[dict[str, Any]] = []

    def user(self, turn: UserTurn) -> None:
        """The results, and then what the user said; images of tools may stand only in a user's message."""
        contents: list[Told] = []
        for call_id, result in turn.results:
            contents += self._result(call_id, result)
        if contents:
            contents.insert(0, FROM_TOOLS)
        for message in turn.messages:
            self._prompt_led_to_calls = False
            contents += told(message.parts)
        if not contents and not turn.results:
            contents.append(GO_ON)
        if contents:
            self.written.append({"role": "user", "content": _user_content(contents)})

    def model(self, turn: ModelTurn) -> None:
        written: dict[str, Any] = {"role": "assistant", "content": None}
        texts, thoughts, calls = [], [], []
        thought_field = "reasoning_content"
        call_ids = iter(turn.calls)
        for piece in turn.pieces:
            if piece.kind == "text":
                texts.append(piece.text)
            elif piece.request is not None:
                calls.append(_call(piece.request, call_ids))
            elif piece.kind == "thought":
                thoughts.append(piece.text)
                thought_field = piece.extra.get("field") or thought_field
                if "reasoning_details" in piece.extra:
                    details = written.setdefault("reasoning_details", [])
                    details += piece.extra["reasoning_details"]
        if calls:
            written["tool_calls"] = calls
            self._prompt_led_to_calls = True
        if self._sends_thoughts and self._prompt_led_to_calls and (thoughts or calls):
            written[thought_field] = "".join(thoughts) or _NO_THOUGHTS
        if any(texts):
            written["content"] = "".join(texts)
        elif not calls:
            written["content"] = _NO_ANSWER
        self.written.append(written)

    def _result(self, call_id: str, result: ToolResultMessage) -> list[Told]:
        """Write the text of a result; what else there is in it."""
        contents = told(result.parts)
        media: list[Told] = [one for one in contents if not isinstance(one, str)]
        text = "".join(one for one in contents if isinstance(one, str))
        shown = text or (SHOWN_BELOW if media else "")
        self.written.append({"role": "tool", "tool_call_id": call_id, "content": shown})
        return media


def _call(request: ToolRequest, call_ids: Iterator[str]) -> dict[str, Any]:
    name = tool_name(request.name)
    function = {"name": name, "arguments": orjson.dumps(request.arguments).decode()}
    return {"id": next(call_ids), "type": "function", "function": function}


def _user_content(contents: Sequence[Told]) -> str | list[dict[str, Any]]:
    """Text alone is sent as text, which every server takes."""
    only = contents[0] if len(contents) == 1 else None
    return only if isinstance(only, str) else [_user_part(one) for one in contents]


def _user_part(content: Told) -> dict[str, Any]:
    if isinstance(content, ImagePart):
        return {"type": "image_url", "image_url": {"url": image_url(content)}}
    if isinstance(content, AudioPart):
        return {"type": "input_audio", "input_audio": {"data": content.data, "format": audio_format(content)}}
    return {"type": "text", "text": content}
