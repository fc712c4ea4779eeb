from __future__ import annotations

from agent_server.conversation.events import (
    CompactionBegan,
    CompactionFinished,
    Event,
    QuestionClosed,
    QuestionOpened,
    TurnEnded,
    TurnFailure,
    TurnStarted,
)
from agent_server.sessions.loose_ends import INTERRUPTED, LooseEnds
from agent_server.sessions.record import Record

BEGUN: list[Event] = [
    TurnStarted(3, "prompt"),
    CompactionBegan("compaction_7"),
    QuestionOpened(9, "call_1", "form", "Which?"),
]


def read(events: list[Event]) -> tuple[Record, LooseEnds]:
    record = Record()
    ends = LooseEnds(record)
    record.apply(events)
    ends.apply(events)
    return record, ends


def test_questions_and_compactions_that_a_log_leaves_open_end_with_its_turn() -> None:
    record, ends = read(BEGUN)
    assert ends.repairs() == [
        QuestionClosed(9, "withdrawn"),
        CompactionFinished("compaction_7", "failed", INTERRUPTED),
        TurnEnded(3, None, TurnFailure("internal", INTERRUPTED)),
    ]
    assert record.entries == 9


def test_what_a_log_has_ended_is_left_alone() -> None:
    ended: list[Event] = [
        QuestionClosed(9, "accept"),
        CompactionFinished("compaction_7", "completed"),
        TurnEnded(3, "end_turn"),
    ]
    record, ends = read([*BEGUN, *ended])
    assert ends.repairs() == []
    assert (record.entries, record.turns) == (9, 3)


def test_ids_that_somebody_else_made_are_no_numbers_of_ours() -> None:
    record, _ = read([CompactionBegan(name) for name in ("theirs", "x_", "compaction_²", "k_" + "9" * 30)])
    assert record.entries == 0
