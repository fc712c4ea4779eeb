"""What happened in a session, as a reader wants it: messages, tool calls, plans, ends of turns, in order. Pure.

Folded from the events of a log, however they are divided into pages. Every entry stands where it first appeared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, TypeAlias

from agent_server.conversation.content import Part, TextPart, text_of
from agent_server.conversation.events import (
    ApprovalClosed,
    ArchivedChanged,
    CompactionBegan,
    CompactionFinished,
    CompactionOutcome,
    CompactionSummaryGrew,
    Decision,
    Event,
    MessageInserted,
    MessagePart,
    MessageRole,
    OptionChanged,
    PlanEntry,
    PlanUpdated,
    RootsChanged,
    SessionCreated,
    StopReason,
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
from agent_server.conversation.tool_calls import FileChange, ToolContent, ToolKind, ToolStatus
from agent_server.conversation.usage import UsageTotals

COMMAND_TAIL_BYTES: Final = 256 * 1024
"""What is kept of a command's output: its end."""


class Message:
    """What somebody said."""

    __slots__ = ("_parts", "message_id", "role")

    def __init__(self, message_id: int, role: MessageRole) -> None:
        self.message_id = message_id
        self.role: MessageRole = role
        self._parts: list[Part | list[str]] = []

    def add(self, part: Part) -> None:
        """It went on with this."""
        if not isinstance(part, TextPart):
            self._parts.append(part)
        elif self._parts and isinstance(last := self._parts[-1], list):
            last.append(part.text)
        else:
            self._parts.append([part.text])

    @property
    def parts(self) -> list[Part]:
        """All that was said. Texts that followed each other are one part."""
        return [TextPart("".join(part)) if isinstance(part, list) else part for part in self._parts]

    @property
    def text(self) -> str:
        """All of its text."""
        return text_of(self.parts)


@dataclass(slots=True)
class Command:
    """A command that ran inside a tool call, with the end of its output: ``cut_bytes`` came before that."""

    command: str
    cwd: str
    output: bytearray = field(default_factory=bytearray)
    cut_bytes: int = 0
    ended: bool = False
    exit_code: int | None = None
    signal: str | None = None

    @property
    def text(self) -> str:
        """The output that is kept."""
        return self.output.decode("utf-8", "replace")


@dataclass(slots=True)
class ToolCall:
    """A tool call, as it stands at the end of what was read.

    Attributes:
        content: what people were shown; terminals are in ``commands`` instead.
        result: what the model was given; None while it was given nothing.
        decision: the last answer to a question whether it may run.
    """

    tool_call_id: str
    title: str = "Tool call"
    name: str | None = None
    kind: ToolKind = ToolKind.OTHER
    status: ToolStatus = ToolStatus.PENDING
    raw_input: Any = None
    content: tuple[ToolContent, ...] = ()
    commands: list[Command] = field(default_factory=list)
    result: tuple[Part, ...] | None = None
    is_error: bool = False
    decision: Decision | None = None

    @property
    def changes(self) -> list[FileChange]:
        """The changes of files among its content."""
        return [item for item in self.content if isinstance(item, FileChange)]

    @property
    def shown_text(self) -> str:
        """What it says beside changes and commands; where it shows none of all that, what the model was given."""
        said = text_of([item for item in self.content if isinstance(item, TextPart)])
        if said or self.changes or (self.commands and not self.is_error):
            return said
        return text_of(self.result or ())


@dataclass(slots=True)
class Note:
    """A line that is no part of what the model was told."""

    level: Literal["info", "error"]
    text: str


@dataclass(slots=True)
class Plan:
    """The plan of one turn, as it stood last."""

    entries: tuple[PlanEntry, ...]


@dataclass(slots=True)
class Compaction:
    """Here the context was shortened; ``status`` is None where the log ends before it was."""

    compaction_id: str
    summary: str = ""
    status: CompactionOutcome | None = None
    error: str | None = None


@dataclass(slots=True)
class TurnEnd:
    """A turn is over: exactly one of ``stop_reason`` and ``failure`` is set."""

    turn_id: int
    stop_reason: StopReason | None
    failure: TurnFailure | None


Entry: TypeAlias = Message | ToolCall | Note | Plan | Compaction | TurnEnd


