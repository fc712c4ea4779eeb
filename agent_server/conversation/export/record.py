"""A transcript as a JSON document for programs. Its schema is published as ``session-export.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, Part, TextPart
from agent_server.conversation.tool_calls import FileChange, TerminalRef, ToolContent
from agent_server.conversation.transcript import (
    Command,
    Compaction,
    Message,
    Note,
    Plan,
    ToolCall,
    Transcript,
    TurnEnd,
)
from agent_server.conversation.usage import UsageTotals

FORMAT: Final = "agent-server-session"
VERSION: Final = 1


def json_text(transcript: Transcript) -> str:
    """The document, indented."""
    # A lone half of a surrogate pair can only be written escaped, so that everything above ASCII is.
    return json.dumps(record(transcript), indent=2, default=str) + "\n"


def record(transcript: Transcript) -> dict[str, Any]:
    """The document as plain values."""
    session = {
        "sessionId": transcript.session_id,
        "title": transcript.title,
        "cwd": transcript.cwd,
        "additionalDirectories": list(transcript.roots[1:]),
        "createdAt": transcript.created_at,
        "updatedAt": transcript.updated_at,
        "model": transcript.model,
        "archived": transcript.archived,
        "turnCount": transcript.turns,
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "session": _without_none(session),
        "usage": _usage(transcript.totals),
        "entries": [_without_none(_ENTRIES[type(entry)](entry)) for entry in transcript.entries],
    }


def _usage(totals: UsageTotals) -> dict[str, Any]:
    return _without_none(
        {
            "modelCalls": totals.model_calls,
            "inputTokens": totals.input_tokens,
            "outputTokens": totals.output_tokens,
            "cachedReadTokens": totals.cached_read_tokens,
            "cachedWriteTokens": totals.cached_write_tokens,
            "thoughtTokens": totals.thought_tokens,
            "costUsd": totals.cost_usd,
        }
    )


def _message(message: Message) -> dict[str, Any]:
    return {
        "type": "message",
        "messageId": str(message.message_id),
        "role": message.role,
        "content": [_block(part) for part in message.parts],
    }


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "type": "toolCall",
        "toolCallId": call.tool_call_id,
        "title": call.title,
        "name": call.name,
        "kind": call.kind.value,
        "status": call.status.value,
        "decision": call.decision,
        "rawInput": call.raw_input,
        "content": [_shown(item) for item in call.content if not isinstance(item, TerminalRef)],
        "commands": [_command(command) for command in call.commands],
        "result": None if call.result is None else [_block(part) for part in call.result],
        "isError": call.is_error,
    }


def _command(command: Command) -> dict[str, Any]:
    return _without_none(
        {
            "command": command.command,
            "cwd": command.cwd,
            "output": command.text,
            "omittedBytes": command.cut_bytes,
            "exitCode": command.exit_code,
            "signal": command.signal,
        }
    )


def _shown(item: ToolContent) -> dict[str, Any]:
    if isinstance(item, FileChange):
        change = {
            "type": "change",
            "operation": item.operation,
            "path": item.path,
            "oldPath": item.old_path,
            "oldText": item.old_text,
            "newText": item.new_text,
        }
        return _without_none(change)
    assert not isinstance(item, TerminalRef)
    return _block(item)


def _note(note: Note) -> dict[str, Any]:
    return {"type": "note", "level": note.level, "text": note.text}


def _plan(plan: Plan) -> dict[str, Any]:
    entries = [
        {"content": entry.content, "priority": entry.priority, "status": entry.status} for entry in plan.entries
    ]
    return {"type": "plan", "entries": entries}


def _compaction(compaction: Compaction) -> dict[str, Any]:
    return {
        "type": "compaction",
        "compactionId": compaction.compaction_id,
        "status": compaction.status,
        "summary": compaction.summary,
        "error": compaction.error,
    }


def _turn_end(end: TurnEnd) -> dict[str, Any]:
    failure = end.failure
    error = None if failure is None else {"kind": failure.kind, "details": failure.details}
    return {"type": "turnEnd", "turn": end.turn_id, "stopReason": end.stop_reason, "error": error}


_ENTRIES: Final[dict[type, Callable[[Any], dict[str, Any]]]] = {
    Message: _message,
    ToolCall: _call,
    Note: _note,
    Plan: _plan,
    Compaction: _compaction,
    TurnEnd: _turn_end,
}


def _block(part: Part) -> dict[str, Any]:
    """A part as ACP spells it, whole."""
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        return _without_none({"type": "image", "data": part.data, "mimeType": part.mime_type, "uri": part.uri})
    if isinstance(part, AudioPart):
        return {"type": "audio", "data": part.data, "mimeType": part.mime_type}
    if isinstance(part, LinkPart):
        link = {
            "type": "resource_link",
            "uri": part.uri,
            "name": part.name,
            "mimeType": part.mime_type,
            "title": part.title,
            "description": part.description,
            "size": part.size_bytes,
        }
        return _without_none(link)
    resource = {"uri": part.uri, "mimeType": part.mime_type, "text": part.text, "blob": part.blob}
    return {"type": "resource", "resource": _without_none(resource)}


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
