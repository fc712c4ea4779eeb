from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent_server.client.entries import CompactionEntry, Entry, Message, ToolCallEntry
from agent_server.client.transcript import Transcript
from agent_server.protocol.v1.content import ImageContent, TextContent
from agent_server.protocol.v1.methods import SESSION_UPDATE
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


def test_interleaved_messages_are_told_apart_by_their_ids() -> None:
    assert shape(folded(chunk("a", "1"), chunk("x", "2"), chunk("b", "1"))) == [("agent", "ab"), ("agent", "x")]


def test_other_content_stays_between_the_texts_around_it() -> None:
    image = ImageContent(data="", mime_type="image/png")
    transcript = folded(chunk("a", "1"), AgentMessageChunk(content=image, message_id="1"), chunk("b", "1"))
    assert transcript.messages[0].blocks == [TextContent(text="a"), image, TextContent(text="b")]
    assert transcript.text == "ab"


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
