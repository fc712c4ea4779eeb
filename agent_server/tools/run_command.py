"""The tool that runs a shell command."""

from __future__ import annotations

import re
from typing import Any

from agent_server.conversation.content import TextPart
from agent_server.conversation.tool_calls import TerminalRef, ToolContent, ToolKind, ToolSpec
from agent_server.conversation.visible import visible
from agent_server.errors import ToolError
from agent_server.processes.batches import Batches
from agent_server.processes.bounded import HeadAndTail
from agent_server.tools.arguments import Arguments, json_type, object_schema
from agent_server.tools.ports import ExitStatus, TerminalWriter, ToolContext
from agent_server.tools.tool import PreparedCall, ToolResult

DEFAULT_TIMEOUT_S = 120.0
MAX_TIMEOUT_S = 600.0
HEAD_BYTES = 32 * 1024
TAIL_BYTES = 32 * 1024
_MAX_TITLE_CHARS = 200
_ELLIPSIS = "…"

_SPEC = ToolSpec(
    name="run_command",
    description=(
        "Run a shell command (/bin/sh -c) in the session's working directory and return what it wrote to stdout and "
        "stderr, in order. It gets no input. Whatever it leaves running in the background is ended with it. Output "
        "over 64 KiB is cut in the middle. The last line says the exit code if it is not 0."
    ),
    parameters=object_schema(
        {
            "command": {"type": "string", "minLength": 1, "description": "The command line for /bin/sh."},
            "timeout_s": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": MAX_TIMEOUT_S,
                "description": f"Seconds until the command is ended; {DEFAULT_TIMEOUT_S:g} if left out.",
            },
        },
        required=("command",),
    ),
    kind=ToolKind.EXECUTE,
    changes=True,
)


class RunCommand:
    """The tool ``run_command``; with ``in_editor`` it asks for a terminal of the client's.

    ``timeout_s`` holds for calls that name no time.

    Req: TL-07, TN-17
    """

    def __init__(self, *, in_editor: bool = False, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._in_editor = in_editor
        self._timeout_s = timeout_s

    @property
    def spec(self) -> ToolSpec:
        """How models see it."""
        return _SPEC

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Check the arguments and show the whole command.

        Raises:
            ToolError: an argument is missing, unknown, of the wrong type or out of range.
        """
        checked = Arguments(arguments, _SPEC.parameters)
        command = _checked_command(checked.filled_string("command"))
        timeout_s = _checked_timeout_s(arguments.get("timeout_s"), self._timeout_s)
        return PreparedCall(
            title=command_title(command),
            run=lambda: self._run(command, timeout_s, context),
            content=(TextPart(fenced_command(command)),),
            trust_key=f"{_SPEC.name}:{command}",
            trust_label=f"the exact command {visible(command)}",
        )

    async def _run(self, command: str, timeout_s: float, context: ToolContext) -> ToolResult:
        watcher = _Watcher(command, context)
        status = ExitStatus(None)
        try:
            status = await context.workspace.run(
                command, timeout_s=timeout_s, observer=watcher, in_editor=self._in_editor
            )
        finally:
            watcher.close(status)
        return _result(watcher, status, timeout_s)


class _Watcher:
    """Hears the command: keeps a bounded part for the model, and shows all of it live where it runs on this side."""

    def __init__(self, command: str, context: ToolContext) -> None:
        self._command = command
        self._context = context
        self._terminal: TerminalWriter | None = None
        self._live: Batches | None = None
        self.kept = HeadAndTail(head_bytes=HEAD_BYTES, tail_bytes=TAIL_BYTES)
        self.content: tuple[ToolContent, ...] = ()

    def started(self, client_terminal_id: str | None) -> None:
        cwd = self._context.workspace.cwd
        self._terminal = self._context.open_terminal(self._command, cwd, client_terminal_id=client_terminal_id)
        if client_terminal_id is None:
            self._live = Batches(self._terminal.write)
            self._show(TerminalRef(self._terminal.terminal_id))
        else:
            self._show(TerminalRef(client_terminal_id, owner="client"))

    def output(self, data: bytes) -> None:
        self.kept.add(data)
        if self._live is not None:
            self._live.add(data)
        elif self._terminal is not None:  # it comes in one piece, and must be recorded before the terminal is released
            self._terminal.write(data)

    def close(self, status: ExitStatus) -> None:
        if self._terminal is None:
            return
        try:
            if self._live is not None:
                self._live.flush()
        finally:
            self._terminal.close(status)

    def _show(self, terminal: TerminalRef) -> None:
        self.content = (terminal,)
        self._context.report(content=self.content)


def command_title(command: str) -> str:
    """The first line of a command that holds anything, with nothing hidden in it; what was left out is marked."""
    first, *rest = command.strip().split("\n", 1)
    shown = f"{visible(first)} {_ELLIPSIS}" if rest else visible(first)
    return shown if len(shown) <= _MAX_TITLE_CHARS else shown[: _MAX_TITLE_CHARS - 1] + _ELLIPSIS


def fenced_command(command: str) -> str:
    """The whole command as a Markdown code block that it cannot break out of; line ends and tabs stay."""
    lines = ("\t".join(map(visible, line.split("\t"))) for line in command.split("\n"))
    longest_run = max(map(len, re.findall("`+", command)), default=0)
    fence = "`" * max(3, longest_run + 1)
    return "\n".join((f"{fence}sh", *lines, fence))


def _checked_command(command: str) -> str:
    if not command.strip():
        raise ToolError("command is blank: a shell command is required")
    if "\0" in command:
        raise ToolError("command holds a NUL character, which no program can be given")
    try:
        command.encode()
    except UnicodeEncodeError:
        raise ToolError("command holds half of a surrogate pair, which is no character") from None
    return command


def _checked_timeout_s(value: Any, default_s: float) -> float:
    expected = f"a number of seconds above 0 and at most {MAX_TIMEOUT_S:g} is required"
    if value is None:
        return default_s
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ToolError(f"timeout_s is of type {json_type(value)}: {expected}")
    if not 0 < value <= MAX_TIMEOUT_S:
        raise ToolError(f"timeout_s is {value}: {expected}")
    return float(value)


def _result(watcher: _Watcher, status: ExitStatus, timeout_s: float) -> ToolResult:
    output = watcher.kept.take().decode(errors="replace")
    ending = _ending(status, timeout_s)
    gap = "\n" if ending and output and not output.endswith("\n") else ""
    return ToolResult(
        (TextPart(f"{output}{gap}{ending}" or "(no output)"),),
        content=watcher.content or None,
        raw_output={"exitCode": status.exit_code, "signal": status.signal, "timedOut": status.timed_out},
        failed=bool(ending),
    )


def _ending(status: ExitStatus, timeout_s: float) -> str:
    """The last line for the model; empty for a command that went well."""
    if status.timed_out:
        return f"timed out after {timeout_s:g} s"
    if status.signal is not None:
        return f"killed by {status.signal}"
    if status.exit_code is None:
        return "it is not known how the command ended"
    return f"exit code {status.exit_code}" if status.exit_code else ""
