"""Turns: what is told in them, what after them, and how they are answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.case import TURN_UPDATES
from conformance.registry import KEPT, Seen, rule
from conformance.transcript import Entry, Transcript
from conformance.turns import after_turn, rows_of, turns

MESSAGES = ("user_message_chunk", "agent_message_chunk", "agent_thought_chunk")
STABLE_ANSWER = frozenset({"stopReason", "_meta"})

Plan = Mapping[object, object]
"""What is to be done -> how far it is."""


@rule("prompt.nothing-late")
def nothing_late(transcript: Transcript) -> Iterator[Seen]:
    """Turns that the client stopped are judged by ``cancel.nothing-after``."""
    for turn in turns(transcript):
        if turn.last and not turn.stopped:
            late = [entry for entry in after_turn(transcript, turn) if entry.update_kind in TURN_UPDATES]
            yield Seen("it came after the answer to its prompt", late[0]) if late else KEPT


@rule("prompt.message-ids")
def message_ids(transcript: Transcript) -> Iterator[Seen]:
    kinds: dict[tuple[object, str], str] = {}
    for entry in transcript.updates(*MESSAGES):
        message_id = entry.update.get("messageId")
        if not isinstance(message_id, str):
            yield KEPT  # a chunk without an id shares none
            continue
        kind = str(entry.update_kind)
        first = kinds.setdefault((entry.session_id, message_id), kind)
        yield KEPT if first == kind else Seen(f"the id was that of a {first}", entry)


@rule("prompt.usage")
def usage(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.updates("usage_update"):
        wrong = [key for key in ("used", "size") if not _is_number(entry.update.get(key))]
        yield Seen(f"no number: {' and '.join(wrong)}", entry) if wrong else KEPT


@rule("prompt.nothing-extra")
def nothing_extra(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        if entry.asked is not None and entry.asked.method == "session/prompt" and "result" in entry.message:
            extra = _foreign(transcript, entry)
            yield Seen(f"no part of the answer: {', '.join(extra)}", entry) if extra else KEPT


@rule("plan.complete")
def plan_complete(transcript: Transcript) -> Iterator[Seen]:
    """Entries may be dropped for good; an update is incomplete only if it is plainly what changed, and nothing else."""
    plans: dict[tuple[object, object], Plan] = {}
    for entry in transcript.updates("plan", "plan_update"):
        told = _plan_of(entry)
        if told is None:
            continue
        plan_id, plan = told
        before = plans.get((entry.session_id, plan_id), {})
        if _is_only_what_changed(plan, before):
            yield Seen("the entries that did not change are missing", entry)
            plans[entry.session_id, plan_id] = {**before, **plan}
        else:
            yield KEPT
            plans[entry.session_id, plan_id] = plan


def _is_only_what_changed(plan: Plan, before: Plan) -> bool:
    fewer = bool(plan) and plan.keys() < before.keys()
    return fewer and all(before[content] != status for content, status in plan.items())


def _plan_of(entry: Entry) -> tuple[object, Plan] | None:
    """The plan's id and its entries; None for a plan that has no entries but a file or a text."""
    plan: Mapping[str, Any] = entry.update
    if entry.update_kind == "plan_update":
        plan = plan["plan"] if isinstance(plan.get("plan"), dict) else {}
    if not isinstance(plan.get("entries"), list):
        return None
    entries = rows_of(plan["entries"])
    return repr(plan.get("planId")), {str(row.get("content")): row.get("status") for row in entries}


def _foreign(transcript: Transcript, answer: Entry) -> list[str]:
    """The keys at the root of a prompt's answer that the schema does not know."""
    if transcript.schema is None:
        return sorted(answer.result.keys() - STABLE_ANSWER)
    paths = transcript.schema.foreign("session/prompt", "result", answer.result)
    return [path for path in paths if path.count(".") == 1]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
