"""Requests to OpenAI Responses. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

from agent_server.conversation.content import ImagePart
from agent_server.conversation.messages import ToolRequest, ToolResultMessage
from agent_server.conversation.placeholders import placeholder
from agent_server.conversation.reasoning import Piece
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.openai_requests import FROM_TOOLS, SHOWN_BELOW, tool_name
from agent_server.providers.prompt_parts import Told, image_url, told
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.server_limits import longest_answer, tool_parameters
from agent_server.providers.turns import ModelTurn, UserTurn, turns_of
from agent_server.providers.wire import GO_ON, Endpoint, origin_of

_CALL_ID: Final = re.compile(r"[\x21-\x7e]{1,64}")
_CACHE_KEY_CHARS: Final = 64


def responses_body(request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> dict[str, Any]:
    """The JSON body."""
    body: dict[str, Any] = {"model": request.model, "input": _input(request, endpoint), "stream": True, "store": False}
    if request.system:
        body["instructions"] = request.system
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
    longest = longest_answer(info)
    if longest is not None:
        body["max_output_tokens"] = longest
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
    parameters = tool_parameters(spec.parameters)
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": parameters,
        "strict": False,
    }


def _input(request: ModelRequest, endpoint: Endpoint) -> list[dict[str, Any]]:
    writer = _Items(images_in_results="text-tool-results" not in endpoint.quirks)
    for turn in turns_of(request.messages, origin_of(request, endpoint), _CALL_ID):
        if isinstance(turn, ModelTurn):
            writer.model(turn)
        else:
            writer.user(turn)
    if writer.written[-1].get("role") != "user" and writer.written[-1]["type"] != "function_call_output":
        writer.say([GO_ON])
    return writer.written


class _Items:
    """Writes the items of the turns one after another."""

    def __init__(self, *, images_in_results: bool) -> None:
        self._images_in_results = images_in_results
        self._thoughts: list[dict[str, Any]] = []
        self.written: list[dict[str, Any]] = []

    def user(self, turn: UserTurn) -> None:
        images: list[Told] = []
        for call_id, result in turn.results:
            images += self._result(call_id, result)
        if images:
            self.say([FROM_TOOLS, *images])
        for message in turn.messages:
            self.say(told(message.parts) or [GO_ON])

    def model(self, turn: ModelTurn) -> None:
        call_ids = iter(turn.calls)
        for piece in turn.pieces:
            if piece.kind == "opaque":
                self._thoughts.append(piece.extra["item"])
            elif piece.request is not None:
                self._follow(_call(piece.request, next(call_ids), piece.extra))
            elif piece.kind == "text" and piece.text:
                self._follow(self._message(piece))
        self._thoughts.clear()  # a thought that nothing followed is refused

    def say(self, contents: Sequence[Told]) -> None:
        """What the user said."""
        self.written.append({"role": "user", "content": _content(contents)})

    def _result(self, call_id: str, result: ToolResultMessage) -> list[Told]:
        """Write a result; the images in it that must be shown elsewhere."""
        contents = told(result.parts)
        images = [one for one in contents if isinstance(one, ImagePart)]
        output: str | list[dict[str, Any]] = "".join(_written(one) for one in contents if one not in images)
        if images and self._images_in_results:
            output, images = _content(contents), []
        elif images and not output:
            output = SHOWN_BELOW
        self.written.append({"type": "function_call_output", "call_id": call_id, "output": output})
        return list(images)

    def _follow(self, item: dict[str, Any]) -> None:
        self.written += self._thoughts
        self._thoughts.clear()
        self.written.append(item)

    def _message(self, piece: Piece) -> dict[str, Any]:
        # Servers that check their input want all of these, though most of them tell us nothing.
        item = {
            "type": "message",
            "role": "assistant",
            "id": piece.extra.get("id") or f"msg_{len(self.written)}",
            "status": "completed",
            "content": [{"type": "output_text", "text": piece.text, "annotations": []}],
        }
        return {**item, "phase": piece.extra["phase"]} if piece.extra.get("phase") else item


def _call(request: ToolRequest, call_id: str, extra: dict[str, Any]) -> dict[str, Any]:
    name = tool_name(request.name)
    arguments = orjson.dumps(request.arguments).decode()
    item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
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
