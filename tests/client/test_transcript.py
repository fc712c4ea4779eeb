from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.client.entries import CompactionEntry, Entry, Message, ToolCallEntry
from agent_server.client.transcript import Transcript
from agent_server.protocol.v1.content import ImageContent, TextContent
from agent_server.protocol.v1.methods import SESSION_UPDATE
from agent_server.protocol.v1.session import SessionMode, SessionModeState
from agent_server.protocol.v1.updates import (
    AgentMessageChunk,
    AgentThoughtChunk,
    SessionUpdate,
    UserMessageChunk,
)

KINDS: dict[str, type[UserMessageChunk] | type[AgentMessageChunk] | type[AgentThoughtChunk]] = {
    "user": UserMessageChunk,
    "agent": AgentMessageChunk,
    "thought": AgentThoughtChunk,
}


def update(**fields: Any) -> SessionUpdate:
    return SESSION_UPDATE.validate({"sessionId": "s", "update": fields}).update


def chunk(text: str, message_id: str | None = None, kind: str = "agent") -> SessionUpdate:
    return KINDS[kind](content=TextContent(text=text), message_id=message_id)


def folded(*updates: SessionUpdate) -> Transcript:
    transcript = Transcript()
    for each in updates:
        transcript.apply(each)
    return transcript


def shape(transcript: Transcript) -> list[tuple[str, str]]:
    return [_shape(entry) for entry in transcript.entries]


def _shape(entry: Entry) -> tuple[str, str]:
    if isinstance(entry, Message):
        return entry.role, entry.text
    if isinstance(entry, CompactionEntry):
        return f"compaction {entry.status}", entry.summary.text
    return ("tool" if isinstance(entry, ToolCallEntry) else "notice"), entry.title


messages = st.lists(
    st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(["a", "b", "c"]), st.text(min_size=1)), max_size=6
)


@given(messages, st.data())
def test_where_a_message_is_cut_into_chunks_does_not_matter(
    parts: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    whole = folded(*(chunk(text, message_id, kind) for kind, message_id, text in parts))
    cut: list[SessionUpdate] = []
    for kind, message_id, text in parts:
        at = data.draw(st.integers(0, len(text)))
        cut += [chunk(text[:at], message_id, kind), chunk(text[at:], message_id, kind)]
    assert [(m.role, m.message_id, m.blocks) for m in folded(*cut).messages] == [
        (m.role, m.message_id, m.blocks) for m in whole.messages
    ]


@given(st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.text(min_size=1)), max_size=8))
def test_without_ids_neighbours_of_one_kind_are_one_message(parts: list[tuple[str, str]]) -> None:
    transcript = folded(*(chunk(text, None, kind) for kind, text in parts))
    expected: list[tuple[str, str]] = []
    for kind, text in parts:
        if expected and expected[-1][0] == kind:
            expected[-1] = (kind, expected[-1][1] + text)
        else:
            expected.append((kind, text))
    assert shape(transcript) == expected


def test_a_tool_call_ends_a_message_without_id_but_not_one_with_an_id() -> None:
    call = update(sessionUpdate="tool_call", toolCallId="t", title="T")
    assert shape(folded(chunk("a"), call, chunk("b"))) == [("agent", "a"), ("tool", "T"), ("agent", "b")]
    assert shape(folded(chunk("a", "1"), call, chunk("b", "1"))) == [("agent", "ab"), ("tool", "T")]


def test_state_updates_do_not_end_a_message() -> None:
    usage = update(sessionUpdate="usage_update", used=1, size=2)
    transcript = folded(chunk("a"), usage, chunk("b"))
    assert shape(transcript) == [("agent", "ab")]
    assert transcript.usage is not None and transcript.usage.used == 1


@pytest.mark.spec("N-48")
def test_interleaved_messages_are_told_apart_by_their_ids() -> None:
    assert shape(folded(chunk("a", "1"), chunk("x", "2"), chunk("b", "1"))) == [("agent", "ab"), ("agent", "x")]


