"""The rules on turns, on hand-made conversations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.talk import SESSION, Talk, verdict

TEXT: dict[str, Any] = {"content": {"type": "text", "text": "hi"}}


def chunk(talk: Talk, kind: str = "agent_message_chunk", **more: Any) -> Talk:
    return talk.update(kind, **TEXT, **more)


def test_a_turn_that_says_all_before_its_answer_is_in_time() -> None:
    assert verdict("prompt.nothing-late", chunk(Talk().prompt()).done()) == "kept"


def test_a_chunk_behind_the_answer_is_late() -> None:
    assert verdict("prompt.nothing-late", chunk(chunk(Talk().prompt()).done())) == "broken"


def test_what_tells_the_state_of_a_session_may_come_at_any_time() -> None:
    talk = Talk().prompt().done().update("available_commands_update", availableCommands=[])
    talk.update("session_info_update", title="x").update("current_mode_update", currentModeId="ask")
    assert verdict("prompt.nothing-late", talk) == "kept"


def test_a_chunk_of_another_session_is_not_late() -> None:
    talk = Talk().prompt(1).prompt(2, session="session-2").done(1)
    talk.update("agent_message_chunk", session="session-2", **TEXT).done(2)
    assert verdict("prompt.nothing-late", talk) == "kept"


def test_a_chunk_of_the_next_prompt_is_not_late() -> None:
    assert verdict("prompt.nothing-late", chunk(Talk().prompt(1).done(1).prompt(2)).done(2)) == "kept"


def test_a_prompt_that_waits_behind_another_may_speak_after_the_answer_to_the_other() -> None:
    assert verdict("prompt.nothing-late", chunk(Talk().prompt(1).prompt(2).done(1)).done(2)) == "kept"


def test_a_history_that_is_loaded_is_not_late() -> None:
    talk = Talk().prompt().done().ask("session/load", "load", sessionId=SESSION)
    assert verdict("prompt.nothing-late", chunk(talk).answer("load")) == "kept"


def test_what_comes_after_a_cancelled_turn_is_left_to_another_requirement() -> None:
    talk = Talk().prompt().tell("session/cancel", sessionId=SESSION).done(reason="cancelled")
    assert verdict("prompt.nothing-late", chunk(talk)) == "silent"


def test_what_comes_after_a_withdrawn_turn_is_left_to_another_requirement() -> None:
    talk = Talk().prompt(7).tell("$/cancel_request", requestId=7).refuse(7, -32800)
    assert verdict("prompt.nothing-late", chunk(talk)) == "silent"


def test_a_chunk_behind_a_refused_prompt_is_late() -> None:
    assert verdict("prompt.nothing-late", chunk(Talk().prompt().refuse("prompt"))) == "broken"


def test_one_id_for_the_chunks_of_one_message_is_right() -> None:
    talk = chunk(chunk(Talk(), messageId="1"), messageId="1")
    assert verdict("prompt.message-ids", chunk(talk, "agent_thought_chunk", messageId="2")) == "kept"


def test_a_thought_with_the_id_of_an_answer_is_wrong() -> None:
    talk = chunk(Talk(), messageId="1")
    assert verdict("prompt.message-ids", chunk(talk, "agent_thought_chunk", messageId="1")) == "broken"


def test_chunks_without_ids_share_none() -> None:
    assert verdict("prompt.message-ids", chunk(chunk(Talk()), "agent_thought_chunk")) == "kept"


def test_two_sessions_may_use_the_same_message_ids() -> None:
    talk = chunk(Talk(), messageId="1").update("agent_thought_chunk", session="session-2", messageId="1", **TEXT)
    assert verdict("prompt.message-ids", talk) == "kept"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"used": 0, "size": 100}, "kept"),
        ({"used": 5, "size": None}, "broken"),
        ({"size": 100}, "broken"),
        ({"used": True, "size": 100}, "broken"),
    ],
)
def test_usage_needs_two_numbers(fields: dict[str, Any], expected: str) -> None:
    assert verdict("prompt.usage", Talk().update("usage_update", **fields)) == expected


def test_the_answer_to_a_prompt_has_a_stop_reason_and_metadata_only() -> None:
    assert verdict("prompt.nothing-extra", Talk().prompt().done(_meta={"x": 1})) == "kept"
    assert verdict("prompt.nothing-extra", Talk().prompt().done(usage={"totalTokens": 3})) == "broken"
    assert verdict("prompt.nothing-extra", Talk().prompt().refuse("prompt")) == "silent"


def plan(talk: Talk, **statuses: str) -> Talk:
    entries = [{"content": name, "status": status, "priority": "medium"} for name, status in statuses.items()]
    return talk.update("plan", entries=entries)


def test_a_plan_that_is_told_whole_is_complete() -> None:
    talk = plan(Talk(), a="in_progress", b="pending")
    assert verdict("plan.complete", plan(talk, a="completed", b="in_progress")) == "kept"


def test_a_plan_of_which_only_the_change_is_told_is_not_complete() -> None:
    talk = plan(Talk(), a="in_progress", b="pending", c="pending")
    assert verdict("plan.complete", plan(talk, a="completed", b="in_progress")) == "broken"


def test_a_plan_may_drop_entries_while_others_stay_as_they_are() -> None:
    talk = plan(Talk(), a="completed", b="in_progress", c="pending")
    assert verdict("plan.complete", plan(talk, a="completed", b="completed")) == "kept"


def test_a_plan_may_be_replaced_or_cleared() -> None:
    assert verdict("plan.complete", plan(plan(plan(Talk(), a="pending"), x="in_progress"))) == "kept"


def test_plans_with_ids_are_complete_each_by_itself() -> None:
    def told(plan_id: str, **statuses: str) -> dict[str, Any]:
        entries = [{"content": name, "status": status} for name, status in statuses.items()]
        return {"type": "items", "planId": plan_id, "entries": entries}

    both = Talk().update("plan_update", plan=told("1", a="pending", b="pending"))
    assert verdict("plan.complete", both.update("plan_update", plan=told("2", a="completed"))) == "kept"
    assert verdict("plan.complete", both.update("plan_update", plan=told("1", a="completed"))) == "broken"


def test_a_plan_that_is_a_file_has_no_entries_to_miss() -> None:
    talk = Talk().update("plan_update", plan={"type": "file", "planId": "1", "uri": "file:///plan.md"})
    assert verdict("plan.complete", talk) == "silent"


def compaction(talk: Talk, status: str, compaction_id: str = "1", **more: Any) -> Talk:
    return talk.update("compaction_update", compactionId=compaction_id, status=status, **more)


def summary(talk: Talk) -> Talk:
    return talk.update("compaction_summary_chunk", compactionId="1", **TEXT)


def test_a_compaction_begins_streams_and_ends() -> None:
    talk = compaction(summary(compaction(Talk().prompt(), "in_progress")), "completed").done()
    assert verdict("compaction.order", talk) == "kept"


def test_a_chunk_of_a_summary_may_begin_a_compaction() -> None:
    assert verdict("compaction.order", compaction(summary(Talk().prompt()), "completed").done()) == "kept"


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_a_compaction_that_is_over_at_once_never_began(end: str) -> None:
    assert verdict("compaction.order", compaction(Talk().prompt(), end).done()) == "broken"


@pytest.mark.parametrize("after", ["in_progress", "failed"])
def test_an_end_of_a_compaction_is_final(after: str) -> None:
    talk = compaction(compaction(Talk().prompt(), "in_progress"), "completed")
    assert verdict("compaction.order", compaction(talk, after).done()) == "broken"


def test_a_summary_that_grows_after_the_end_is_wrong() -> None:
    talk = compaction(compaction(Talk().prompt(), "in_progress"), "completed")
    assert verdict("compaction.order", summary(talk).done()) == "broken"


def test_the_same_end_may_be_told_twice_to_add_a_summary() -> None:
    talk = compaction(compaction(Talk().prompt(), "in_progress"), "completed")
    assert verdict("compaction.order", compaction(talk, "completed", summary=[TEXT["content"]]).done()) == "kept"


def test_a_compaction_that_is_left_in_progress_by_its_turn_is_wrong() -> None:
    assert verdict("compaction.order", compaction(Talk().prompt(), "in_progress").done()) == "broken"


def test_a_compaction_whose_turn_still_runs_may_be_in_progress() -> None:
    assert verdict("compaction.order", compaction(Talk().prompt(), "in_progress")) == "kept"


def test_a_compaction_of_the_history_is_told_by_its_end_alone() -> None:
    talk = compaction(Talk().ask("session/load", "load", sessionId=SESSION), "completed").answer("load")
    assert verdict("compaction.order", talk) == "silent"


@pytest.mark.parametrize(
    ("status", "more", "expected"),
    [
        ("completed", {"summary": [TEXT["content"]]}, "kept"),
        ("failed", {"error": "no room", "summary": None}, "kept"),
        ("cancelled", {"summary": []}, "kept"),
        ("failed", {"summary": [TEXT["content"]]}, "broken"),
        ("completed", {"error": "no room"}, "broken"),
        ("in_progress", {"summary": [TEXT["content"]]}, "broken"),
    ],
)
def test_a_summary_belongs_to_success_and_an_error_to_failure(
    status: str, more: dict[str, Any], expected: str
) -> None:
    assert verdict("compaction.summary-and-error", compaction(Talk(), status, **more)) == expected
