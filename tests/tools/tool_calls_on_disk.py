"""Calling tools on a real directory, as a session would: prepare, then run."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.content import text_of
from agent_server.conversation.questions import FormField, UserAnswer
from agent_server.conversation.tool_calls import FileChange, Location, ToolContent
from agent_server.errors import ToolError
from agent_server.tools.local_workspace import LocalWorkspace
from agent_server.tools.ports import ExitStatus, TerminalWriter, VisitAnswer, Workspace
from agent_server.tools.tool import PreparedCall, Tool, ToolResult


@dataclass
class RecordingContext:
    """A tool context that keeps what was reported."""

    workspace: Workspace
    reports: list[tuple[tuple[ToolContent, ...] | None, tuple[Location, ...] | None]] = field(default_factory=list)

    def report(
        self, *, content: tuple[ToolContent, ...] | None = None, locations: tuple[Location, ...] | None = None
    ) -> None:
        self.reports.append((content, locations))

    def open_terminal(
        self, command: str, cwd: str, *, client_terminal_id: str | None = None
    ) -> TerminalWriter:
        return RecordingTerminal(f"{cwd}$ {command}")

    async def ask_permission(self, title: str, *, subject: str) -> bool:
        return False

    async def ask_user(self, message: str, fields: tuple[FormField, ...]) -> UserAnswer | None:
        return None

    async def ask_to_visit(self, message: str, url: str) -> VisitAnswer | None:
        return None


@dataclass
class RecordingTerminal:
    """A terminal that keeps what was written."""

    terminal_id: str
    written: bytearray = field(default_factory=bytearray)
    status: ExitStatus | None = None

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self, status: ExitStatus) -> None:
        self.status = status


class Desk:
    """One workspace on disk and the calls made in it."""

    def __init__(self, cwd: Path, *roots: Path) -> None:
        self.cwd = cwd
        self.workspace = LocalWorkspace(str(cwd), [str(root) for root in roots])
        self.context = RecordingContext(self.workspace)

    def file(self, path: str, content: bytes | str = b"") -> Path:
        """Put a file there, with its directories."""
        whole = self.cwd / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(content.encode() if isinstance(content, str) else content)
        return whole

    def prepare(self, tool: Tool, **arguments: Any) -> PreparedCall:
        return asyncio.run(tool.prepare(arguments, self.context))

    def run(self, prepared: PreparedCall) -> ToolResult:
        return asyncio.run(_run(prepared))

    def call(self, tool: Tool, **arguments: Any) -> ToolResult:
        return self.run(self.prepare(tool, **arguments))

    def text(self, tool: Tool, **arguments: Any) -> str:
        return text_of(self.call(tool, **arguments).parts)

    def lines(self, tool: Tool, **arguments: Any) -> list[str]:
        return self.text(tool, **arguments).split("\n")

    def refusal(self, tool: Tool, **arguments: Any) -> str:
        """What the model is told when the call does not work."""
        with pytest.raises(ToolError) as caught:
            self.call(tool, **arguments)
        return str(caught.value)

    def refused_run(self, prepared: PreparedCall) -> str:
        with pytest.raises(ToolError) as caught:
            self.run(prepared)
        return str(caught.value)

    def snapshot(self) -> dict[str, bytes]:
        """Every file below the working directory."""
        return {
            os.path.relpath(path, self.cwd): path.read_bytes()
            for path in sorted(self.cwd.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }


async def _run(prepared: PreparedCall) -> ToolResult:
    return await prepared.run()


def desk(tmp_path: Path, *, name: str = "ws") -> Desk:
    """An empty workspace, its path free of symlinks."""
    cwd = tmp_path.resolve() / name
    cwd.mkdir(exist_ok=True)
    return Desk(cwd)


def change_of(prepared: PreparedCall) -> FileChange:
    """The one file change that a prepared call shows."""
    (change,) = prepared.content
    assert isinstance(change, FileChange)
    return change
