"""The sentences that all readable forms of a transcript share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, Part, ResourcePart, TextPart
from agent_server.conversation.events import TurnFailure
from agent_server.conversation.tool_calls import ToolStatus
from agent_server.conversation.transcript import Command, Compaction, ToolCall, Transcript, TurnEnd
from agent_server.conversation.usage import UsageTotals
from agent_server.conversation.visible import readable, visible

MAX_INPUT_CHARS: Final = 20_000
MAX_TEXT_CHARS: Final = 200_000
"""What is shown of one text of a tool."""

_STOPPED: Final = {
    "max_tokens": "The answer reached the limit of tokens.",
    "max_turn_requests": "The turn reached the limit of model requests.",
    "refusal": "The model refused.",
    "cancelled": "The turn was cancelled.",
}
STATUS_WORDS: Final = {
    ToolStatus.PENDING: "not run",
    ToolStatus.IN_PROGRESS: "not finished",
    ToolStatus.COMPLETED: "done",
    ToolStatus.FAILED: "failed",
    ToolStatus.DENIED: "denied",
    ToolStatus.CANCELLED: "cancelled",
}
SPEAKERS: Final = {"user": "User", "agent": "Agent", "thought": "Thought"}


def facts(transcript: Transcript) -> Iterator[tuple[str, str]]:
    """What stands above a transcript: names and values, each one line."""
    yield "Session", visible(transcript.session_id)
    yield "Directory", visible(transcript.cwd)
    if transcript.roots[1:]:
        yield "More directories", ", ".join(visible(root) for root in transcript.roots[1:])
    yield "Created", transcript.created_at
    if transcript.updated_at is not None:
        yield "Changed", transcript.updated_at
    if transcript.model is not None:
        yield "Model", visible(transcript.model)
    yield "Turns", str(transcript.turns)
    used = usage(transcript.totals)
    if used:
        yield "Used", used


def usage(totals: UsageTotals) -> str:
    """What the model calls used, as one line; empty where nothing was reported."""
    if not totals.model_calls:
        return ""
    parts = [f"{totals.input_tokens:,} input tokens", f"{totals.output_tokens:,} output tokens"]
    cached = totals.cached_read_tokens + totals.cached_write_tokens
    if cached:
        parts.append(f"{cached:,} cached tokens")
    if totals.thought_tokens:
        parts.append(f"{totals.thought_tokens:,} tokens of thought")
    if totals.cost_usd is not None:
        parts.append(f"${totals.cost_usd:.4f}")
    return ", ".join(parts)


def call_line(call: ToolCall) -> str:
    """A tool call as one line, with how it ended."""
    return f"{visible(call.title)} ({STATUS_WORDS[call.status]})"


def input_text(call: ToolCall) -> str:
    """What the call was given, as indented JSON; empty where that was nothing."""
    if call.raw_input in (None, {}):
        return ""
    return cut(readable(json.dumps(call.raw_input, indent=2, ensure_ascii=False, default=str)), MAX_INPUT_CHARS)


def command_text(command: Command) -> str:
    """The command as typed, its output, and how it ended."""
    lines = [f"$ {readable(command.command)}"]
    if command.cut_bytes:
        lines.append(f"[{command.cut_bytes} bytes before this not shown]")
    output = readable(command.text).rstrip("\n")
    if output:
        lines.append(output)
    if command.signal is not None:
        lines.append(f"[ended by {visible(command.signal)}]")
    elif command.exit_code is not None and command.exit_code != 0:
        lines.append(f"[exit code {command.exit_code}]")
    elif command.exit_code is None:
        lines.append("[how it ended is not known]")
    return "\n".join(lines)


def result_text(call: ToolCall) -> str:
    """What the call shows or gave as text, without blank ends."""
    return cut(readable(call.shown_text).strip("\n"), MAX_TEXT_CHARS)


def stopped(end: TurnEnd) -> str:
    """How a turn ended, where that was not as usual; else empty."""
    if end.failure is not None:
        return f"The turn failed: {failure_text(end.failure)}"
    return _STOPPED.get(end.stop_reason or "", "")


def failure_text(failure: TurnFailure) -> str:
    """Why, on one line."""
    return visible(failure.details)


def compacted(compaction: Compaction) -> str:
    """What became of shortening the context, as one line."""
    if compaction.status == "completed":
        return "The context was shortened here."
    why = f": {visible(compaction.error)}" if compaction.error else "."
    return f"The context was not shortened here{why}"


def part_line(part: Part) -> str:
    """A part that is no text, as one line."""
    if isinstance(part, ImagePart):
        return f"[image, {visible(part.mime_type)}, {_size(part.data)}]"
    if isinstance(part, AudioPart):
        return f"[sound, {visible(part.mime_type)}, {_size(part.data)}]"
    if isinstance(part, LinkPart):
        return f"[link: {visible(part.title or part.name)}, {visible(part.uri)}]"
    if isinstance(part, ResourcePart):
        return f"[file: {visible(part.uri)}]"
    return visible(part.text)


def part_text(part: Part) -> str | None:
    """The text of a part that has some."""
    if isinstance(part, TextPart | ResourcePart):
        return None if part.text is None else readable(part.text)
    return None


def cut(text: str, most_chars: int) -> str:
    """The text, or its beginning and how much is missing."""
    if len(text) <= most_chars:
        return text
    return f"{text[:most_chars]}\n[{len(text) - most_chars} more characters not shown]"


def _size(base64_text: str) -> str:
    return f"{len(base64_text) * 3 // 4 - base64_text[-2:].count('='):,} bytes"
