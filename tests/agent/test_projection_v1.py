from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent_server.agent.content import MAX_SHOWN_CHARS, block_of
from agent_server.agent.fitting import encoded
from agent_server.agent.projection_v1 import ProjectorV1
from agent_server.conversation.content import (
    AudioPart,
    ImagePart,
    LinkPart,
    Part,
    ResourcePart,
    TextPart,
)
from agent_server.conversation.events import (
    ApprovalOpened,
    CompactionBegan,
    CompactionFinished,
    CompactionSummaryGrew,
    MessageInserted,
    NoticeRaised,
    PromptReceived,
    QuestionClosed,
    QuestionOpened,
    SystemNote,
    TerminalExited,
    TerminalOutput,
    TerminalStarted,
    TextRun,
    ToolCallUpserted,
    TurnStarted,
    UnknownEvent,
)
from agent_server.conversation.tool_calls import FileChange, Location, TerminalRef, ToolKind, ToolStatus
from agent_server.protocol.v1.updates import SessionNotification

MIB = 1024 * 1024


def projected(*events: Any) -> list[dict[str, Any]]:
    """The updates of these events; each is valid and of a size that may be sent."""
    projector = ProjectorV1(list)
    updates = [update for event in events for update in projector.updates(event)]
    for update in updates:
        data = encoded(update)
        assert len(data) < 8 * MIB - 1024
        params = {"sessionId": "s", "update": orjson.loads(data)}
        assert SessionNotification.model_validate(params).to_wire() == params
    return updates


def announced(**more: Any) -> ToolCallUpserted:
    return ToolCallUpserted("c", "t", "n", ToolKind.EDIT, ToolStatus.PENDING, **more)


@pytest.mark.req("JR-19")
def test_what_only_the_server_needs_to_know_is_no_update() -> None:
    quiet = [
        SystemNote(1, "info", "x"),
        PromptReceived(1, ()),
        TurnStarted(1, "prompt"),
        ApprovalOpened("c", "t", "s"),
        QuestionOpened(1, "c", "form", "?"),
        QuestionClosed(1, "accept"),
    ]
    assert projected(*quiet) == []


