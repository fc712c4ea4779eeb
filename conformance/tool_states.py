"""How far the tool calls of a turn have come, by their updates."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.transcript import Entry, Transcript

ENDED = ("completed", "failed")


def open_calls(transcript: Transcript, session_id: str, begin: Entry, end: Entry) -> Mapping[str, str] | None:
    """Id -> status of the calls that were announced between two entries and have not ended; None if none was."""
    entries = transcript.entries
    states: dict[str, str] = {}
    for entry in entries[entries.index(begin) : entries.index(end)]:
        call_id = entry.update.get("toolCallId")
        if entry.sender != "agent" or entry.session_id != session_id or not isinstance(call_id, str):
            continue
        status = entry.update.get("status")
        if entry.update_kind == "tool_call":
            states[call_id] = status if isinstance(status, str) else "pending"
        elif entry.update_kind == "tool_call_update" and call_id in states and isinstance(status, str):
            states[call_id] = status
    return {call_id: status for call_id, status in states.items() if status not in ENDED} if states else None
