"""The turns of a conversation: from a prompt to its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.transcript import Entry, Transcript

STOPPERS = ("session/cancel", "session/close", "session/delete", "session/archive")
TELLS_ANEW = ("session/prompt", "session/load", "session/resume")
"""Requests about a session after which the agent may tell of turns again."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One prompt. ``begin`` and ``end`` are the numbers of the entries that ask and answer; ``end`` may be missing.

    ``stopped``: the client cancelled it, withdrew it, or closed its session. ``last``: no other prompt of the session
    was open when it was answered.
    """

    session_id: str
    begin: int
    end: int | None
    stopped: bool
    last: bool


def turns(transcript: Transcript) -> list[Turn]:
    """All turns, in the order of their prompts."""
    entries = transcript.entries
    numbers = {entry: number for number, entry in enumerate(entries)}
    spans = []
    for begin, entry in enumerate(entries):
        if entry.sender == "client" and entry.is_request and entry.method == "session/prompt" and entry.session_id:
            spans.append((entry.session_id, begin, None if entry.answer is None else numbers[entry.answer]))
    return [
        Turn(
            session_id,
            begin,
            end,
            stopped=any(_stops(entry, entries[begin]) for entry in entries[begin + 1 : end]),
            last=end is not None
            and not any(
                other == session_id and first < end and (final is None or final > end) for other, first, final in spans
            ),
        )
        for session_id, begin, end in spans
    ]


def after_turn(transcript: Transcript, turn: Turn) -> Sequence[Entry]:
    """What the agent said for the session after the answer, until the client let it tell of turns again."""
    said: list[Entry] = []
    for entry in transcript.entries[len(transcript.entries) if turn.end is None else turn.end + 1 :]:
        if entry.session_id != turn.session_id:
            continue
        if entry.sender == "client" and entry.method in TELLS_ANEW:
            break
        if entry.sender == "agent":
            said.append(entry)
    return said


def rows_of(value: object) -> list[Mapping[str, Any]]:
    """The objects in what should be a list of objects."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _stops(entry: Entry, prompt: Entry) -> bool:
    if entry.sender != "client":
        return False
    if entry.method == "$/cancel_request":
        return bool(entry.params.get("requestId") == prompt.message["id"])
    return entry.method in STOPPERS and entry.session_id == prompt.session_id
