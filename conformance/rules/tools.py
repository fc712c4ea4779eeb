"""Tool calls, and the paths and lines that the agent names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from conformance.registry import KEPT, Seen, rule
from conformance.tool_states import open_calls
from conformance.transcript import Entry, Transcript
from conformance.turns import rows_of, turns


@rule("tool.announced")
def announced(transcript: Transcript) -> Iterator[Seen]:
    known: set[tuple[object, object]] = set()
    resumed: set[object] = set()
    for entry in transcript.entries:
        if entry.sender == "client":
            if entry.method == "session/resume":
                resumed.add(entry.session_id)  # its calls were announced in another conversation
            continue
        key = (entry.session_id, entry.update.get("toolCallId"))
        if entry.update_kind == "tool_call":
            known.add(key)
        elif entry.update_kind == "tool_call_update" and entry.session_id not in resumed:
            yield KEPT if key in known else Seen("no tool_call came before it", entry)


@rule("tool.ends")
def ends(transcript: Transcript) -> Iterator[Seen]:
    """Turns that the client stopped are judged by ``tool.ends-when-cancelled``."""
    for turn in turns(transcript):
        if turn.end is None or turn.stopped or not turn.last:
            continue
        end = transcript.entries[turn.end]
        calls = open_calls(transcript, turn.session_id, transcript.entries[turn.begin], end)
        if calls is not None:
            left = ", ".join(f"{call_id} ({status})" for call_id, status in calls.items())
            yield Seen(f"left open: {left}", end) if calls else KEPT


@rule("tool.absolute-paths")
def absolute_paths(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        for path in _paths(entry):
            yield KEPT if _is_absolute(path) else Seen(f"{path!r} is not absolute", entry)


@rule("tool.lines-from-one")
def lines_from_one(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        for line in _lines(entry):
            yield KEPT if line >= 1 else Seen(f"the line {line}", entry)


def _calls(entry: Entry) -> Iterator[Mapping[str, Any]]:
    """The tool call of an update, or of a question for permission."""
    if entry.update_kind in ("tool_call", "tool_call_update"):
        yield entry.update
    elif entry.method == "session/request_permission" and isinstance(entry.params.get("toolCall"), dict):
        yield entry.params["toolCall"]


def _paths(entry: Entry) -> Iterator[str]:
    found: list[object] = []
    for call in _calls(entry):
        found += [location.get("path") for location in rows_of(call.get("locations"))]
        found += [item.get("path") for item in rows_of(call.get("content")) if item.get("type") == "diff"]
    if entry.method in ("fs/read_text_file", "fs/write_text_file"):
        found.append(entry.params.get("path"))
    if entry.method == "terminal/create":
        found.append(entry.params.get("cwd"))
    if entry.asked is not None and entry.asked.method == "session/list":
        for session in rows_of(entry.result.get("sessions")):
            found += [session.get("cwd"), *(session.get("additionalDirectories") or ())]
    return (path for path in found if isinstance(path, str))


def _lines(entry: Entry) -> Iterator[int]:
    found = [location.get("line") for call in _calls(entry) for location in rows_of(call.get("locations"))]
    if entry.method == "fs/read_text_file":
        found.append(entry.params.get("line"))
    return (line for line in found if isinstance(line, int))


def _is_absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
