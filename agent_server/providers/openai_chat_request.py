"""Requests to OpenAI Chat Completions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

from agent_server.conversation.content import AudioPart, ImagePart, Part
from agent_server.conversation.messages import AssistantMessage, ToolRequest, ToolResultMessage, UserMessage
from agent_server.conversation.reasoning import pieces_of
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.prompt_parts import Told, audio_format, image_url, told
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.tool_schemas import openai_parameters
from agent_server.providers.wire import GO_ON, Endpoint, fitting_call_id, origin_of

_CALL_ID: Final = re.compile(r"[\x21-\x7e]{1,40}")
_SHORT_CALL_ID: Final = re.compile(r"[A-Za-z0-9]{9}")
_SHOWN_BELOW: Final = "(see below)"
_FROM_TOOLS: Final = "What the tools gave besides text:"
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
    if info.output_tokens is not None:
        field = "max_completion_tokens" if "max-completion-tokens" in quirks else "max_tokens"
        body[field] = info.output_tokens
    if request.effort is not None and "no-effort" not in quirks:
        effort = "none" if request.effort == "off" else request.effort
        if "openrouter-reasoning" in quirks:
            body["reasoning"] = {"effort": effort}
        else:
            body["reasoning_effort"] = effort
    if request.session_id and "cache-key" in quirks:
        body["prompt_cache_key"] = request.session_id
    return body


def _tool(spec: ToolSpec) -> dict[str, Any]:
    parameters = openai_parameters(spec.parameters)
    function = {"name": spec.name, "description": spec.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _messages(request: ModelRequest, endpoint: Endpoint) -> list[dict[str, Any]]:
    writer = _Messages(origin_of(request, endpoint), endpoint.quirks)
    if request.system:
        writer.written.append({"role": "system", "content": request.system})
    for message in request.messages:
        if isinstance(message, UserMessage):
            writer.user(message.parts)
        elif isinstance(message, AssistantMessage):
            writer.assistant(message)
        else:
            writer.result(message)
    return writer.end()


class _Messages:
    """Writes the messages one after another."""

    def __init__(self, origin: str, quirks: frozenset[str]) -> None:
        self._origin = origin
        self._call_id = _SHORT_CALL_ID if "short-call-ids" in quirks else _CALL_ID
        self._sends_thoughts = "send-reasoning" in quirks
        self._turn_has_calls = False
        self._media: list[Told] = []
        self.written: list[dict[str, Any]] = []

    def user(self, parts: Iterable[Part]) -> None:
        self._show_media()
        self._turn_has_calls = False
        self._say(told(parts))

    def assistant(self, message: AssistantMessage) -> None:
        self._show_media()
        written: dict[str, Any] = {"role": "assistant", "content": None}
        texts, thoughts, calls = [], [], []
        thought_field = "reasoning_content"
        for piece in pieces_of(message, self._origin):
            if piece.kind == "text":
                texts.append(piece.text)
            elif piece.request is not None:
                calls.append(self._call(piece.request))
            elif piece.kind == "thought":
                thoughts.append(piece.text)
                thought_field = piece.extra.get("field") or thought_field
                if "reasoning_details" in piece.extra:
                    written["reasoning_details"] = piece.extra["reasoning_details"]
        if calls:
            written["tool_calls"] = calls
            self._turn_has_calls = True
        if self._sends_thoughts and self._turn_has_calls and (thoughts or calls):
            written[thought_field] = "".join(thoughts) or _NO_THOUGHTS
        if any(texts):
            written["content"] = "".join(texts)
        elif not calls:
            return  # nothing that this model could read
        self.written.append(written)

    def result(self, message: ToolResultMessage) -> None:
        contents = told(message.parts)
        media = [one for one in contents if not isinstance(one, str)]
        text = "".join(one for one in contents if isinstance(one, str))
        self._media += media
        call_id = fitting_call_id(message.call_id, self._call_id)
        shown = text or (_SHOWN_BELOW if media else "")
        self.written.append({"role": "tool", "tool_call_id": call_id, "content": shown})

    def end(self) -> list[dict[str, Any]]:
        self._show_media()
        if not self.written or self.written[-1]["role"] in {"system", "assistant"}:
            self._say([GO_ON])
        return self.written

    def _show_media(self) -> None:
        """Images of tools may stand only in a user's message, and that only behind all the results."""
        if self._media:
            media, self._media = self._media, []
            self._say([_FROM_TOOLS, *media])

    def _say(self, contents: Sequence[Told]) -> None:
        if not contents:
            return
        content = contents[0] if len(contents) == 1 and isinstance(contents[0], str) else _user_parts(contents)
        last = self.written[-1] if self.written else None
        if last is not None and last["role"] == "user":  # templates of many models want the roles to take turns
            last["content"] = [*_listed(last["content"]), *_listed(content)]
        else:
            self.written.append({"role": "user", "content": content})

    def _call(self, request: ToolRequest) -> dict[str, Any]:
        arguments = orjson.dumps(request.arguments).decode()
        call_id = fitting_call_id(request.call_id, self._call_id)
        return {"id": call_id, "type": "function", "function": {"name": request.name, "arguments": arguments}}


def _listed(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _user_parts(contents: Sequence[Told]) -> list[dict[str, Any]]:
    return [_user_part(one) for one in contents]


def _user_part(content: Told) -> dict[str, Any]:
    if isinstance(content, ImagePart):
        return {"type": "image_url", "image_url": {"url": image_url(content)}}
    if isinstance(content, AudioPart):
        return {"type": "input_audio", "input_audio": {"data": content.data, "format": audio_format(content)}}
    return {"type": "text", "text": content}
