"""Tool calls put together from the deltas of Chat Completions. Pure.

Servers disagree about everything here: ids come once or with each delta, indexes may be missing or the same for all,
and arguments come in pieces, whole, or as an object.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from agent_server.providers.json_reading import MAX_PIECES, arguments_of
from agent_server.providers.provider import ToolCallBegun, ToolCallRequested

_NAMELESS: Final = "unknown"


class _Call:
    __slots__ = ("_pieces", "id", "name")

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.name = ""
        self._pieces: list[str] = []

    def add(self, piece: Any) -> None:
        if type(piece) is str:
            self._pieces.append(piece)
        elif type(piece) is dict:
            self._pieces.append(orjson.dumps(piece).decode())

    @property
    def text(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def whole(self) -> bool:
        """Whether its arguments are complete: behind the end of an object nothing can follow."""
        latest = next((piece for piece in reversed(self._pieces) if not piece.isspace() and piece), "")
        return latest.rstrip()[-1:] == "}" and arguments_of(self.text)[1] is None


class Calls:
    """The tool calls of one response. ``prefix`` begins the ids of calls that came without one.

    Each is told once, in the order in which they began.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._calls: list[_Call] = []
        self._known: dict[tuple[Any, str], _Call] = {}
        self._latest: dict[Any, _Call] = {}
        self._told = 0
        self._begun: set[str] = set()
        self.ids: list[str] = []
        """The ids of the calls that were told."""

    def add(self, delta: dict[str, Any]) -> list[ToolCallBegun | ToolCallRequested]:
        """Take a delta. The calls that are complete, now that another has begun, and that one."""
        function = delta.get("function") or {}
        call_id, name, arguments = delta.get("id") or "", function.get("name") or "", function.get("arguments")
        count = len(self._calls)
        call = self._call(delta.get("index"), str(call_id), bool(name) and arguments not in (None, ""))
        call.name = call.name or str(name)
        call.add(arguments)
        events: list[ToolCallBegun | ToolCallRequested] = []
        if len(self._calls) > count:
            events += self._complete()
        if call.id and call.name and call.id not in self._begun:
            self._begun.add(call.id)
            events.append(ToolCallBegun(call.id, call.name))
        return events

    def rest(self, *, cut: bool) -> list[ToolCallRequested]:
        """The calls that were not told before; of a response that was cut off without those that it left unfinished."""
        left = self._calls[self._told :]
        self._told = len(self._calls)
        return [self._tell(call) for call in left if call.whole or not cut]

    def _call(self, index: Any, call_id: str, named_with_arguments: bool) -> _Call:
        if call_id and (index, call_id) in self._known:
            return self._known[index, call_id]
        latest = self._latest.get(index)
        if latest is not None:
            if call_id and not latest.id:
                latest.id = call_id
                self._known[index, call_id] = latest
                return latest
            if not call_id and not (named_with_arguments and latest.whole):
                return latest
        return self._begin(index, call_id)

    def _begin(self, index: Any, call_id: str) -> _Call:
        if len(self._calls) == MAX_PIECES:
            raise ValueError(f"a response with more than {MAX_PIECES} tool calls")
        call = _Call(call_id)
        self._calls.append(call)
        self._latest[index] = call
        if call_id:
            self._known[index, call_id] = call
        return call

    def _complete(self) -> list[ToolCallRequested]:
        events = []
        while self._told < len(self._calls) - 1 and self._calls[self._told].whole:
            events.append(self._tell(self._calls[self._told]))
            self._told += 1
        return events

    def _tell(self, call: _Call) -> ToolCallRequested:
        call_id = call.id
        if not call_id or call_id in self.ids:
            call_id = f"{self._prefix}_{len(self.ids)}"
        self.ids.append(call_id)
        return tool_call(call_id, call.name, *arguments_of(call.text))


def tool_call(call_id: str, name: str, arguments: dict[str, Any], misread: str | None) -> ToolCallRequested:
    """The call; one that names no tool cannot be run either, and needs a name to be told and sent back."""
    if not name:
        return ToolCallRequested(call_id, _NAMELESS, {}, "it does not say which tool is meant")
    return ToolCallRequested(call_id, name, arguments, misread)
