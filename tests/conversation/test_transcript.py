from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, TextPart
from agent_server.conversation.events import (
    Event,
    MessageInserted,
    PromptReceived,
    PromptWithdrawn,
    TerminalOutput,
    TerminalStarted,
    TextRun,
)
from agent_server.conversation.tool_calls import ToolStatus
from agent_server.conversation.transcript import (
    COMMAND_TAIL_BYTES,
    Compaction,
    Message,
    Note,
    Plan,
    ToolCall,
    Transcript,
    TurnEnd,
)

from .stories import beginning, eventful, turn


def folded(events: list[Event]) -> Transcript:
    transcript = Transcript("session_1")
    transcript.apply(events)
    return transcript


def of_kind(transcript: Transcript, kind: type) -> list[Any]:
    return [entry for entry in transcript.entries if isinstance(entry, kind)]


def test_entries_stand_in_the_order_in_which_they_began() -> None:
    kinds = [type(entry) for entry in folded(eventful()).entries]
    assert kinds == [
        Note, Message, Message, Message, Plan, ToolCall, ToolCall, ToolCall, Message, Compaction, TurnEnd,
        Message, Plan, Note, TurnEnd,
    ]  # fmt: skip


def test_a_message_is_all_that_was_said_under_its_id_with_its_texts_joined() -> None:
    user, thought, agent, media, again = of_kind(folded(eventful()), Message)
    assert [type(part) for part in user.parts] == [TextPart, LinkPart, ImagePart]
    assert (thought.role, thought.text) == ("thought", "I wonder. Hm.")
    assert (agent.role, agent.parts) == ("agent", [TextPart("I will fix **it**.")])
    assert isinstance(media.parts[0], AudioPart)
    assert (again.role, again.text) == ("user", "and?")


def test_a_tool_call_is_what_became_of_it() -> None:
    edit, command, denied = of_kind(folded(eventful()), ToolCall)
    assert (edit.title, edit.name, edit.status, edit.decision) == (
        "Edit a.py", "edit_file", ToolStatus.COMPLETED, "approve",
    )  # fmt: skip
    assert edit.raw_input == {"path": "/project/a.py"}
    assert [change.new_text for change in edit.changes] == ["one\nTWO\n"]
    assert (edit.result, edit.shown_text) == ((TextPart("Edited a.py."),), "")
    (ran,) = command.commands
    assert (ran.command, ran.cwd, ran.text, ran.exit_code) == ("make test", "/work", "1 passed \u20ac\n", 2)
    assert command.shown_text == "exit code 2"
    assert (denied.status, denied.result) == (ToolStatus.DENIED, None)


def test_each_turn_has_one_plan_as_it_stood_last() -> None:
    first, second = of_kind(folded(eventful()), Plan)
    assert [entry.status for entry in first.entries] == ["completed", "in_progress"]
    assert [entry.content for entry in second.entries] == ["Rest"]


def test_the_rest_is_what_the_log_says() -> None:
    transcript = folded(eventful())
    assert (transcript.title, transcript.cwd, transcript.roots) == ("I will fix **it**.", "/work", ("/work", "/more"))
    assert (transcript.model, transcript.turns, transcript.archived) == ("offline", 2, False)
    totals = transcript.totals
    assert (totals.model_calls, totals.input_tokens, totals.output_tokens) == (2, 3000, 110)
    assert (totals.cached_read_tokens, totals.cached_write_tokens, totals.thought_tokens) == (10, 5, 7)
    assert totals.cost_usd == 0.75
    (compaction,) = of_kind(transcript, Compaction)
    assert (compaction.summary, compaction.status) == ("We fixed it.", "completed")
    done, failed = of_kind(transcript, TurnEnd)
    assert (done.stop_reason, done.failure) == ("end_turn", None)
    assert failed.failure.details == "the model is busy"


def test_what_a_newer_version_wrote_is_a_note() -> None:
    notes = of_kind(folded(eventful()), Note)
    assert "telepathy" in notes[-1].text


def test_a_session_is_empty_until_somebody_says_something() -> None:
    assert folded(beginning()).empty
    waiting: list[Event] = [PromptReceived(1, (TextPart("hi"),)), PromptWithdrawn(1)]
    assert folded([*beginning(), *waiting]).empty
    assert not folded([*beginning(), *turn(1, "hi", "ho", 2)]).empty


def test_the_end_of_a_long_output_is_kept() -> None:
    events: list[Event] = [TerminalStarted("term_1", "call_1", "yes", "/")]
    events += [TerminalOutput("term_1", b"y" * 100_000) for _ in range(4)]
    events += [TerminalOutput("term_1", b"end"), TerminalOutput("term_9", b"of nobody")]
    ((command,),) = [call.commands for call in of_kind(folded(events), ToolCall)]
    assert len(command.output) == COMMAND_TAIL_BYTES
    assert command.output.endswith(b"yend")
    assert command.cut_bytes == 400_003 - COMMAND_TAIL_BYTES


@given(st.lists(st.integers(0, 60)))
def test_pages_may_end_anywhere(cuts: list[int]) -> None:
    events = eventful()
    paged = Transcript("session_1")
    edges = [0, *sorted(cuts), len(events)]
    for first, last in pairwise(edges):
        paged.apply(events[first:last])
    whole = folded(events)
    assert [_plain(entry) for entry in paged.entries] == [_plain(entry) for entry in whole.entries]
    assert paged.totals == whole.totals


def _plain(entry: object) -> object:
    return (entry.message_id, entry.role, entry.parts) if isinstance(entry, Message) else entry


def test_a_message_that_goes_on_behind_a_call_stays_one() -> None:
    said = folded([TextRun(2, "agent", ("a",), 1), MessageInserted(3, "user", ()), TextRun(2, "agent", ("b", "c"), 2)])
    assert [message.text for message in of_kind(said, Message)] == ["abc", ""]
