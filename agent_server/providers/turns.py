"""The conversation as formats want it that know only two speakers: they take turns, the user first. Pure.

What a server would refuse is put right here, because one bad message makes every later request fail too: a result
without its call, a call without its result, two calls of one id, a turn in which nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from agent_server.conversation.content import TextPart
from agent_server.conversation.messages import (
    AssistantMessage,
    ModelMessage,
    ToolRequest,
    ToolResultMessage,
    UserMessage,
)
from agent_server.conversation.reasoning import Piece, pieces_of
from agent_server.providers.wire import GO_ON, fitting_call_id

NOTHING_CAME_BACK: Final = "Nothing came back from this call."


@dataclass(slots=True)
class ModelTurn:
    """What the model said, in its pieces. ``calls`` are the ids under which its tool calls are sent, in their order."""

    pieces: list[Piece] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)


@dataclass(slots=True)
class UserTurn:
    """What the model heard. ``results`` has one result for each call of the turn before, in the order of the calls."""

    results: list[tuple[str, ToolResultMessage]] = field(default_factory=list)
    messages: list[UserMessage] = field(default_factory=list)


Turn: TypeAlias = ModelTurn | UserTurn


def turns_of(messages: Iterable[ModelMessage], origin: str, call_id: re.Pattern[str]) -> list[Turn]:
    """The conversation in turns; the first is the user's, and so is the last, unless the model was interrupted by its
    server in the middle of the server's own work.

    Args:
        origin: who is asked; see `agent_server.conversation.reasoning.pieces_of`.
        call_id: what ids of tool calls the server takes.
    """
    taker = _Taker(origin, call_id)
    for message in messages:
        if isinstance(message, AssistantMessage):
            taker.model(message)
        elif isinstance(message, ToolResultMessage):
            taker.result(message)
        else:
            taker.user(message)
    return taker.end()


def fitting_name(name: str, refused: re.Pattern[str], longest: int) -> str:
    """A tool's name as the server takes it. A model of another server may have asked for a tool of any name."""
    return refused.sub("_", name)[:longest] or "_"


@dataclass(slots=True)
class _Asked:
    call: ToolRequest
    sent_as: str
    result: ToolResultMessage | None = None


class _Taker:
    def __init__(self, origin: str, call_id: re.Pattern[str]) -> None:
        self._origin = origin
        self._call_id = call_id
        self._used: set[str] = set()
        self._turns: list[Turn] = []
        self._asked: list[_Asked] = []

    def model(self, message: AssistantMessage) -> None:
        pieces = [piece for piece in pieces_of(message, self._origin) if _says_something(piece)]
        if not pieces:
            return
        self._settle()
        if not self._turns:
            self._user_turn().messages.append(_go_on())
        turn = self._turns[-1]
        if isinstance(turn, UserTurn):
            turn = ModelTurn()
            self._turns.append(turn)
        requests = [piece.request for piece in pieces if piece.request is not None]
        self._asked = [_Asked(request, self._own_id(request.call_id)) for request in requests]
        turn.pieces += pieces
        turn.calls += [asked.sent_as for asked in self._asked]

    def result(self, message: ToolResultMessage) -> None:
        for asked in self._asked:
            if asked.call.call_id == message.call_id and asked.result is None:
                asked.result = message
                return

    def user(self, message: UserMessage) -> None:
        self._user_turn().messages.append(message)

    def end(self) -> list[Turn]:
        self._settle()
        last = self._turns[-1] if self._turns else None
        if last is None or (isinstance(last, ModelTurn) and last.pieces[-1].kind != "opaque"):
            self._user_turn().messages.append(_go_on())
        return self._turns

    def _settle(self) -> None:
        """Give every call of the last response its result."""
        for asked in self._asked:
            self._user_turn().results.append((asked.sent_as, asked.result or _no_result(asked.call)))
        self._asked = []

    def _user_turn(self) -> UserTurn:
        turn = self._turns[-1] if self._turns else None
        if not isinstance(turn, UserTurn):
            turn = UserTurn()
            self._turns.append(turn)
        return turn

    def _own_id(self, call_id: str) -> str:
        fitting, again = fitting_call_id(call_id, self._call_id), 0
        while fitting in self._used:
            again += 1
            fitting = fitting_call_id(f"{call_id}#{again}", self._call_id)
        self._used.add(fitting)
        return fitting


def _says_something(piece: Piece) -> bool:
    if piece.kind == "text":
        return bool(piece.extra) or not (not piece.text or piece.text.isspace())
    return piece.kind != "thought" or bool(piece.extra)


def _no_result(call: ToolRequest) -> ToolResultMessage:
    return ToolResultMessage(call.call_id, call.name, (TextPart(NOTHING_CAME_BACK),), is_error=True)


def _go_on() -> UserMessage:
    return UserMessage((TextPart(GO_ON),))
