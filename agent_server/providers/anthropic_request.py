"""A request in the format of Anthropic Messages. Pure. Spec: Anthropic API, "Messages", version 2023-06-01.

Nothing is sent that a later version refuses (sampling settings, citations), so one body serves all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from agent_server.conversation.content import ImagePart, Part, ResourcePart
from agent_server.conversation.messages import ToolResultMessage
from agent_server.conversation.placeholders import placeholder
from agent_server.conversation.reasoning import Piece
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.prompt_parts import told
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.server_limits import longest_answer, tool_parameters
from agent_server.providers.turns import ModelTurn, Turn, UserTurn, fitting_name, turns_of
from agent_server.providers.wire import GO_ON, Endpoint, origin_of

UNKNOWN_OUTPUT_TOKENS: Final = 16_384
MIN_THINKING_TOKENS: Final = 1024
THINKING_TOKENS: Final = {
    "minimal": 1024,
    "low": 4096,
    "medium": 12_288,
    "high": 24_576,
    "xhigh": 32_768,
    "max": 49_152,
}

_IMAGES: Final = {f"image/{kind}": f"image/{kind}" for kind in ("jpeg", "png", "gif", "webp")} | {
    "image/jpg": "image/jpeg"
}
_PDF: Final = "application/pdf"
_CALL_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME: Final = 128
_BY_BUDGET: Final = re.compile(r"(?:.*/)?claude-(?:3[-.]7-.*|(?:opus|sonnet|haiku)-4(?:[-.][0-5])?(?:[-@]\d{8})?)")
_CACHED: Final = {"type": "ephemeral"}
_CACHED_TURNS: Final = 2
_UNAVAILABLE: Final = "This tool cannot be used now."

Block = dict[str, Any]


def body_of(request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> dict[str, Any]:
    """The body of the request."""
    turns = turns_of(request.messages, origin_of(request, endpoint), _CALL_ID)
    writer = _Writer(documents=info.images and not endpoint.local)
    limit = longest_answer(info, UNKNOWN_OUTPUT_TOKENS) or UNKNOWN_OUTPUT_TOKENS  # the format wants it said
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": limit,
        "stream": True,
        "messages": [writer.message(turn) for turn in turns],
    }
    if request.system and not request.system.isspace():
        body["system"] = [{"type": "text", "text": request.system}]
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
    elif names := _asked_names(turns):  # calls in the conversation are refused where no tool is declared
        body["tools"] = [
            {"name": name, "description": _UNAVAILABLE, "input_schema": {"type": "object"}} for name in names
        ]
        body["tool_choice"] = {"type": "none"}
    body |= _reasoning(request, endpoint, turns, limit)
    _mark_cached(body)
    return body


class _Writer:
    """Writes turns. ``documents``: whether files that are no text and no image may be sent as they are."""

    def __init__(self, *, documents: bool) -> None:
        self._documents = documents

    def message(self, turn: Turn) -> dict[str, Any]:
        if isinstance(turn, ModelTurn):
            calls = iter(turn.calls)
            return {"role": "assistant", "content": [_piece(piece, calls) for piece in turn.pieces]}
        content = [self._result(call_id, result) for call_id, result in turn.results]
        for message in turn.messages:
            content += self._blocks(message.parts)
        return {"role": "user", "content": content or [{"type": "text", "text": GO_ON}]}

    def _result(self, call_id: str, result: ToolResultMessage) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": call_id}
        content = self._blocks(result.parts, only_text=result.is_error)
        if result.is_error:  # an error must say something, and in words
            block["is_error"] = True
            content = content or [{"type": "text", "text": "It failed."}]
        if content:
            block["content"] = content
        return block

    def _blocks(self, parts: Iterable[Part], *, only_text: bool = False) -> list[Block]:
        blocks: list[Block] = []
        run: list[Part] = []
        allowed = self._documents and not only_text
        for part in parts:
            if isinstance(part, ResourcePart) and part.blob and part.mime_type == _PDF and allowed:
                blocks += [*_told_blocks(run, only_text=only_text), _document(part)]
                run = []
            else:
                run.append(part)
        return blocks + _told_blocks(run, only_text=only_text)


def _told_blocks(parts: Iterable[Part], *, only_text: bool) -> list[Block]:
    blocks: list[Block] = []
    for part in told(parts):
        if isinstance(part, ImagePart) and part.data and part.mime_type in _IMAGES and not only_text:
            source = {"type": "base64", "media_type": _IMAGES[part.mime_type], "data": part.data}
            blocks.append({"type": "image", "source": source})
        else:
            text = part if isinstance(part, str) else placeholder(part).text
            if not text.isspace():  # such texts are refused
                blocks.append({"type": "text", "text": text})
    return blocks


def _document(part: ResourcePart) -> Block:
    return {"type": "document", "source": {"type": "base64", "media_type": _PDF, "data": part.blob}, "title": part.uri}


def _piece(piece: Piece, calls: Iterable[str]) -> Block:
    if piece.request is not None:
        name = fitting_name(piece.request.name, _NOT_IN_NAMES, _LONGEST_NAME)
        call = {"type": "tool_use", "id": next(iter(calls)), "name": name, "input": piece.request.arguments}
        return call | piece.extra
    if piece.kind == "thought":
        return {"type": "thinking", "thinking": piece.text, "signature": piece.extra.get("signature", "")}
    if piece.kind == "opaque":
        block: Block = piece.extra["block"]
        return block
    return {"type": "text", "text": piece.text}


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {"name": spec.name, "description": spec.description, "input_schema": tool_parameters(spec.parameters)}


def _asked_names(turns: Sequence[Turn]) -> list[str]:
    pieces = [piece for turn in turns if isinstance(turn, ModelTurn) for piece in turn.pieces]
    names = [piece.request.name for piece in pieces if piece.request is not None]
    return list(dict.fromkeys(fitting_name(name, _NOT_IN_NAMES, _LONGEST_NAME) for name in names))


def _reasoning(request: ModelRequest, endpoint: Endpoint, turns: Sequence[Turn], limit: int) -> dict[str, Any]:
    effort = request.effort
    if effort is None:
        return {}
    if effort == "off":
        return {"thinking": {"type": "disabled"}}
    if "budget" in endpoint.quirks or _BY_BUDGET.fullmatch(request.model):
        budget = min(THINKING_TOKENS.get(effort, THINKING_TOKENS["medium"]), limit // 2)
        if budget < MIN_THINKING_TOKENS or not _may_think(turns):
            return {}
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}
    level = "low" if effort == "minimal" else effort
    return {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": level}}


def _may_think(turns: Sequence[Turn]) -> bool:
    """Whether a budget may be given: not behind tool calls that were asked for without thinking, they are refused."""
    last, former = turns[-1], turns[-2] if len(turns) > 1 else None
    if not isinstance(last, UserTurn) or not last.results or not isinstance(former, ModelTurn):
        return True
    return former.pieces[0].kind in ("thought", "opaque")


def _mark_cached(body: dict[str, Any]) -> None:
    """Say how far the request is likely to begin the next one: tools, system prompt, the last two of the user's turns.

    Four marks are the most that are taken.
    """
    users = [message["content"] for message in body["messages"] if message["role"] == "user"]
    for blocks in (body.get("tools"), body.get("system"), *users[-_CACHED_TURNS:]):
        if blocks:
            blocks[-1]["cache_control"] = _CACHED
