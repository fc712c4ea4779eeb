"""Logs of made-up sessions."""

from __future__ import annotations

from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, ResourcePart, TextPart
from agent_server.conversation.events import (
    ApprovalClosed,
    ApprovalOpened,
    CompactionBegan,
    CompactionFinished,
    CompactionSummaryGrew,
    Event,
    MessageInserted,
    MessagePart,
    ModelResponded,
    NoticeRaised,
    OptionChanged,
    PlanEntry,
    PlanUpdated,
    PromptReceived,
    SessionCreated,
    SystemNote,
    TerminalExited,
    TerminalOutput,
    TerminalStarted,
    TextRun,
    TitleChanged,
    ToolCallUpserted,
    ToolResultRecorded,
    TurnEnded,
    TurnFailure,
    TurnStarted,
    UnknownEvent,
    UsageReported,
)
from agent_server.conversation.tool_calls import FileChange, TerminalRef, ToolKind, ToolStatus

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


def beginning(cwd: str = "/work", created_at: str = "2026-11-20T10:00:00.000Z") -> list[Event]:
    return [
        SessionCreated(cwd, (cwd, "/more"), created_at),
        SystemNote(1, "info", f"Session started at {created_at}."),
    ]


def turn(number: int, prompt: str, answer: str, message_id: int) -> list[Event]:
    """A turn in which something is said and something answered; takes two message ids."""
    return [
        PromptReceived(number, (TextPart(prompt),)),
        TurnStarted(number, "prompt"),
        MessageInserted(message_id, "user", (TextPart(prompt),), number),
        TextRun(message_id + 1, "agent", (answer,), 1),
        TurnEnded(number, "end_turn"),
    ]


def eventful() -> list[Event]:
    """A log in which everything happens that a reader is told of."""
    return [
        *beginning(),
        OptionChanged("model", "offline"),
        PromptReceived(1, (TextPart("Fix it"),)),
        TurnStarted(1, "prompt"),
        MessageInserted(
            2, "user", (TextPart("Fix it"), LinkPart("file:///project/a.py", "a.py"), ImagePart(PIXEL, "image/png")), 1
        ),
        TextRun(3, "thought", ("I wonder. ", "Hm."), 2),
        TextRun(4, "agent", ("I will ",), 1),
        TextRun(4, "agent", ("fix **it**.",), 1),
        PlanUpdated((PlanEntry("Read"), PlanEntry("Write"))),
        PlanUpdated((PlanEntry("Read", "high", "completed"), PlanEntry("Write", "low", "in_progress"))),
        ToolCallUpserted(
            "call_1", "edit_file", "edit_file", ToolKind.EDIT, ToolStatus.PENDING, raw_input={"path": "/project/a.py"}
        ),
        ModelResponded((("c1", "edit_file", {"path": "/project/a.py"}),)),
        UsageReported(1000, 50, 10, 5, 7, 200_000, 0.25),
        ToolCallUpserted(
            "call_1",
            "Edit a.py",
            content=(FileChange("modify", "/project/a.py", "one\ntwo\n", "one\nTWO\n"),),
        ),
        ApprovalOpened("call_1", "Edit a.py", "edit_file"),
        ApprovalClosed("call_1", "approve"),
        ToolCallUpserted("call_1", status=ToolStatus.IN_PROGRESS),
        ToolCallUpserted("call_1", status=ToolStatus.COMPLETED),
        ToolResultRecorded("call_1", "c1", "edit_file", (TextPart("Edited a.py."),), False),
        ToolCallUpserted("call_2", "run_command", "run_command", ToolKind.EXECUTE, ToolStatus.PENDING),
        ToolCallUpserted("call_2", "make test", content=(TerminalRef("term_1"),)),
        TerminalStarted("term_1", "call_2", "make test", "/work"),
        TerminalOutput("term_1", b"1 pass"),
        TerminalOutput("term_1", "ed \u20ac\n".encode()),
        TerminalExited("term_1", 2, None),
        ToolCallUpserted("call_2", status=ToolStatus.FAILED),
        ToolResultRecorded("call_2", "c2", "run_command", (TextPart("exit code 2"),), True),
        ToolCallUpserted("call_3", "List /work", "list", ToolKind.READ, ToolStatus.DENIED),
        MessagePart(5, "agent", AudioPart("AAAA", "audio/wav")),
        MessagePart(5, "agent", ResourcePart("file:///project/b.txt", "inside")),
        UsageReported(2000, 60, cost_usd=0.5),
        NoticeRaised("warning", "Nobody reads this later"),
        CompactionBegan("compaction_6"),
        CompactionSummaryGrew("compaction_6", "We fixed "),
        CompactionSummaryGrew("compaction_6", "it."),
        CompactionFinished("compaction_6", "completed"),
        TitleChanged("I will fix **it**.", "agent"),
        TurnEnded(1, "end_turn"),
        PromptReceived(2, (TextPart("and?"),)),
        TurnStarted(2, "prompt"),
        MessageInserted(7, "user", (TextPart("and?"),), 2),
        PlanUpdated((PlanEntry("Rest", "medium", "pending"),)),
        UnknownEvent("telepathy", {"thought": "?"}),
        TurnEnded(2, None, TurnFailure("overloaded", "the model is busy", retryable=True)),
    ]
