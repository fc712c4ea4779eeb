"""What a session looks like from outside: its updates folded into messages, tool calls and state. Pure.

Chunks of a message are told apart by their message id; where an agent sends none, neighbours of one kind belong
together, and whatever else shows up in the conversation ends the message. Spec: prompt-turn, message ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from agent_server.protocol.model import CLEARED
from agent_server.protocol.v1.content import ContentBlock, TextContent
from agent_server.protocol.v1.session import SessionConfigOption, SessionModeState
from agent_server.protocol.v1.tool_calls import (
    ToolCall,
    ToolCallContent,
    ToolCallLocation,
    ToolCallStatus,
    ToolCallUpdate,
    ToolKind,
)
from agent_server.protocol.v1.updates import (
    AgentMessageChunk,
    AgentThoughtChunk,
    AvailableCommand,
    AvailableCommandsUpdate,
    ConfigOptionUpdate,
    CurrentModeUpdate,
    Notice,
    PlanEntry,
    PlanUpdate,
    SessionInfoUpdate,
    SessionUpdate,
    ToolCallProgressed,
    ToolCallStarted,
    UsageUpdate,
    UserMessageChunk,
)

Role: TypeAlias = Literal["user", "agent", "thought"]
Chunk: TypeAlias = UserMessageChunk | AgentMessageChunk | AgentThoughtChunk

_ROLES: Final[dict[type, Role]] = {
    UserMessageChunk: "user",
    AgentMessageChunk: "agent",
    AgentThoughtChunk: "thought",
}


class Message:
    """One message of the user or the agent, or one thought."""

    __slots__ = ("_append", "_pieces", "chunk_type", "message_id")

    def __init__(self, chunk_type: type, message_id: str | None) -> None:
        self.chunk_type = chunk_type
        self.message_id = message_id
        # Plain strings, which the garbage collector need not visit; other content as it came.
        self._pieces: list[str | ContentBlock] = []
        self._append = self._pieces.append

    def __repr__(self) -> str:
        return f"<Message {self.role} {self.message_id}: {self.text!r}>"

    @property
    def role(self) -> Role:
        """Whose it is."""
        return _ROLES[self.chunk_type]

    @property
    def text(self) -> str:
        """All its text, without what is no text."""
        return "".join(block.text for block in self.blocks if isinstance(block, TextContent))

    @property
    def blocks(self) -> list[ContentBlock]:
        """Its content, with the text of neighbouring chunks joined."""
        blocks: list[ContentBlock] = []
        run: list[str] = []
        for piece in self._pieces:
            if isinstance(piece, str):
                run.append(piece)
                continue
            _end_run(run, blocks)
            blocks.append(piece)
        _end_run(run, blocks)
        return blocks

    def add(self, content: ContentBlock) -> None:
        """Append one chunk's content."""
        if type(content) is TextContent and content.annotations is None and content.meta is None:
            self._append(content.text)
        else:
            self._append(content)


def _end_run(run: list[str], blocks: list[ContentBlock]) -> None:
    text = "".join(run)
    run.clear()
    if text:
        blocks.append(TextContent(text=text))


@dataclass(slots=True)
class ToolCallEntry:
    """A tool call as it stands now. ``title`` is empty only if the agent never gave one."""

    tool_call_id: str
    title: str = ""
    name: str | None = None
    kind: ToolKind = "other"
    status: ToolCallStatus = "pending"
    content: list[ToolCallContent] = field(default_factory=list)
    locations: list[ToolCallLocation] = field(default_factory=list)
    raw_input: Any = None
    raw_output: Any = None

    def apply(self, change: ToolCall | ToolCallUpdate) -> None:
        """Take what is there; a list replaces the whole list before it."""
        for name in _TOOL_CALL_FIELDS:
            value = getattr(change, name)
            if value is not None:
                setattr(self, name, value)


_TOOL_CALL_FIELDS: Final = ("title", "name", "kind", "status", "content", "locations", "raw_input", "raw_output")

Entry: TypeAlias = Message | ToolCallEntry


