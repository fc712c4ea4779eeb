"""The tools behind ``/test perm``, ``fs``, ``form``, ``url`` and ``terminal``: they exercise the client, nothing else.

Registered by the composition root for the providers that need no model, so that people who work on an editor can drive
its side of the protocol at full speed.
"""

from __future__ import annotations

import os
from typing import Any, Final

from agent_server.agent.editor import EditorWorkspace
from agent_server.conversation.tool_calls import TerminalRef, ToolContent, ToolKind, ToolSpec
from agent_server.conversation.visible import visible
from agent_server.errors import CapabilityMissing, ConnectionClosed, RpcError, ToolError
from agent_server.tools.ports import ExitStatus, TerminalWriter, ToolContext
from agent_server.tools.run_command import command_title
from agent_server.tools.tool import PreparedCall, ToolResult

MAX_COUNT: Final = 1_000_000
COMMAND_S: Final = 60.0
VISITED_URL: Final = "https://example.com/"


class SelfTest:
    """Asks for permissions, or reads through the client, many times in one call; shows a form, or sends the user to a
    page. Implements the Tool port.
    """

    spec = ToolSpec(
        name="self_test",
        testing=True,
        description="Exercises the client: permission requests, file reads, questions. For testing editors.",
        parameters={
            "type": "object",
            "properties": {
                "action": {"enum": ["perm", "fs", "form", "url"]},
                "count": {"type": "integer", "minimum": 0, "maximum": MAX_COUNT},
            },
            "required": ["action"],
        },
        kind=ToolKind.OTHER,
    )

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Check the arguments.

        Raises:
            ToolError: they are wrong.
        """
        action, count = arguments.get("action"), arguments.get("count", 1)
        if type(count) is not int or not 0 <= count <= MAX_COUNT:
            raise ToolError(f"count must be an integer from 0 to {MAX_COUNT}")
        if action == "perm":
            return PreparedCall(f"Ask {count} times", lambda: _permissions(context, count))
        if action == "fs":
            return PreparedCall(f"Read {count} times", lambda: _reads(context, count))
        if action == "form":
            return PreparedCall("Show a form", lambda: _form(context))
        if action == "url":
            return PreparedCall("Send to a page", lambda: _visit(context))
        raise ToolError("action must be perm, fs, form or url")


class SelfTestTerminal:
    """Runs a command in a terminal of the client, after a permission like any command. Implements the Tool port."""

    spec = ToolSpec(
        name="self_test_terminal",
        testing=True,
        description="Runs a command in a terminal of the client. For testing editors.",
        parameters={
            "type": "object",
            "properties": {"command": {"type": "string", "minLength": 1}},
            "required": ["command"],
        },
        kind=ToolKind.EXECUTE,
        changes=True,
    )

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Check the arguments.

        Raises:
            ToolError: there is no command, or no client to run it.
        """
        command = arguments.get("command")
        if type(command) is not str or not command.strip():
            raise ToolError("command must be a text that is not empty")
        _editor(context)
        return PreparedCall(
            title=command_title(command),
            run=lambda: _terminal(context, command),
            trust_key=f"{self.spec.name}:{command}",
            trust_label=f"the exact command {visible(command)}",
        )


async def _permissions(context: ToolContext, count: int) -> ToolResult:
    granted = 0
    for _ in range(count):
        granted += await context.ask_permission("Self test", subject="self_test")
    return ToolResult.text(f"{granted} of {count} were granted")


async def _reads(context: ToolContext, count: int) -> ToolResult:
    workspace = _editor(context)
    path = os.path.join(workspace.cwd, "a.txt")
    length = 0
    try:
        for _ in range(count):
            length = len(await workspace.read_from_client(path))
    except (RpcError, ConnectionClosed, CapabilityMissing) as error:
        raise ToolError(f"the client could not read: {error}") from error
    return ToolResult.text(f"{count} reads; the last gave {length} characters")


async def _form(context: ToolContext) -> ToolResult:
    from agent_server.agent.self_test_form import FIELDS

    answer = await context.ask_user("This form has a field of every kind; nothing is kept.", FIELDS)
    if answer is None:
        return ToolResult.text("the client offers no forms")
    names = ", ".join(answer.content or {}) or "nothing"
    return ToolResult.text(f"{answer.action}, with {names}")


async def _visit(context: ToolContext) -> ToolResult:
    visit = await context.ask_to_visit("This page is for examples; nothing needs to be done there.", VISITED_URL)
    if visit is None:
        return ToolResult.text("the client offers no visits")
    visit.completed()
    return ToolResult.text(visit.action)


async def _terminal(context: ToolContext, command: str) -> ToolResult:
    watcher = _Watcher(command, context)
    status = await _editor(context).run(command, timeout_s=COMMAND_S, observer=watcher, in_editor=True)
    text = f"{watcher.output_bytes} bytes of output; {_ending(status)}"
    return ToolResult(ToolResult.text(text).parts, content=watcher.content)


class _Watcher:
    def __init__(self, command: str, context: ToolContext) -> None:
        self._command = command
        self._context = context
        self._terminal: TerminalWriter | None = None
        self.content: tuple[ToolContent, ...] = ()
        self.output_bytes = 0

    def started(self, client_terminal_id: str | None) -> None:
        if client_terminal_id is not None:
            cwd = self._context.workspace.cwd
            self._terminal = self._context.open_terminal(self._command, cwd, client_terminal_id=client_terminal_id)
            self.content = (TerminalRef(client_terminal_id, "client"),)
            self._context.report(content=self.content)

    def output(self, data: bytes) -> None:
        self.output_bytes += len(data)
        if self._terminal is not None:
            self._terminal.write(data)


def _ending(status: ExitStatus) -> str:
    if status.timed_out:
        return "timed out"
    return f"killed by {status.signal}" if status.signal else f"exit code {status.exit_code}"


def _editor(context: ToolContext) -> EditorWorkspace:
    if not isinstance(context.workspace, EditorWorkspace):
        raise ToolError("this session has no client to test")
    return context.workspace
