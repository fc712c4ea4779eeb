"""Compactions: their course, and what belongs to which end."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.registry import KEPT, Seen, rule
from conformance.transcript import Entry, Transcript
from conformance.turns import TELLS_ANEW, Turn, turns

ENDS = ("completed", "failed", "cancelled")


@rule("compaction.order")
def order(transcript: Transcript) -> Iterator[Seen]:
    """A piece of a summary may begin one, as the schema has it. What a load or a resume tells again is not judged."""
    states: dict[tuple[object, object], str] = {}
    began: dict[tuple[object, object], int] = {}
    replayed: set[object] = set()
    for number, entry in enumerate(transcript.entries):
        if entry.sender == "client" and entry.is_request and entry.method in TELLS_ANEW:
            (replayed.discard if entry.method == "session/prompt" else replayed.add)(entry.session_id)
        if not _is_about_compaction(entry) or entry.session_id in replayed:
            continue
        key: tuple[object, object] = (entry.session_id, entry.update.get("compactionId"))
        before = states.get(key)
        now = str(entry.update.get("status", "in_progress"))
        began.setdefault(key, number)
        states[key] = now if before not in ENDS else str(before)
        wrong = _wrong(before, now)
        yield Seen(wrong, entry) if wrong else KEPT
    for key, number in began.items():
        if states[key] not in ENDS and _is_over(number, key[0], turns(transcript)):
            yield Seen("it is in progress still although its turn is over", transcript.entries[number])


@rule("compaction.summary-and-error")
def summary_and_error(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.updates("compaction_update"):
        status = entry.update.get("status")
        if entry.update.get("summary") and status != "completed":
            yield Seen(f"a summary of a compaction that is {status}", entry)
        elif entry.update.get("error") is not None and status != "failed":
            yield Seen(f"an error of a compaction that is {status}", entry)
        else:
            yield KEPT


def _is_about_compaction(entry: Entry) -> bool:
    return entry.sender == "agent" and entry.update_kind in ("compaction_update", "compaction_summary_chunk")


def _wrong(before: str | None, now: str) -> str | None:
    """What is wrong with this step; the same end may be told twice, to add to it."""
    if before is None and now in ENDS:
        return f"it is {now} without having been in progress"
    if before in ENDS and now != before:
        return f"it was {before} before"
    return None


def _is_over(number: int, session_id: object, spans: list[Turn]) -> bool:
    """Whether the turn in which this entry came was answered."""
    within = [turn for turn in spans if turn.session_id == session_id and turn.begin < number]
    return any(turn.last and turn.end is not None and turn.end > number for turn in within)
