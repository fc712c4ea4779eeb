"""What the kit does for an agent that asks for files, permissions, terminals, forms and pages."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.agent_link import Refusal, Serve

EVERYTHING: Mapping[str, Any] = {
    "fs": {"readTextFile": True, "writeTextFile": True},
    "terminal": True,
    "auth": {"terminal": True},
    "elicitation": {"form": {}, "url": {}},
    "session": {"configOptions": {"boolean": {}}, "notices": {}, "compaction": {}},
}
"""All stable capabilities of a client."""

UNSTABLE: Mapping[str, Any] = {**EVERYTHING, "plan": {}, "subagents": {}}

RESOURCE_NOT_FOUND, INTERNAL_ERROR = -32002, -32603
FILE_TEXT = "first line\nsecond line\nthird line\n"


async def allow(params: Mapping[str, Any]) -> Any:
    """Answer a question for permission with the first option that allows once, or at all."""
    return _selected(params, "allow_once", "allow_always")


async def reject(params: Mapping[str, Any]) -> Any:
    """Answer a question for permission with the first option that rejects."""
    return _selected(params, "reject_once", "reject_always")


async def say_cancelled(params: Mapping[str, Any]) -> Any:
    return {"outcome": {"outcome": "cancelled"}}


async def fail(params: Mapping[str, Any]) -> Any:
    """Answer anything with an internal error."""
    raise Refusal(INTERNAL_ERROR, "the client cannot do that")


async def visit(params: Mapping[str, Any]) -> Any:
    """Answer as a user who goes to every page and fills in no form."""
    return {"action": "accept" if params.get("mode") == "url" else "decline"}


async def decline(params: Mapping[str, Any]) -> Any:
    """Answer a form or a page as a user who does not want to."""
    return {"action": "decline"}


async def dismiss(params: Mapping[str, Any]) -> Any:
    """Answer a form or a page as a user who closes it without a word."""
    return {"action": "cancel"}


async def read_file(params: Mapping[str, Any]) -> Any:
    """Serve a text that stands in every file, or the file on disk where there is one."""
    path = Path(str(params.get("path")))
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else FILE_TEXT
    lines = text.splitlines(keepends=True)
    first = max(int(params.get("line") or 1), 1) - 1
    limit = params.get("limit")
    return {"content": "".join(lines[first : None if limit is None else first + int(limit)])}


async def write_file(params: Mapping[str, Any]) -> Any:
    """Say that it was written; nothing is."""
    return {}


class Terminals:
    """Terminals in which every command has ended already, having said one line; with ``endless``, none ever ends."""

    def __init__(self, *, endless: bool = False) -> None:
        self._endless = endless
        self._numbers = itertools.count(1)
        self._killed: dict[str, asyncio.Event] = {}

    def services(self) -> dict[str, Serve]:
        return {
            "terminal/create": self._create,
            "terminal/output": self._output,
            "terminal/wait_for_exit": self._wait,
            "terminal/kill": self._kill,
            "terminal/release": self._kill,
        }

    async def _create(self, params: Mapping[str, Any]) -> Any:
        terminal_id = f"terminal-{next(self._numbers)}"
        self._killed[terminal_id] = asyncio.Event()
        if not self._endless:
            self._killed[terminal_id].set()
        return {"terminalId": terminal_id}

    def _ended(self, params: Mapping[str, Any]) -> asyncio.Event:
        event = self._killed.get(str(params.get("terminalId")))
        if event is None:
            raise Refusal(RESOURCE_NOT_FOUND, "there is no such terminal")
        return event

    async def _output(self, params: Mapping[str, Any]) -> Any:
        ended = self._ended(params).is_set()
        return {"output": "hello\n", "truncated": False, **({"exitStatus": self._status()} if ended else {})}

    async def _wait(self, params: Mapping[str, Any]) -> Any:
        await self._ended(params).wait()
        return self._status()

    async def _kill(self, params: Mapping[str, Any]) -> Any:
        self._ended(params).set()
        return {}

    def _status(self) -> dict[str, Any]:
        return {"signal": "SIGTERM"} if self._endless else {"exitCode": 0}


def friendly() -> dict[str, Serve]:
    """A client that does what it is asked, and a user who allows all, goes to every page and fills in no form."""
    return {
        "session/request_permission": allow,
        "fs/read_text_file": read_file,
        "fs/write_text_file": write_file,
        "elicitation/create": visit,
        **Terminals().services(),
    }


def _selected(params: Mapping[str, Any], *kinds: str) -> Any:
    options = [option for option in params.get("options") or () if isinstance(option, dict)]
    for kind in kinds:
        for option in options:
            if option.get("kind") == kind:
                return {"outcome": {"outcome": "selected", "optionId": option.get("optionId")}}
    return {"outcome": {"outcome": "cancelled"}}