def test_other_content_stays_between_the_texts_around_it() -> None:
    image = ImageContent(data="", mime_type="image/png")
    transcript = folded(chunk("a", "1"), AgentMessageChunk(content=image, message_id="1"), chunk("b", "1"))
    assert transcript.messages[0].blocks == [TextContent(text="a"), image, TextContent(text="b")]
    assert transcript.text == "ab"


@pytest.mark.spec("N-57")
def test_a_second_tool_call_with_one_id_is_an_update_and_content_replaces() -> None:
    text = {"type": "content", "content": {"type": "text", "text": "1"}}
    transcript = folded(
        update(sessionUpdate="tool_call", toolCallId="t", title="T", kind="edit", content=[text, text]),
        update(sessionUpdate="tool_call", toolCallId="t", title="U", status="in_progress"),
        update(sessionUpdate="tool_call_update", toolCallId="t", status="completed", content=[text]),
    )
    (call,) = transcript.entries
    assert isinstance(call, ToolCallEntry)
    assert (call.title, call.kind, call.status, len(call.content)) == ("U", "edit", "completed", 1)
    assert transcript.tool_call("t") is call


def test_an_empty_content_list_removes_the_content() -> None:
    text = {"type": "content", "content": {"type": "text", "text": "1"}}
    transcript = folded(
        update(sessionUpdate="tool_call", toolCallId="t", title="T", content=[text]),
        update(sessionUpdate="tool_call_update", toolCallId="t", content=[]),
    )
    assert transcript.tool_calls[0].content == []


def test_an_update_of_a_call_that_was_never_announced_shows_the_call() -> None:
    transcript = folded(update(sessionUpdate="tool_call_update", toolCallId="t", status="failed"))
    assert transcript.tool_calls[0].status == "failed"


@pytest.mark.spec("N-58", "D-17")
def test_plan_mode_title_and_commands_are_replaced() -> None:
    entry = {"content": "x", "priority": "low", "status": "pending"}
    transcript = folded(
        update(sessionUpdate="plan", entries=[entry, entry]),
        update(sessionUpdate="plan", entries=[entry]),
        update(sessionUpdate="current_mode_update", currentModeId="plan"),
        update(sessionUpdate="session_info_update", title="A", updatedAt="2026-01-01"),
        update(sessionUpdate="session_info_update", title=None),
        update(sessionUpdate="available_commands_update", availableCommands=[{"name": "n", "description": "d"}]),
        update(sessionUpdate="notice", severity="info", title="hear"),
    )
    assert len(transcript.plan) == 1
    assert transcript.modes is not None and transcript.modes.current_mode_id == "plan"
    assert (transcript.title, transcript.updated_at) == (None, "2026-01-01")
    assert [command.name for command in transcript.commands] == ["n"]
    assert [notice.title for notice in transcript.notices] == ["hear"]
    assert shape(transcript) == [("notice", "hear")]
    assert transcript.conversation == []


def texts(*contents: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text} for text in contents]


def compaction(status: str, **fields: Any) -> SessionUpdate:
    return update(sessionUpdate="compaction_update", compactionId="c", status=status, **fields)


def compaction_chunk(text: str) -> SessionUpdate:
    return update(sessionUpdate="compaction_summary_chunk", compactionId="c", content=texts(text)[0])


def test_a_compaction_stands_where_it_began_and_grows() -> None:
    transcript = folded(
        chunk("before"), compaction("in_progress"), chunk("after"), compaction_chunk("a"), compaction_chunk("b")
    )
    assert shape(transcript) == [("agent", "before"), ("compaction in_progress", "ab"), ("agent", "after")]
    transcript.apply(compaction("completed"))
    (entry,) = transcript.compactions
    assert (entry.status, entry.summary.text, entry.error) == ("completed", "ab", None)


