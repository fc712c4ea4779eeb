"""A request in the format of Google Gemini. Pure. Spec: Gemini API, models.streamGenerateContent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from agent_server.conversation.content import AudioPart, Part, ResourcePart
from agent_server.conversation.messages import ToolRequest, ToolResultMessage
from agent_server.conversation.placeholders import placeholder
from agent_server.conversation.reasoning import Piece
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.gemini_stream import MADE_ID
from agent_server.providers.prompt_parts import SHOWN_BELOW, told
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.turns import ModelTurn, Turn, UserTurn, fitting_name, turns_of
from agent_server.providers.wire import GO_ON, Endpoint, origin_of

LEVELS: Final = frozenset({"minimal", "low", "medium", "high"})
BUDGETS: Final = {"minimal": 512, "low": 2048, "medium": 8192}
HIGHEST_BUDGET: Final = 24_576
LEAST_BUDGET: Final = 128
"""What the models get that cannot be kept from thinking."""

UNSIGNED: Final = "skip_thought_signature_validator"
"""Sent in place of a signature that there is none of: the server's own word for a call of another model's making."""

_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
_PDF: Final = "application/pdf"
_CALL_ID: Final = re.compile(r"[\x21-\x7e]+")
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
_LONGEST_NAME: Final = 64
_BY_BUDGET: Final = re.compile(r"(?:.*/)?gemini-(?:1|2)(?:\.\d+)?-.*")
_WANTS_SIGNATURES: Final = re.compile(r"(?:.*/)?gemini-(?:[3-9]|\d\d).*")

JsonPart = dict[str, Any]


def body_of(request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> dict[str, Any]:
    """The body of the request."""
    turns = turns_of(request.messages, origin_of(request, endpoint), _CALL_ID)
    writer = _Writer(documents=info.images)
    body: dict[str, Any] = {"contents": [writer.content(turn) for turn in turns]}
    if _WANTS_SIGNATURES.fullmatch(request.model):
        _sign_open_calls(turns, body["contents"])
    if request.system and not request.system.isspace():
        body["systemInstruction"] = {"parts": [{"text": request.system}]}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(spec) for spec in request.tools]}]
    config: dict[str, Any] = {}
    if info.output_tokens:
        config["maxOutputTokens"] = info.output_tokens
    if thinking := _thinking(request, endpoint, info):
        config["thinkingConfig"] = thinking
    if config:
        body["generationConfig"] = config
    return body


class _Writer:
    """Writes turns. ``documents``: whether files that are neither text nor image may be sent as they are."""

    def __init__(self, *, documents: bool) -> None:
        self._documents = documents

    def content(self, turn: Turn) -> dict[str, Any]:
        if isinstance(turn, ModelTurn):
            calls = iter(turn.calls)
            return {"role": "model", "parts": [_piece(piece, calls) for piece in turn.pieces]}
        parts: list[JsonPart] = []
        media: list[JsonPart] = []
        for call_id, result in turn.results:
            given = self._parts(result.parts)
            parts.append(_response(call_id, result, given))
            shown = [part for part in given if "text" not in part]
            if shown:
                media += [{"text": f"What {result.name} gave besides text:"}, *shown]
        parts += media  # behind the responses, of which there must be as many as there were calls
        for message in turn.messages:
            parts += self._parts(message.parts)
        return {"role": "user", "parts": parts or [{"text": GO_ON}]}

    def _parts(self, parts: Iterable[Part]) -> list[JsonPart]:
        written: list[JsonPart] = []
        run: list[Part] = []
        for part in parts:
            if isinstance(part, ResourcePart) and part.blob and part.mime_type == _PDF and self._documents:
                written += [*_told_parts(run), {"inlineData": {"mimeType": _PDF, "data": part.blob}}]
                run = []
            else:
                run.append(part)
        return written + _told_parts(run)


def _piece(piece: Piece, calls: Iterator[str]) -> JsonPart:
    if piece.kind == "opaque":
        part: JsonPart = piece.extra["part"]
        return part
    if piece.request is not None:
        return {"functionCall": _call(next(calls), piece.request)} | piece.extra
    if piece.kind == "thought":
        return {"text": piece.text, "thought": True} | piece.extra
    return {"text": piece.text} | piece.extra


def _call(call_id: str, request: ToolRequest) -> dict[str, Any]:
    call = {"name": fitting_name(request.name, _NOT_IN_NAMES, _LONGEST_NAME), "args": request.arguments}
    return _with_id(call, call_id)


def _response(call_id: str, result: ToolResultMessage, given: Sequence[JsonPart]) -> JsonPart:
    said = "\n".join(part["text"] for part in given if "text" in part)
    if not said and given:
        said = SHOWN_BELOW
    response = {"name": fitting_name(result.name, _NOT_IN_NAMES, _LONGEST_NAME)}
    key = "error" if result.is_error else "output"
    return {"functionResponse": _with_id({**response, "response": {key: said}}, call_id)}


def _with_id(named: dict[str, Any], call_id: str) -> dict[str, Any]:
    """With the id of the call, unless we made it: then the server goes by the order."""
    return named if call_id.startswith(MADE_ID) else {"id": call_id, **named}


def _told_parts(parts: Iterable[Part]) -> list[JsonPart]:
    written: list[JsonPart] = []
    for part in told(parts):
        if isinstance(part, str):
            written.append({"text": part})
        elif part.data and (isinstance(part, AudioPart) or part.mime_type in _IMAGES):
            written.append({"inlineData": {"mimeType": part.mime_type, "data": part.data}})
        else:
            written.append({"text": placeholder(part).text})
    return written


def _declaration(spec: ToolSpec) -> dict[str, Any]:
    return {"name": spec.name, "description": spec.description, "parametersJsonSchema": spec.parameters}


def _sign_open_calls(turns: Sequence[Turn], contents: Sequence[dict[str, Any]]) -> None:
    """Say of the calls since the user last spoke that are not signed that they cannot be: else they are refused.

    The first call of each of the model's turns is the one that is looked at.
    """
    for turn, content in zip(reversed(turns), reversed(contents), strict=True):
        if isinstance(turn, UserTurn):
            if turn.messages:
                return
            continue
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first is not None:
            first.setdefault("thoughtSignature", UNSIGNED)


def _thinking(request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> dict[str, Any] | None:
    effort = request.effort
    if effort is None:
        return {"includeThoughts": True} if info.efforts else None
    if "budget" in endpoint.quirks or _BY_BUDGET.fullmatch(request.model):
        if effort == "off":
            return {"thinkingBudget": LEAST_BUDGET if "-pro" in request.model else 0}
        return {"includeThoughts": True, "thinkingBudget": BUDGETS.get(effort, HIGHEST_BUDGET)}
    if effort == "off":  # these models cannot be kept from thinking
        return {"thinkingLevel": "MINIMAL" if "minimal" in info.efforts else "LOW"}
    level = effort if effort in LEVELS or effort in info.efforts else "high"
    return {"includeThoughts": True, "thinkingLevel": level.upper()}
