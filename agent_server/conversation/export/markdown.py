"""A transcript as Markdown, with tool calls and thoughts folded.

What people and models wrote is Markdown already and stays as it is, but for characters that hide something, and for
tags and open blocks of code that would swallow what follows. It is no cage: a page that shows Markdown of others must
clean it, as it must clean any. What tools wrote stands in code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from agent_server.conversation.content import TextPart
from agent_server.conversation.diffs import diff_lines
from agent_server.conversation.export import wording
from agent_server.conversation.transcript import Compaction, Message, Note, Plan, ToolCall, Transcript, TurnEnd
from agent_server.conversation.visible import readable, visible

_BOXES: Final = {"pending": " ", "in_progress": "~", "completed": "x"}
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~&])")
_TAG: Final = re.compile(r"<(?=[A-Za-z/!?])")
_FENCE: Final = re.compile(r"^[\s>*+\-\d.)]*(`{3,}|~{3,})(.*)$")


def markdown(transcript: Transcript) -> str:
    """The whole document."""
    blocks = [f"# {_plain(transcript.heading)}"]
    blocks.append("\n".join(f"- {name}: {_code(value)}" for name, value in wording.facts(transcript)))
    for entry in transcript.entries:
        blocks += _BLOCKS[type(entry)](entry)
    return "\n\n".join(blocks) + "\n"


def _message(message: Message) -> Iterator[str]:
    blocks = []
    for part in message.parts:
        text = wording.part_text(part)
        if text is None or not isinstance(part, TextPart):
            blocks.append(_code(wording.part_line(part)))
        if text is not None:
            blocks.append(_tagless(text) if isinstance(part, TextPart) else _fenced(text))
    body = "\n\n".join(block for block in blocks if block.strip())
    if message.role == "thought":
        yield _folded("Thought", body)
    elif body:
        yield f"## {wording.SPEAKERS[message.role]}"
        yield body


def _call(call: ToolCall) -> Iterator[str]:
    blocks = []
    given = wording.input_text(call)
    if given:
        blocks.append(_fenced(given, "json"))
    blocks += [_fenced("\n".join(diff_lines(change)), "diff") for change in call.changes]
    blocks += [_fenced(wording.command_text(command), "console") for command in call.commands]
    said = wording.result_text(call)
    if said:
        blocks.append(_fenced(said))
    yield _folded(wording.call_line(call), "\n\n".join(blocks))


def _note(note: Note) -> Iterator[str]:
    yield f"> {_plain(note.text)}"


def _plan(plan: Plan) -> Iterator[str]:
    yield "**Plan**"
    yield "\n".join(f"- [{_BOXES[entry.status]}] {_plain(entry.content)}" for entry in plan.entries)


def _compaction(compaction: Compaction) -> Iterator[str]:
    summary = readable(compaction.summary)
    line = wording.compacted(compaction)
    yield _folded(line, _tagless(summary)) if summary.strip() else f"> {_plain(line)}"


def _turn_end(end: TurnEnd) -> Iterator[str]:
    text = wording.stopped(end)
    if text:
        yield f"> **{_plain(text)}**"
    yield "---"


_BLOCKS: Final[dict[type, Callable[[Any], Iterator[str]]]] = {
    Message: _message,
    ToolCall: _call,
    Note: _note,
    Plan: _plan,
    Compaction: _compaction,
    TurnEnd: _turn_end,
}


def _plain(text: str) -> str:
    """One line of which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", visible(text))


def _code(line: str) -> str:
    """One line as code."""
    ticks = "`" * (_longest_run(line, "`") + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{space}{line}{space}{ticks}" if line.strip() else "` `"


def _fenced(text: str, language: str = "") -> str:
    fence = "`" * max(3, _longest_run(text, "`") + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _folded(summary: str, body: str) -> str:
    line = visible(summary).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<details>\n<summary>{line}</summary>\n\n{body}\n\n</details>" if body else f"<p>{line}</p>"


def _tagless(text: str) -> str:
    """Markdown whose tags are shown instead of obeyed (code aside), and whose last block of code ends with it."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if fence:
            if match and match[1].startswith(fence) and not match[2].strip():
                fence = ""
        elif match:
            fence = match[1]
        shown = line if fence or "`" in line else _TAG.sub("&lt;", line)
        lines.append(shown)
    if fence:
        lines.append(fence)
    return "\n".join(lines)


def _longest_run(text: str, char: str) -> int:
    return max((len(run) for run in re.findall(f"{char}+", text)), default=0)