def test_a_compaction_keeps_what_is_left_out_and_clears_what_is_null() -> None:
    transcript = folded(compaction("failed", summary=texts("a", "b"), error="full"))
    (entry,) = transcript.compactions
    steps: list[tuple[dict[str, Any], str, str | None]] = [
        ({}, "ab", "full"),
        ({"error": None}, "ab", None),
        ({"summary": texts("c")}, "c", None),
        ({"summary": None, "error": "again"}, "", "again"),
        ({"summary": [], "error": 5}, "", "again"),
    ]
    for fields, summary, error in steps:
        transcript.apply(compaction("a word of later", **fields))
        assert (entry.summary.text, entry.error) == (summary, error)
    assert entry.status == "a word of later"
    assert transcript.compactions == [entry]


def test_a_compaction_in_chunks_equals_the_same_in_one_piece() -> None:
    lived = folded(compaction("in_progress"), compaction_chunk("a"), compaction_chunk("b"), compaction("completed"))
    assert lived.entries == folded(compaction("completed", summary=texts("ab"))).entries
    assert lived.entries != folded(compaction("completed", summary=texts("ac"))).entries


def test_a_chunk_of_a_compaction_that_was_never_announced_shows_it() -> None:
    assert shape(folded(compaction_chunk("a"))) == [("compaction in_progress", "a")]


def test_a_notice_stands_where_it_came_and_ends_no_message() -> None:
    notice = update(sessionUpdate="notice", severity="odd", title="N")
    transcript = folded(chunk("a"), notice, chunk("b"))
    assert shape(transcript) == [("agent", "ab"), ("notice", "N")]
    assert transcript.conversation == folded(chunk("ab")).entries


def option(option_id: str, value: str, category: str | None = "mode", **fields: Any) -> dict[str, Any]:
    values = [{"value": name, "name": name} for name in ("ask", "plan")]
    wire = {"id": option_id, "name": option_id, "type": "select", "currentValue": value, "options": values, **fields}
    return wire if category is None else {**wire, "category": category}


def options(*wires: dict[str, Any]) -> SessionUpdate:
    return update(sessionUpdate="config_option_update", configOptions=list(wires))


def mode(mode_id: str) -> SessionUpdate:
    return update(sessionUpdate="current_mode_update", currentModeId=mode_id)


def with_modes() -> Transcript:
    names = [SessionMode(id=name, name=name) for name in ("ask", "plan")]
    transcript = Transcript()
    transcript.begin(SessionModeState(current_mode_id="ask", available_modes=names), None, newer=False)
    return transcript


def state(transcript: Transcript) -> tuple[str | None, list[str | bool]]:
    current = None if transcript.modes is None else transcript.modes.current_mode_id
    return current, [option.current_value for option in transcript.config_options]


@pytest.mark.spec("N-60")
def test_mode_and_option_follow_each_other() -> None:
    transcript = with_modes()
    grouped = [{"group": "g", "name": "G", "options": [{"value": "plan", "name": "P"}]}]
    transcript.apply(options(option("x", "ask", "model"), option("m", "ask"), option("n", "ask", options=grouped)))
    assert state(transcript) == ("ask", ["ask", "ask", "ask"])
    transcript.apply(mode("plan"))
    assert state(transcript) == ("plan", ["ask", "plan", "plan"])
    transcript.apply(options(option("m", "ask")))
    assert state(transcript) == ("ask", ["ask"])
    transcript.apply(mode("never offered by the option"))
    assert state(transcript) == ("never offered by the option", ["ask"])
    transcript.apply(options(option("m", "no mode")))
    assert state(transcript)[0] == "never offered by the option"


@pytest.mark.spec("N-62", "N-63")
def test_options_without_a_category_or_of_an_unknown_type_disturb_nothing() -> None:
    transcript = with_modes()
    transcript.apply(options(option("mode", "plan", None), {"id": "?", "type": "slider"}, option("y", "ask", "_own")))
    assert state(transcript) == ("ask", ["plan", "ask"])
    assert [each.id for each in transcript.config_options] == ["mode", "y"]


