"""Showing a turn to a person: the agent's text on stdout, everything else on stderr."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any, Final, Protocol

from agent_server.cli.diff_look import diff_look
from agent_server.cli.style import Style, one_line, safe
from agent_server.client.entries import ToolCallEntry
from agent_server.conversation.diffs import diff_lines
from agent_server.conversation.tool_calls import FileChange
from agent_server.protocol.v1.content import ContentBlock, TextContent
from agent_server.protocol.v1.tool_calls import Content, Diff, RequestPermissionRequest
from agent_server.protocol.v1.updates import (
    AgentMessageChunk,
    AgentThoughtChunk,
    CurrentModeUpdate,
    Notice,
    PlanUpdate,
    SessionUpdate,
    ToolCallProgressed,
    ToolCallStarted,
)

MAX_FAILURE_LINES: Final = 12
MAX_RESULT_LINES: Final = 40


class Output(Protocol):
    """Where it goes."""

    def out(self, text: str) -> None:
        """To stdout."""

    def err(self, text: str) -> None:
        """To stderr."""

    def status(self, text: str) -> None:
        """What is going on; shown where there is a status line."""


class Renderer:
    """Follows the updates of one session.

    Args:
        output: takes the text.
        style: how it looks.
        out_is_terminal: whether stdout is a terminal; then its text is made harmless too.
        one_terminal: whether stdout and stderr are the same terminal.
    """

    def __init__(self, output: Output, style: Style, *, out_is_terminal: bool, one_terminal: bool) -> None:
        self._output = output
        self._style = style
        self._out_is_terminal = out_is_terminal
        self._one_terminal = one_terminal
        self._open = {"out": False, "err": False}
        self._calls: dict[str, ToolCallEntry] = {}
        self._shown: dict[str, str] = {}
        self._diffs: set[tuple[str, str | None, str]] = set()
        self._message: tuple[type, str | None] | None = None
        self._activity = ""

    def take(self, update: SessionUpdate) -> None:
        """Show one update."""
        show = _SHOWN.get(type(update))
        if show is not None:
            show(self, update)

    def line(self, text: str) -> None:
        """A line of our own on stderr."""
        self._fresh("err")
        self._output.err(text + "\n")
        self._show_status()

    def activity(self, text: str) -> None:
        """What the status line says from now on."""
        self._activity = text
        self._show_status()

    def finish(self) -> None:
        """The turn is over: end the last line."""
        self._activity = ""
        self._output.status("")
        self._fresh("out")
        self._fresh("err")

    def question(self, request: RequestPermissionRequest) -> None:
        """Show what the agent wants to do."""
        call = self._calls.setdefault(request.tool_call.tool_call_id, ToolCallEntry(request.tool_call.tool_call_id))
        call.apply(request.tool_call)
        self._show_diffs(call)
        self.line(self._style.paint("? ", "yellow") + self._style.paint(_title(call), "bold"))

    def options(self, request: RequestPermissionRequest) -> None:
        """Show the answers that may be given, by number."""
        for number, option in enumerate(request.options, 1):
            self.line(f"  {number}  {one_line(option.name)}")

    # Streams

    def _fresh(self, stream: str) -> None:
        """Begin a new line there, unless one has just begun."""
        streams = ("out", "err") if self._one_terminal else (stream,)
        mid_line = any(self._open[each] for each in streams)
        self._open.update(dict.fromkeys(streams, False))
        if mid_line:
            (self._output.out if stream == "out" else self._output.err)("\n")

    def _show_status(self) -> None:
        mid_line = self._open["err"] or (self._open["out"] and self._out_is_terminal)
        width = shutil.get_terminal_size().columns - 4
        self._output.status("" if mid_line or not self._activity else self._activity[: max(width, 8)])

    # Updates

    def _show_text(self, update: AgentMessageChunk) -> None:
        if not isinstance(update.content, TextContent):
            self.line(_name_of(update.content))
            return
        text = safe(update.content.text) if self._out_is_terminal else update.content.text
        if not text:
            return
        if self._message != (message := (AgentMessageChunk, update.message_id)):
            self._message = message
            self._fresh("out")
        if self._out_is_terminal:
            self._output.status("")
        self._output.out(text)
        self._open["out"] = not text.endswith("\n")

    def _show_thought(self, update: AgentThoughtChunk) -> None:
        if not isinstance(update.content, TextContent) or not update.content.text:
            return
        text = safe(update.content.text)
        if self._message != (message := (AgentThoughtChunk, update.message_id)):
            self._message = message
            self._fresh("err")
            text = ("" if self._style.fancy else "thought: ") + text
        self._output.status("")
        self._output.err(self._style.paint(text, "dim"))
        self._open["err"] = not text.endswith("\n")

    def _show_tool_call(self, update: ToolCallStarted | ToolCallProgressed) -> None:
        call = self._calls.setdefault(update.tool_call_id, ToolCallEntry(update.tool_call_id))
        call.apply(update)
        before = self._shown.get(call.tool_call_id, "pending")
        self._end_nameless_message()
        if call.status != before:  # a pending call often has no proper title yet
            self._shown[call.tool_call_id] = call.status
            self._show_call_line(call)
        self._show_diffs(call)
        if call.status in ("completed", "failed") and before != call.status:
            self._show_result(call, MAX_FAILURE_LINES if call.status == "failed" else MAX_RESULT_LINES)
        self.activity("Working" if call.status in ("completed", "failed") else _title(call))

    def _end_nameless_message(self) -> None:
        """Without ids, only what stands between two messages tells them apart."""
        if self._message is not None and self._message[1] is None:
            self._message = None

    def _show_call_line(self, call: ToolCallEntry) -> None:
        mark = self._style.marks.get(call.status, "-")
        look: Any = {"completed": "green", "failed": "red"}.get(call.status, "cyan")
        text = f"{self._style.paint(mark, look)} {_title(call)}"
        self.line(text if self._style.fancy else f"{text} ({call.status.replace('_', ' ')})")

    def _show_result(self, call: ToolCallEntry, most_lines: int) -> None:
        """What the call shows as text; diffs are shown on their own."""
        texts = [item.content.text for item in call.content if isinstance(item, Content) and _is_text(item.content)]  # type: ignore[union-attr]
        lines = safe("\n".join(texts)).strip().splitlines()
        for line in lines[:most_lines]:
            self.line(self._style.paint(f"  {line}", "dim"))
        if len(lines) > most_lines:
            self.line(self._style.paint(f"  … {len(lines) - most_lines} more lines", "dim"))

    def _show_diffs(self, call: ToolCallEntry) -> None:
        for item in call.content:
            if not isinstance(item, Diff) or (key := (item.path, item.old_text, item.new_text)) in self._diffs:
                continue
            self._diffs.add(key)
            for line in diff_lines(FileChange("modify", item.path, item.old_text, item.new_text)):
                self.line(self._style.paint(line, look) if (look := diff_look(line)) else line)

    def _show_plan(self, update: PlanUpdate) -> None:
        self.line(self._style.paint("Plan", "bold") if self._style.fancy else "plan:")
        for entry in update.entries:
            self.line(f"  {self._style.boxes[entry.status]} {one_line(entry.content)}")

    def _show_mode(self, update: CurrentModeUpdate) -> None:
        self.line(f"mode: {one_line(update.current_mode_id)}")

    def _show_notice(self, update: Notice) -> None:
        text = one_line(update.title) + (f": {one_line(update.description)}" if update.description else "")
        self.line(self._style.paint(f"{one_line(update.severity, 20)}: {text}", "yellow"))


_SHOWN: Final[dict[type, Callable[[Renderer, Any], None]]] = {
    AgentMessageChunk: Renderer._show_text,
    AgentThoughtChunk: Renderer._show_thought,
    ToolCallStarted: Renderer._show_tool_call,
    ToolCallProgressed: Renderer._show_tool_call,
    PlanUpdate: Renderer._show_plan,
    CurrentModeUpdate: Renderer._show_mode,
    Notice: Renderer._show_notice,
}


def _title(call: ToolCallEntry) -> str:
    return one_line(call.title or call.name or call.tool_call_id)


def _is_text(block: ContentBlock) -> bool:
    return isinstance(block, TextContent)


def _name_of(block: ContentBlock) -> str:
    what = getattr(block, "mime_type", None) or getattr(block, "uri", None) or ""
    return f"[{block.type} {one_line(what)}]" if what else f"[{block.type}]"
