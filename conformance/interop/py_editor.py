"""The editor that the Python client plays: unsaved buffers, a user who decides, and a tap on the wire."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .py_sdk import StreamDirection, acp, schema
from .py_terminals import Terminals

TURN_UPDATES = {
    "agent_message_chunk",
    "agent_thought_chunk",
    "plan",
    "tool_call",
    "tool_call_update",
    "usage_update",
    "user_message_chunk",
}
"""What is told of a turn: none of it may reach the client while neither a prompt nor a load of that session is open."""


@dataclass
class Permission:
    """One permission that the agent asked for, and which of the watched files existed at that moment."""

    option_kinds: list[str]
    existing: list[str]


class Editor(Terminals):
    """The callbacks that the SDK calls.

    ``unsaved`` maps a path to the text that the user has not saved yet. ``choice`` is the kind of the option that the
    user takes, or ``cancelled``: the user stops the turn instead of choosing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unsaved: dict[str, str] = {}
        self.choice = "allow_once"
        self.watched: list[str] = []
        self.permissions: list[Permission] = []
        self.reads: list[str] = []
        self.writes: list[tuple[str, str]] = []
        self.forms: list[Any] = []
        self.updates: defaultdict[str, list[Any]] = defaultdict(list)
        self._changed = asyncio.Event()

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        self.updates[session_id].append(update)
        self._changed.set()

    def on_connect(self, agent: Any) -> None:
        self._agent = agent

    async def request_permission(self, session_id: str, options: list[Any], **_: Any) -> Any:
        existing = [path for path in self.watched if Path(path).exists()]
        self.permissions.append(Permission([option.kind for option in options], existing))
        if self.choice == "cancelled":
            await self._agent.cancel(session_id=session_id)
            return schema.RequestPermissionResponse(outcome=schema.DeniedOutcome(outcome="cancelled"))
        chosen = next((option for option in options if option.kind == self.choice), None)
        if chosen is None:
            raise acp.RequestError.invalid_params({"details": f"no option of the kind {self.choice}"})
        outcome = schema.AllowedOutcome(option_id=chosen.option_id, outcome="selected")
        return schema.RequestPermissionResponse(outcome=outcome)

    async def write_text_file(self, path: str, content: str, **_: Any) -> None:
        self.writes.append((path, content))
        self.unsaved.pop(path, None)
        Path(path).write_text(content, encoding="utf-8")

    async def read_text_file(self, path: str, line: int | None = None, limit: int | None = None, **_: Any) -> Any:
        self.reads.append(path)
        if path not in self.unsaved and not Path(path).is_file():
            raise acp.RequestError.resource_not_found(path)
        text = self.unsaved[path] if path in self.unsaved else Path(path).read_text(encoding="utf-8")
        if line is not None or limit is not None:
            first = max((line or 1) - 1, 0)
            text = "".join(text.splitlines(keepends=True)[first:][:limit])
        return schema.ReadTextFileResponse(content=text)

    async def create_elicitation(self, message: str, mode: Any, **_: Any) -> Any:
        self.forms.append(mode)
        return schema.AcceptElicitationResponse(action="accept", content={"name": "Ada"})

    def texts(self, session_id: str, kind: str = "agent_message_chunk") -> list[str]:
        """Return the text of each chunk of that kind, in the order in which the SDK delivered them."""
        return [u.content.text for u in self.updates[session_id] if u.session_update == kind]

    def shown(self, session_id: str) -> str:
        """Return all that the user could see of a session: every update as JSON, one a line."""
        return "\n".join(update.model_dump_json(by_alias=True) for update in self.updates[session_id])

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until an update makes the condition true."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()


class Wire:
    """Watches the raw messages of both directions, because the SDK hands updates on concurrently."""

    def __init__(self) -> None:
        self.out_of_turn: list[tuple[str, str]] = []
        self._requests: dict[Any, dict[str, Any]] = {}
        self._answered: list[Any] = []
        self._open: Counter[str] = Counter()

    def speech_begins(self, session_id: str) -> None:
        self._open[session_id] += 1

    def answered_methods(self) -> list[str]:
        """Return the methods of the answered requests, in the order in which the answers arrived."""
        return [self._requests[request_id]["method"] for request_id in self._answered]

    def __call__(self, event: Any) -> None:
        message = event.message
        if event.direction is StreamDirection.OUTGOING:
            if "method" in message and "id" in message:
                self._requests[message["id"]] = message
                # The SDK reports a request only after its bytes have left, when the answer may be there already.
                if message["id"] in self._answered:
                    self._ends(message)
        elif message.get("method") == "session/update":
            self._check(message["params"])
        elif "method" not in message:
            self._answered.append(message.get("id"))
            if message.get("id") in self._requests:
                self._ends(self._requests[message["id"]])

    def _check(self, params: dict[str, Any]) -> None:
        kind = params["update"]["sessionUpdate"]
        if kind in TURN_UPDATES and not self._open[params["sessionId"]]:
            self.out_of_turn.append((kind, params["sessionId"]))

    def _ends(self, request: dict[str, Any]) -> None:
        if request["method"] in ("session/prompt", "session/load"):
            self._open[request["params"]["sessionId"]] -= 1


class Complaints(logging.Handler):
    """Collects what the SDK logs: a frame that it cannot parse or validate shows up nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        cause = f": {record.exc_info[1]}" if record.exc_info else ""
        line = f"{record.getMessage()}{cause}"
        # Schema 1.19, which this SDK speaks, has no such notification; what begins with $/ may be sent all the same.
        if "method=$/cancel_request: Method not found" not in line:
            self.lines.append(line)