class Transcript:
    """A session's log, folded. Read ``entries`` after the last `apply`.

    Args:
        session_id: whose log it is.
        updated_at: when it last changed, RFC 3339; None where that is not known (a log has no clock).
    """

    def __init__(self, session_id: str, updated_at: str | None = None) -> None:
        self.session_id = session_id
        self.updated_at = updated_at
        self.cwd = ""
        self.roots: tuple[str, ...] = ()
        self.created_at = ""
        self.title: str | None = None
        self.model: str | None = None
        self.archived = False
        self.turns = 0
        self.totals = UsageTotals()
        self.entries: list[Entry] = []
        self._messages: dict[int, Message] = {}
        self._calls: dict[str, ToolCall] = {}
        self._commands: dict[str, Command] = {}
        self._compactions: dict[str, Compaction] = {}
        self._plan: Plan | None = None

    @property
    def empty(self) -> bool:
        """Whether nobody said anything."""
        return not self._messages

    @property
    def heading(self) -> str:
        """Its title, or what stands for one."""
        return self.title or "Untitled session"

    def apply(self, events: Iterable[Event]) -> None:
        """Fold events, in their order."""
        folds = self.folds
        for event in events:
            fold = folds.get(type(event))
            if fold is not None:
                fold(self, event)

    def note_damage(self, sentence: str | None) -> None:
        """What is wrong with the log, if anything is: its end may be missing here."""
        if sentence is not None:
            self.entries.append(Note("error", sentence))

    def _created(self, event: SessionCreated) -> None:
        self.cwd, self.roots, self.created_at = event.cwd, event.roots, event.created_at
        self.model = event.model

    def _roots(self, event: RootsChanged) -> None:
        self.roots = event.roots

    def _titled(self, event: TitleChanged) -> None:
        self.title = event.title

    def _option(self, event: OptionChanged) -> None:
        if event.option_id == "model":
            self.model = event.value

    def _archived(self, event: ArchivedChanged) -> None:
        self.archived = event.archived

    def _note(self, event: SystemNote) -> None:
        self.entries.append(Note(event.level, event.text))

    def _unknown(self, event: UnknownEvent) -> None:
        text = f"Something happened here that this version of agent-server does not know: {event.kind}."
        self.entries.append(Note("info", text))

    def _message(self, event: MessageInserted) -> None:
        message = self._message_of(event.message_id, event.role)
        for part in event.parts:
            message.add(part)

    def _text_run(self, event: TextRun) -> None:
        self._message_of(event.message_id, event.role).add(TextPart(event.text))

    def _part(self, event: MessagePart) -> None:
        self._message_of(event.message_id, event.role).add(event.part)

    def _message_of(self, message_id: int, role: MessageRole) -> Message:
        message = self._messages.get(message_id)
        if message is None:
            message = self._messages[message_id] = Message(message_id, role)
            self.entries.append(message)
        return message

    def _turn_started(self, event: TurnStarted) -> None:
        self.turns += 1
        self._plan = None

    def _turn_ended(self, event: TurnEnded) -> None:
        self._plan = None
        self.entries.append(TurnEnd(event.turn_id, event.stop_reason, event.failure))

    def _call(self, event: ToolCallUpserted) -> None:
        call = self._call_of(event.tool_call_id)
        call.title = event.title or call.title
        call.name = event.name or call.name
        call.kind = event.kind or call.kind
        call.status = event.status or call.status
        if event.raw_input is not None:
            call.raw_input = event.raw_input
        if event.content is not None:
            call.content = event.content

    def _call_of(self, tool_call_id: str) -> ToolCall:
        call = self._calls.get(tool_call_id)
        if call is None:
            call = self._calls[tool_call_id] = ToolCall(tool_call_id)
            self.entries.append(call)
        return call

    def _result(self, event: ToolResultRecorded) -> None:
        call = self._call_of(event.tool_call_id)
        call.result, call.is_error = event.parts, event.is_error

    def _decided(self, event: ApprovalClosed) -> None:
        self._call_of(event.tool_call_id).decision = event.decision

    def _command_started(self, event: TerminalStarted) -> None:
        command = self._commands[event.terminal_id] = Command(event.command, event.cwd)
        self._call_of(event.tool_call_id).commands.append(command)

    def _command_wrote(self, event: TerminalOutput) -> None:
        command = self._commands.get(event.terminal_id)
        if command is not None:
            command.output += event.data
            excess = len(command.output) - COMMAND_TAIL_BYTES
            if excess > 0:
                del command.output[:excess]
                command.cut_bytes += excess

    def _command_ended(self, event: TerminalExited) -> None:
        command = self._commands.pop(event.terminal_id, None)
        if command is not None:
            command.ended, command.exit_code, command.signal = True, event.exit_code, event.signal

    def _planned(self, event: PlanUpdated) -> None:
        if self._plan is None:
            self._plan = Plan(event.entries)
            self.entries.append(self._plan)
        self._plan.entries = event.entries

    def _used(self, event: UsageReported) -> None:
        self.totals = self.totals.plus(event)

    def _compaction_of(self, compaction_id: str) -> Compaction:
        compaction = self._compactions.get(compaction_id)
        if compaction is None:
            compaction = self._compactions[compaction_id] = Compaction(compaction_id)
            self.entries.append(compaction)
        return compaction

    def _compaction_began(self, event: CompactionBegan) -> None:
        self._compaction_of(event.compaction_id)

    def _compaction_grew(self, event: CompactionSummaryGrew) -> None:
        self._compaction_of(event.compaction_id).summary += event.text

    def _compaction_ended(self, event: CompactionFinished) -> None:
        compaction = self._compaction_of(event.compaction_id)
        compaction.status, compaction.error = event.status, event.error

    folds: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = {
        SessionCreated: _created,
        RootsChanged: _roots,
        TitleChanged: _titled,
        OptionChanged: _option,
        ArchivedChanged: _archived,
        SystemNote: _note,
        UnknownEvent: _unknown,
        MessageInserted: _message,
        TextRun: _text_run,
        MessagePart: _part,
        TurnStarted: _turn_started,
        TurnEnded: _turn_ended,
        ToolCallUpserted: _call,
        ToolResultRecorded: _result,
        ApprovalClosed: _decided,
        TerminalStarted: _command_started,
        TerminalOutput: _command_wrote,
        TerminalExited: _command_ended,
        PlanUpdated: _planned,
        UsageReported: _used,
        CompactionBegan: _compaction_began,
        CompactionSummaryGrew: _compaction_grew,
        CompactionFinished: _compaction_ended,
    }