def test_what_is_newer_wins_when_a_session_is_opened() -> None:
    modes = with_modes().modes
    for newer, expected in ((True, "ask"), (False, "plan")):
        transcript = folded(mode("plan"))
        transcript.begin(modes, None, newer=newer)
        assert state(transcript)[0] == expected
    transcript = folded(mode("plan"), options(option("m", "plan")))
    transcript.begin(None, None, newer=True)
    assert state(transcript) == ("plan", ["plan"])


def test_an_unknown_update_is_kept_apart() -> None:
    unknown = update(sessionUpdate="from_the_future", x=1)
    transcript = folded(chunk("a"), unknown, chunk("b"))
    assert shape(transcript) == [("agent", "ab")]
    assert list(transcript.unknown) == [unknown]


def test_plans_with_ids_are_replaced_and_removed_one_by_one() -> None:
    def plan(plan_id: str, text: str) -> SessionUpdate:
        return update(sessionUpdate="plan_update", plan={"type": "markdown", "planId": plan_id, "content": text})

    removed = update(sessionUpdate="plan_removed", planId="a")
    transcript = folded(plan("a", "1"), plan("b", "2"), plan("b", "3"), removed, removed)
    assert [entry.to_wire() for entry in transcript.plans.values()] == [
        {"type": "markdown", "planId": "b", "content": "3"}
    ]


@pytest.mark.spec("N-50")
def test_open_calls_are_cancelled_at_once_and_only_those() -> None:
    def call(call_id: str, status: str) -> SessionUpdate:
        return update(sessionUpdate="tool_call", toolCallId=call_id, title=call_id, status=status)

    transcript = folded(call("a", "completed"), call("b", "in_progress"), call("c", "pending"), call("d", "pending"))
    transcript.cancel_open_calls()
    transcript.apply(update(sessionUpdate="tool_call_update", toolCallId="b", status="failed"))
    transcript.apply(update(sessionUpdate="tool_call_update", toolCallId="c", status="completed"))
    assert [entry.cancelled for entry in transcript.tool_calls] == [False, True, False, True]


def prompted(*prompts: str) -> tuple[Transcript, list[Message]]:
    transcript = Transcript()
    return transcript, [transcript.add_prompt([TextContent(text=text)]) for text in prompts]


def test_an_echo_in_pieces_takes_the_place_of_our_own_words() -> None:
    transcript, (message,) = prompted("hello you")
    for text in ("hello ", "you"):
        transcript.apply(chunk(text, "7", "user"))
    assert shape(transcript) == [("user", "hello you")]
    assert message.message_id == "7"


def test_what_another_user_says_is_not_taken_for_an_echo() -> None:
    transcript, _ = prompted("hello")
    transcript.apply(chunk("bye", "8", "user"))
    assert shape(transcript) == [("user", "hello"), ("user", "bye")]


def test_after_the_turn_nothing_is_an_echo_and_the_prompt_has_the_id_that_it_was_given() -> None:
    transcript, (message,) = prompted("hello")
    transcript.end_prompt(message)
    transcript.name_prompt(message, "9")
    transcript.apply(chunk("hello", "10", "user"))
    assert [(entry.text, entry.message_id) for entry in transcript.messages] == [("hello", "9"), ("hello", "10")]


def test_a_prompt_that_had_to_wait_stands_where_its_turn_begins() -> None:
    transcript, (one, two) = prompted("one", "two")
    transcript.apply(chunk("first answer"))
    transcript.end_prompt(one)
    transcript.begin_prompt(two)
    transcript.apply(chunk("second answer"))
    assert shape(transcript) == [
        ("user", "one"),
        ("agent", "first answer"),
        ("user", "two"),
        ("agent", "second answer"),
    ]
    other, _ = prompted("one", "two")
    for said in (chunk("one", kind="user"), chunk("a"), chunk("two", kind="user"), chunk("b")):
        other.apply(said)
    assert shape(other) == [("user", "one"), ("agent", "a"), ("user", "two"), ("agent", "b")]


def test_a_prompt_that_was_never_sent_is_not_there() -> None:
    transcript, (one, two) = prompted("same", "same")
    transcript.drop_prompt(two)
    assert len(transcript.entries) == 1 and transcript.entries[0] is one