@pytest.mark.spec("D-16", "N-57")
@pytest.mark.req("JR-19")
def test_a_call_is_announced_once_and_nothing_in_it_is_null() -> None:
    first, second = projected(announced(), ToolCallUpserted("c", status=ToolStatus.IN_PROGRESS))
    assert first == {
        "sessionUpdate": "tool_call",
        "toolCallId": "c",
        "title": "t",
        "name": "n",
        "kind": "edit",
        "status": "pending",
    }
    assert second == {"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "in_progress"}


@pytest.mark.req("TN-08", "AP-07")
@pytest.mark.parametrize("status", [ToolStatus.DENIED, ToolStatus.CANCELLED, ToolStatus.FAILED])
def test_a_call_that_was_denied_or_cancelled_has_failed(status: ToolStatus) -> None:
    assert projected(announced(), ToolCallUpserted("c", status=status))[1]["status"] == "failed"


@pytest.mark.req("TN-17")
def test_output_is_shown_whole_as_it_grows_and_only_its_end_when_it_is_long() -> None:
    shown = (TerminalRef("t1"),)
    start = [announced(), TerminalStarted("t1", "c", "cat", "/"), ToolCallUpserted("c", content=shown)]
    *_, one, two = projected(*start, TerminalOutput("t1", b"one\n"), TerminalOutput("t1", b"two\n"))
    assert one["content"][0]["content"]["text"] == "```console\none\n```"
    assert two["content"][0]["content"]["text"] == "```console\none\ntwo\n```"
    *_, long = projected(*start, TerminalOutput("t1", b"x" * MIB + b"the end"))
    text = long["content"][0]["content"]["text"]
    assert len(text) < 40 * 1024
    assert "the end" in text
    assert "not shown" in text


@pytest.mark.req("TN-17")
def test_output_cannot_break_out_of_its_block_and_may_end_within_a_character() -> None:
    shown = (TerminalRef("t1"),)
    start = [announced(), TerminalStarted("t1", "c", "cat", "/"), ToolCallUpserted("c", content=shown)]
    for data in (b"```\n# not a title", "ü".encode()[:1], b"\xff\xfe"):
        *_, update = projected(*start, TerminalOutput("t1", data), TerminalExited("t1", 0, None))
        text = update["content"][0]["content"]["text"]
        fence = text.split("console")[0]
        assert text.endswith(f"\n{fence}")
        assert text.count(fence) == 2


def test_a_clients_terminal_is_shown_by_its_id() -> None:
    *_, update = projected(announced(), ToolCallUpserted("c", content=(TerminalRef("t9", "client"),)))
    assert update["content"] == [{"type": "terminal", "terminalId": "t9"}]


@pytest.mark.req("AP-02")
def test_a_diff_says_what_was_there_only_if_something_was() -> None:
    changes = (FileChange("add", "/a", None, "x"), FileChange("modify", "/a", "", "x"), FileChange("delete", "/a", "x"))
    (update,) = projected(announced(content=changes, locations=(Location("/a", 3), Location("/b"))))
    added, modified, deleted = update["content"]
    assert "oldText" not in added
    assert modified["oldText"] == ""
    assert (deleted["oldText"], deleted["newText"]) == ("x", "")
    assert update["locations"] == [{"path": "/a", "line": 3}, {"path": "/b"}]


@pytest.mark.promise("P6")
@pytest.mark.parametrize("text", ["x", "\0", "😀", "ü"])
def test_no_update_is_too_long_for_a_frame_however_long_its_parts_are(text: str) -> None:
    giant = text * (3 * MIB)
    projected(
        announced(
            content=(TextPart(giant), TextPart(giant), FileChange("modify", "/a", giant, giant)),
            raw_input={"x": giant},
            raw_output=giant,
        ),
        ToolCallUpserted("c", title=giant),
        ToolCallUpserted("d", title=giant, name=giant, content=(TextPart(giant),)),
        TextRun(1, "agent", (giant,), 1),
        MessageInserted(1, "user", (TextPart(giant), ResourcePart("file:///x", text=giant))),
    )


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    "part",
    [
        ImagePart("A" * (9 * MIB), "image/png"),
        AudioPart("A" * (9 * MIB), "audio/wav"),
        ResourcePart("file:///x", blob="A" * (9 * MIB)),
        LinkPart("file:///" + "x" * (9 * MIB), "n"),
        LinkPart("file:///x", "n" * (9 * MIB)),
        TextPart("x" * (9 * MIB)),
    ],
)
def test_no_part_of_a_message_is_too_long_for_a_frame(part: Part) -> None:
    assert projected(MessageInserted(1, "user", (part,)))


@pytest.mark.promise("P6")
def test_text_that_is_cut_says_how_much_is_missing() -> None:
    block = block_of(TextPart("x" * (MAX_SHOWN_CHARS + 7)))
    assert block["text"].endswith("[7 more characters not shown]")


@pytest.mark.promise("P6")
def test_a_long_message_is_replayed_whole_in_several_chunks() -> None:
    text = "0123456789" * 300_000
    chunks = projected(TextRun(1, "agent", (text,), 3))
    assert "".join(chunk["content"]["text"] for chunk in chunks) == text


@pytest.mark.promise("P5")
@pytest.mark.req("JR-19")
@pytest.mark.parametrize(
    "value",
    [
        {"when": datetime.now(UTC)},
        {"path": Path("/x")},
        {1: "a key that is no string"},
        {"half": "\ud800"},
        {"\udfff": 1},
        {"big": 2**70},
        {"nan": math.nan, "inf": math.inf},
        {"object": object()},
        b"bytes",
    ],
)
def test_raw_values_that_json_cannot_hold_are_no_failure(value: object) -> None:
    projected(announced(raw_input=value), ToolCallUpserted("c", raw_output=value))


@pytest.mark.promise("P5")
def test_text_that_is_no_unicode_is_no_failure() -> None:
    """A file name on disk may hold bytes that are no UTF-8."""
    half = "a\udcffb"
    projected(
        announced(content=(TextPart(half), FileChange("add", half, None, half)), locations=(Location(half),)),
        ToolCallUpserted("c", title=half),
        MessageInserted(1, "user", (TextPart(half), LinkPart(half, half))),
    )


