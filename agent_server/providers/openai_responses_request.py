"""Requests to OpenAI Responses. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

from agent_server.conversation.content import ImagePart, Part
from agent_server.conversation.messages import AssistantMessage, ToolRequest, ToolResultMessage, UserMessage
from agent_server.conversation.placeholders import placeholder
from agent_server.conversation.reasoning import Piece, pieces_of
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.prompt_parts import Told, image_url, told
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.tool_schemas import openai_parameters
from agent_server.providers.wire import GO_ON, Endpoint, fitting_call_id, origin_of

_CALL_ID: Final = re.compile(r"[\x21-\x7e]{1,64}")
_CACHE_KEY_CHARS: Final = 64
_SHOWN_BELOW: Final = "(see below)"
_FROM_TOOLS: Final = "What the tools gave besides text:"


def responses_body(request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> dict[str, Any]:
    """The JSON body."""
    body: dict[str, Any] = {"model": request.model, "input": _input(request, endpoint), "stream": True, "store": False}
    if request.system:
        body["instructions"] = request.system
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
    if info.output_tokens is not None:
        body["max_output_tokens"] = info.output_tokens
    if request.effort == "off":
        if "no-effort" not in endpoint.quirks:
            body["reasoning"] = {"effort": "none"}
    elif request.effort is not None or info.efforts:
        body["include"] = ["reasoning.encrypted_content"]  # a model that does not reason refuses to be asked for it
        if request.effort is not None and "no-effort" not in endpoint.quirks:
            summary = {} if "no-summary" in endpoint.quirks else {"summary": "auto"}
            body["reasoning"] = {"effort": request.effort, **summary}
    if request.session_id:
        body["prompt_cache_key"] = request.session_id[:_CACHE_KEY_CHARS]
    return body


def _tool(spec: ToolSpec) -> dict[str, Any]:
    # Left out, "strict" is true here, and most schemas are not made for that.
    parameters = openai_parameters(spec.parameters)
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": parameters,
        "strict": False,
    }


def _input(request: ModelRequest, endpoint: Endpoint) -> list[dict[str, Any]]:
    writer = _Items(origin_of(request, endpoint), images_in_results="text-tool-results" not in endpoint.quirks)
    for message in request.messages:
        if isinstance(message, UserMessage):
            writer.user(message.parts)
        elif isinstance(message, AssistantMessage):
            writer.assistant(message)
        else:
            writer.result(message)
    return writer.end()


class _Items:
    """Writes the items of the input one after another."""

    def __init__(self, origin: str, *, images_in_results: bool) -> None:
        self._origin = origin
        self._images_in_results = images_in_results
        self._images: list[Told] = []
        self._thoughts: list[dict[str, Any]] = []
        self._written: list[dict[str, Any]] = []

    def user(self, parts: Iterable[Part]) -> None:
        self._show_images()
        self._say(told(parts))

    def assistant(self, message: AssistantMessage) -> None:
        self._show_images()
        for piece in pieces_of(message, self._origin):
            if piece.kind == "opaque":
                self._thoughts.append(piece.extra["item"])
            elif piece.request is not None:
                self._follow(self._call(piece.request, piece.extra))
            elif piece.kind == "text" and piece.text:
                self._follow(self._message(piece))
        self._thoughts.clear()  # a thought that nothing followed is refused

    def result(self, message: ToolResultMessage) -> None:
        contents = told(message.parts)
        images = [one for one in contents if isinstance(one, ImagePart)]
        output: str | list[dict[str, Any]] = "".join(_written(one) for one in contents if one not in images)
        if images and self._images_in_results:
            output = _content(contents)
        elif images:
            self._images += images
            output = output or _SHOWN_BELOW
        call_id = fitting_call_id(message.call_id, _CALL_ID)
        self._written.append({"type": "function_call_output", "call_id": call_id, "output": output})

    def end(self) -> list[dict[str, Any]]:
        self._show_images()
        last = self._written[-1] if self._written else {}
        if not last or last.get("role") == "assistant":
            self._say([GO_ON])
        return self._written

    def _show_images(self) -> None:
        if self._images:
            images, self._images = self._images, []
            self._say([_FROM_TOOLS, *images])

    def _say(self, contents: Sequence[Told]) -> None:
        if contents:
            self._written.append({"role": "user", "content": _content(contents)})

    def _follow(self, item: dict[str, Any]) -> None:
        self._written += self._thoughts
        self._thoughts.clear()
        self._written.append(item)

    def _message(self, piece: Piece) -> dict[str, Any]:
        # Servers that check their input want all of these, though most of them tell us nothing.
        item = {
            "type": "message",
            "role": "assistant",
            "id": piece.extra.get("id") or f"msg_{len(self._written)}",
            "status": "completed",
            "content": [{"type": "output_text", "text": piece.text, "annotations": []}],
        }
        return {**item, "phase": piece.extra["phase"]} if piece.extra.get("phase") else item

    def _call(self, request: ToolRequest, extra: dict[str, Any]) -> dict[str, Any]:
        arguments = orjson.dumps(request.arguments).decode()
        call_id = fitting_call_id(request.call_id, _CALL_ID)
        item = {"type": "function_call", "call_id": call_id, "name": request.name, "arguments": arguments}
        return {**item, "id": extra["id"]} if extra.get("id") else item


def _content(contents: Iterable[Told]) -> list[dict[str, Any]]:
    return [
        {"type": "input_image", "image_url": image_url(one), "detail": "auto"}
        if isinstance(one, ImagePart)
        else {"type": "input_text", "text": _written(one)}
        for one in contents
    ]


def _written(content: Told) -> str:
    """The text; in place of a sound, which this format does not take, that there was one."""
    return content if isinstance(content, str) else placeholder(content).text
