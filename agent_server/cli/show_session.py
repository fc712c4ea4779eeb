"""A stored session as lines on a terminal or in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from agent_server.cli.diff_look import diff_look
from agent_server.cli.style import Look, Style, one_line
from agent_server.conversation.content import TextPart
from agent_server.conversation.diffs import diff_lines
from agent_server.conversation.export import wording
from agent_server.conversation.tool_calls import ToolStatus
from agent_server.conversation.transcript import Compaction, Message, Note, Plan, ToolCall, Transcript, TurnEnd
from agent_server.conversation.visible import readable

MAX_OUTPUT_LINES: Final = 40
THOUGHT_CHARS: Final = 100

_CALL_LOOKS: Final[dict[ToolStatus, Look]] = {ToolStatus.COMPLETED: "green", ToolStatus.CANCELLED: "yellow"}


def shown_lines(transcript: Transcript, style: Style, *, thoughts: bool) -> Iterator[str]:
    """Everything, oldest first; thoughts as one line each unless all of them are wanted.

    Nothing in a line is hidden or steers a terminal.
    """
    yield style.paint(one_line(transcript.heading), "bold")
    for name, value in wording.facts(transcript):
        yield style.paint(f"{name}: {value}", "dim")
    view = _View(style, thoughts)
    for entry in transcript.entries:
        lines = list(_LINES[type(entry)](view, entry))
        if lines:
            yield ""
            yield from lines


class _View:
    def __init__(self, style: Style, thoughts: bool) -> None:
        self._style = style
        self._thoughts = thoughts

    def message(self, message: Message) -> Iterator[str]:
        if message.role == "thought" and not self._thoughts:
            yield self._style.paint(f"thought: {one_line(message.text, THOUGHT_CHARS)}", "dim")
            return
        look: Look = {"user": "cyan", "agent": "green"}.get(message.role, "dim")  # type: ignore[assignment]
        yield self._style.paint(f"{wording.SPEAKERS[message.role].lower()}:", look)
        for part in message.parts:
            if isinstance(part, TextPart):
                yield from readable(part.text).strip("\n").split("\n")
            else:
                yield wording.part_line(part)

    def call(self, call: ToolCall) -> Iterator[str]:
        look = _CALL_LOOKS.get(call.status, "red" if call.status.ended else "yellow")
        mark = self._style.marks.get(call.status.value, self._style.marks["failed"])
        yield f"{self._style.paint(mark, look)} {wording.call_line(call)}"
        for change in call.changes:
            for line in diff_lines(change):
                painted = diff_look(line)
                yield self._style.paint(line, painted) if painted else line
        for command in call.commands:
            yield from self._ends(wording.command_text(command))
        said = wording.result_text(call)
        if said:
            yield from self._ends(said)

    def note(self, note: Note) -> Iterator[str]:
        yield self._style.paint(one_line(note.text, 1000), "red" if note.level == "error" else "dim")

    def plan(self, plan: Plan) -> Iterator[str]:
        yield "plan:"
        for entry in plan.entries:
            yield f"  {self._style.boxes[entry.status]} {one_line(entry.content)}"

    def compaction(self, compaction: Compaction) -> Iterator[str]:
        yield self._style.paint(wording.compacted(compaction), "dim")

    def turn_end(self, end: TurnEnd) -> Iterator[str]:
        text = wording.stopped(end)
        if text:
            yield self._style.paint(text, "red" if end.failure is not None else "yellow")

    def _ends(self, text: str) -> Iterator[str]:
        """The first line and the last ones of what a tool said."""
        lines = text.split("\n")
        missing = len(lines) - MAX_OUTPUT_LINES
        if missing > 0:
            lines[1 : missing + 1] = [f"… {missing} more lines"]
        for line in lines:
            yield self._style.paint(f"  {line}", "dim")


_LINES: Final[dict[type, Callable[[_View, Any], Iterator[str]]]] = {
    Message: _View.message,
    ToolCall: _View.call,
    Note: _View.note,
    Plan: _View.plan,
    Compaction: _View.compaction,
    TurnEnd: _View.turn_end,
}