class Transcript:
    """The state of one session, as far as its updates told it.

    Attributes:
        entries: messages and tool calls in the order in which they began.
        plan: the current plan.
        modes: the modes and the current one; None where the session has none.
        config_options: what can be set, with its values.
        commands: the slash commands.
        usage: the last usage report.
        title, updated_at: what the agent calls the session, and its last activity (ISO 8601).
        notices: what the user should know besides the conversation.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.plan: list[PlanEntry] = []
        self.modes: SessionModeState | None = None
        self.config_options: list[SessionConfigOption] = []
        self.commands: list[AvailableCommand] = []
        self.usage: UsageUpdate | None = None
        self.title: str | None = None
        self.updated_at: str | None = None
        self.notices: list[Notice] = []
        self._messages: dict[tuple[type, str], Message] = {}
        self._tool_calls: dict[str, ToolCallEntry] = {}
        self._open: Message | None = None

    @property
    def messages(self) -> list[Message]:
        """The messages alone."""
        return [entry for entry in self.entries if isinstance(entry, Message)]

    @property
    def tool_calls(self) -> list[ToolCallEntry]:
        """The tool calls alone."""
        return list(self._tool_calls.values())

    def tool_call(self, tool_call_id: str) -> ToolCallEntry | None:
        """The call with that id, or None."""
        return self._tool_calls.get(tool_call_id)

    @property
    def text(self) -> str:
        """Everything the agent said, its messages separated by blank lines."""
        return "\n\n".join(message.text for message in self.messages if message.role == "agent")

    def apply(self, update: SessionUpdate) -> None:
        """Fold one update in."""
        kind = type(update)
        message = self._open
        # By far the most frequent case: the next chunk of the message that is being written.
        if message is not None and message.chunk_type is kind and message.message_id == update.message_id:  # type: ignore[union-attr]
            message.add(update.content)  # type: ignore[union-attr, arg-type]
            return
        fold = _FOLDS.get(kind)
        if fold is not None:
            fold(self, update)

    def enter_mode(self, mode_id: str) -> None:
        """The session is in another mode."""
        available = [] if self.modes is None else self.modes.available_modes
        self.modes = SessionModeState(current_mode_id=mode_id, available_modes=available)

    def begin(self, modes: SessionModeState | None, options: list[SessionConfigOption] | None) -> None:
        """Take what the answer that created the session said; updates that were quicker are newer."""
        quicker, self.modes = self.modes, modes
        if quicker is not None:
            self.enter_mode(quicker.current_mode_id)
        self.config_options = self.config_options or options or []

    def _fold_chunk(self, update: Chunk) -> None:
        self._open = self._message_of(update)
        self._open.add(update.content)

    def _message_of(self, update: Chunk) -> Message:
        kind, message_id = type(update), update.message_id
        if message_id is None:
            if self._open is not None and self._open.chunk_type is kind:
                return self._open
        elif (known := self._messages.get((kind, message_id))) is not None:
            return known
        message = Message(kind, message_id)
        if message_id is not None:
            self._messages[kind, message_id] = message
        self.entries.append(message)
        return message

    def _fold_tool_call(self, update: ToolCallStarted | ToolCallProgressed) -> None:
        call = self._tool_calls.get(update.tool_call_id)
        if call is None:
            call = self._tool_calls[update.tool_call_id] = ToolCallEntry(update.tool_call_id)
            self.entries.append(call)
            self._open = None
        call.apply(update)

    def _fold_plan(self, update: PlanUpdate) -> None:
        self.plan = update.entries

    def _fold_mode(self, update: CurrentModeUpdate) -> None:
        self.enter_mode(update.current_mode_id)

    def _fold_options(self, update: ConfigOptionUpdate) -> None:
        self.config_options = update.config_options

    def _fold_commands(self, update: AvailableCommandsUpdate) -> None:
        self.commands = update.available_commands

    def _fold_info(self, update: SessionInfoUpdate) -> None:
        if update.title is not None:
            self.title = None if update.title is CLEARED else str(update.title)
        if update.updated_at is not None:
            self.updated_at = None if update.updated_at is CLEARED else str(update.updated_at)

    def _fold_usage(self, update: UsageUpdate) -> None:
        self.usage = update

    def _fold_notice(self, update: Notice) -> None:
        self.notices.append(update)


_FOLDS: Final[dict[type, Callable[[Transcript, Any], None]]] = {
    UserMessageChunk: Transcript._fold_chunk,
    AgentMessageChunk: Transcript._fold_chunk,
    AgentThoughtChunk: Transcript._fold_chunk,
    ToolCallStarted: Transcript._fold_tool_call,
    ToolCallProgressed: Transcript._fold_tool_call,
    PlanUpdate: Transcript._fold_plan,
    CurrentModeUpdate: Transcript._fold_mode,
    ConfigOptionUpdate: Transcript._fold_options,
    AvailableCommandsUpdate: Transcript._fold_commands,
    SessionInfoUpdate: Transcript._fold_info,
    UsageUpdate: Transcript._fold_usage,
    Notice: Transcript._fold_notice,
}