NOTICE = NoticeRaised("warning", "Careful", "It is slippery.")
COMPACTION = (
    CompactionBegan("c1"),
    CompactionSummaryGrew("c1", "What "),
    CompactionSummaryGrew("c1", "was."),
    CompactionFinished("c1", "completed"),
)


def offered(*capabilities: str, events: Any) -> list[dict[str, Any]]:
    """The updates for a client that offers these."""
    projector = ProjectorV1(list, lambda path: path in capabilities)
    return [update for event in events for update in projector.updates(event)]


@pytest.mark.promise("P10")
@pytest.mark.parametrize("capabilities", [(), ("session.compaction",), ("session", "notices", "session.notice")])
def test_a_notice_is_only_for_clients_that_show_notices(capabilities: tuple[str, ...]) -> None:
    assert offered(*capabilities, events=[NOTICE]) == []


def test_a_notice_is_what_was_raised() -> None:
    quiet = NoticeRaised("info", "Hm")
    first, second = offered("session.notices", events=[NOTICE, quiet])
    assert first == {
        "sessionUpdate": "notice",
        "severity": "warning",
        "title": "Careful",
        "description": "It is slippery.",
    }
    assert second == {"sessionUpdate": "notice", "severity": "info", "title": "Hm"}
    for update in (first, second):
        params = {"sessionId": "s", "update": update}
        assert SessionNotification.model_validate(params).to_wire() == params


@pytest.mark.promise("P10")
@pytest.mark.parametrize("capabilities", [(), ("session.notices",), ("session", "compaction")])
def test_a_compaction_is_only_for_clients_that_show_compactions(capabilities: tuple[str, ...]) -> None:
    assert offered(*capabilities, events=COMPACTION) == []


def test_a_compaction_begins_grows_and_completes_with_what_it_grew_to() -> None:
    assert offered("session.compaction", events=COMPACTION) == [
        {"sessionUpdate": "compaction_update", "compactionId": "c1", "status": "in_progress"},
        summary_chunk("What "),
        summary_chunk("was."),
        {"sessionUpdate": "compaction_update", "compactionId": "c1", "status": "completed"},
    ]


def summary_chunk(text: str) -> dict[str, Any]:
    content = {"type": "text", "text": text}
    return {"sessionUpdate": "compaction_summary_chunk", "compactionId": "c1", "content": content}


@pytest.mark.parametrize(("status", "error"), [("failed", "no"), ("cancelled", None)])
def test_a_compaction_that_does_not_complete_keeps_no_summary(status: Any, error: str | None) -> None:
    *_, last = offered("session.compaction", events=[*COMPACTION[:-1], CompactionFinished("c1", status, error)])
    expected = {"sessionUpdate": "compaction_update", "compactionId": "c1", "status": status, "summary": None}
    assert last == (expected if error is None else {**expected, "error": error})
    *_, bare = offered("session.compaction", events=[COMPACTION[0], CompactionFinished("c1", status, error)])
    assert "summary" not in bare


@pytest.mark.promise("P6")
def test_a_long_summary_is_several_chunks() -> None:
    updates = offered("session.compaction", events=[COMPACTION[0], CompactionSummaryGrew("c1", "0123456789" * 300_000)])
    assert all(len(encoded(update)) < 8 * MIB - 1024 for update in updates)
    assert "".join(update["content"]["text"] for update in updates[1:]) == "0123456789" * 300_000


def test_what_a_client_offers_is_not_asked_for_text() -> None:
    def asked(path: str) -> bool:
        raise AssertionError(path)

    assert ProjectorV1(list, asked).updates(TextRun(1, "agent", ("x",), 1))


def test_what_a_newer_version_recorded_is_a_note_aside_once_for_each_kind() -> None:
    events = [UnknownEvent(kind, {"text": "later"}) for kind in ("moved", "moved", "mo\u202eved", "x" * 10_000)]
    notes = projected(*events)
    assert [note["sessionUpdate"] for note in notes] == ["agent_thought_chunk"] * 3
    assert len({note["messageId"] for note in notes}) == 3
    texts = [note["content"]["text"] for note in notes]
    assert ["moved" in texts[0], "mo\\u202eved" in texts[1], "x" * 100 in texts[2]] == [True] * 3
    assert all(len(text) < 300 and text.isprintable() and "later" not in text for text in texts)
