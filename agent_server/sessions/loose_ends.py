"""What a log that ends in the middle of something leaves open, and the events that end it.

A session that crashed in a turn wrote no end of it. When its log is opened again, whatever is open there ends as
interrupted, before anybody sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import (
    ApprovalClosed,
    ApprovalOpened,
    CompactionBegan,
    CompactionFinished,
    Event,
    MessageInserted,
    MessagePart,
    PromptReceived,
    PromptWithdrawn,
    QuestionClosed,
    QuestionOpened,
    SystemNote,
    TerminalExited,
    TerminalStarted,
    TextRun,
    TitleChanged,
    ToolCallUpserted,
    TurnEnded,
    TurnFailure,
    TurnStarted,
)
from agent_server.conversation.tool_calls import ToolStatus
from agent_server.sessions.record import Record

INTERRUPTED: Final = "The turn was interrupted: the session ended while it ran."
CALL_INTERRUPTED: Final = "The call was interrupted: the session ended while it ran. What it did until then stays done."

CALL_LEFT_OUT: Final = "What came of the call is not part of this session, which was copied from another up to here."


class LooseEnds:
    """Folds a whole log beside a `Record`: what is open, and the numbers that were given (into the record)."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._turn: int | None = None
        self._prompts: dict[int, None] = {}
        self._calls: dict[str, None] = {}
        self._approvals: dict[str, None] = {}
        self._terminals: dict[str, None] = {}
        self._compactions: dict[str, None] = {}
        self._questions: dict[int, None] = {}

    def apply(self, events: Iterable[Event]) -> None:
        """Fold events, in their order."""
        for event in events:
            fold = self.folds.get(type(event))
            if fold is not None:
                fold(self, event)

    def repairs(self, *, cut_short: bool = False) -> list[Event]:
        """The events that end what is open; none where nothing is.

        ``cut_short``: it is open because a copy ends there, which is no failure.
        """
        events: list[Event] = [TerminalExited(terminal_id, None, None) for terminal_id in self._terminals]
        events += [ApprovalClosed(call_id, "cancelled") for call_id in self._approvals]
        events += [QuestionClosed(question_id, "withdrawn") for question_id in self._questions]
        events += [CompactionFinished(compaction_id, "failed", INTERRUPTED) for compaction_id in self._compactions]
        why = (TextPart(CALL_LEFT_OUT if cut_short else CALL_INTERRUPTED),)
        status = ToolStatus.CANCELLED if cut_short else ToolStatus.FAILED
        events += [ToolCallUpserted(call_id, status=status, content=why) for call_id in self._calls]
        if self._turn is not None:
            title = self._record.suggested_title() if self._record.title is None else None
            if title is not None:
                events.append(TitleChanged(title, "agent"))
            failure = TurnFailure("internal", INTERRUPTED)
            events.append(TurnEnded(self._turn, "end_turn") if cut_short else TurnEnded(self._turn, None, failure))
        events += [PromptWithdrawn(prompt_id) for prompt_id in self._prompts]
        return events

    def _entry(self, event: SystemNote) -> None:
        self._record.entries = max(self._record.entries, event.entry_id)

    def _text(self, event: TextRun | MessagePart) -> None:
        if event.message_id > self._record.entries:
            self._record.entries = event.message_id

    def _message(self, event: MessageInserted) -> None:
        self._record.entries = max(self._record.entries, event.message_id)
        if event.prompt_id is not None:
            self._prompts.pop(event.prompt_id, None)

    def _prompt(self, event: PromptReceived) -> None:
        self._record.prompts = max(self._record.prompts, event.prompt_id)
        self._prompts[event.prompt_id] = None

    def _withdrawn(self, event: PromptWithdrawn) -> None:
        self._prompts.pop(event.prompt_id, None)

    def _turn_started(self, event: TurnStarted) -> None:
        self._record.turns = max(self._record.turns, event.turn_id)
        self._turn = event.turn_id

    def _turn_ended(self, event: TurnEnded) -> None:
        self._turn = None

    def _call(self, event: ToolCallUpserted) -> None:
        call_id = event.tool_call_id
        self._record.tool_calls = max(self._record.tool_calls, _number_in(call_id))
        if event.status is not None:
            if event.status.ended:
                self._calls.pop(call_id, None)
            else:
                self._calls[call_id] = None

    def _terminal_started(self, event: TerminalStarted) -> None:
        if event.owner == "agent":
            self._record.terminals = max(self._record.terminals, _number_in(event.terminal_id))
        self._terminals[event.terminal_id] = None

    def _terminal_exited(self, event: TerminalExited) -> None:
        self._terminals.pop(event.terminal_id, None)

    def _approval_opened(self, event: ApprovalOpened) -> None:
        self._approvals[event.tool_call_id] = None

    def _approval_closed(self, event: ApprovalClosed) -> None:
        self._approvals.pop(event.tool_call_id, None)

    def _compaction_began(self, event: CompactionBegan) -> None:
        self._record.entries = max(self._record.entries, _number_in(event.compaction_id))
        self._compactions[event.compaction_id] = None

    def _compaction_finished(self, event: CompactionFinished) -> None:
        self._compactions.pop(event.compaction_id, None)

    def _question_opened(self, event: QuestionOpened) -> None:
        self._record.entries = max(self._record.entries, event.question_id)
        self._questions[event.question_id] = None

    def _question_closed(self, event: QuestionClosed) -> None:
        self._questions.pop(event.question_id, None)

    folds: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = {
        SystemNote: _entry,
        TextRun: _text,
        MessagePart: _text,
        MessageInserted: _message,
        PromptReceived: _prompt,
        PromptWithdrawn: _withdrawn,
        TurnStarted: _turn_started,
        TurnEnded: _turn_ended,
        ToolCallUpserted: _call,
        TerminalStarted: _terminal_started,
        TerminalExited: _terminal_exited,
        ApprovalOpened: _approval_opened,
        ApprovalClosed: _approval_closed,
        CompactionBegan: _compaction_began,
        CompactionFinished: _compaction_finished,
        QuestionOpened: _question_opened,
        QuestionClosed: _question_closed,
    }


def _number_in(minted: str) -> int:
    """The number in an id like ``call_12``; 0 for ids that somebody else made."""
    number = minted.rpartition("_")[2]
    return int(number) if number.isdecimal() and number.isascii() and len(number) < 19 else 0
