"""What a transcript is made of: messages, tool calls, compactions and notices. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from agent_server.protocol.model import CLEARED
from agent_server.protocol.v1.content import ContentBlock, TextContent
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
    CompactionSummaryChunk,
    CompactionUpdate,
    Notice,
    UserMessageChunk,
)

Role: TypeAlias = Literal["user", "agent", "thought"]

_ROLES: Final[dict[type, Role]] = {
    UserMessageChunk: "user",
    AgentMessageChunk: "agent",
    AgentThoughtChunk: "thought",
}


class ContentRun:
    """Content that comes in chunks. Where it was cut does not matter: runs of the same content are equal."""

    __slots__ = ("_append", "_pieces")

    def __init__(self) -> None:
        # Plain strings, which the garbage collector need not visit; other content as it came.
        self._pieces: list[str | ContentBlock] = []
        self._append = self._pieces.append

    def __repr__(self) -> str:
        return f"<ContentRun: {self.text!r}>"

    def __eq__(self, other: object) -> bool:
        return self.blocks == other.blocks if isinstance(other, ContentRun) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def text(self) -> str:
        """All its text, without what is no text."""
        return "".join(block.text for block in self.blocks if isinstance(block, TextContent))

    @property
    def blocks(self) -> list[ContentBlock]:
        """The content, with the text of neighbouring chunks joined."""
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

    def replace(self, blocks: Iterable[ContentBlock]) -> None:
        """Have this content in place of what was there."""
        self._pieces.clear()
        for block in blocks:
            self.add(block)


def _end_run(run: list[str], blocks: list[ContentBlock]) -> None:
    text = "".join(run)
    run.clear()
    if text:
        blocks.append(TextContent(text=text))


class Message(ContentRun):
    """One message of the user or the agent, or one thought. ``message_id`` is opaque and the agent's."""

    __slots__ = ("chunk_type", "message_id")

    def __init__(self, chunk_type: type, message_id: str | None) -> None:
        super().__init__()
        self.chunk_type = chunk_type
        self.message_id = message_id

    def __repr__(self) -> str:
        return f"<Message {self.role} {self.message_id}: {self.text!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        mine, others = (self.chunk_type, self.message_id), (other.chunk_type, other.message_id)
        return mine == others and self.blocks == other.blocks

    __hash__ = None

    @property
    def role(self) -> Role:
        """Whose it is."""
        return _ROLES[self.chunk_type]


@dataclass(slots=True)
class ToolCallEntry:
    """A tool call as it stands now.

    Attributes:
        title: empty only if the agent never gave one.
        cancelled: the turn was cancelled from here while the call was open. ACP has no status for that: the agent
            will say ``failed``, and ``completed`` only if the call had been quicker.
    """

    tool_call_id: str
    title: str = ""
    name: str | None = None
    kind: ToolKind = "other"
    status: ToolCallStatus = "pending"
    content: list[ToolCallContent] = field(default_factory=list)
    locations: list[ToolCallLocation] = field(default_factory=list)
    raw_input: Any = None
    raw_output: Any = None
    cancelled: bool = field(default=False, compare=False)

    @property
    def open(self) -> bool:
        """Whether it has not ended yet."""
        return self.status in ("pending", "in_progress")

    def apply(self, change: ToolCall | ToolCallUpdate) -> None:
        """Take what is there; a list replaces the whole list before it."""
        for name in _TOOL_CALL_FIELDS:
            value = getattr(change, name)
            if value is not None:
                setattr(self, name, value)
        self.cancelled = self.cancelled and self.status != "completed"


_TOOL_CALL_FIELDS: Final = ("title", "name", "kind", "status", "content", "locations", "raw_input", "raw_output")


@dataclass(slots=True)
class CompactionEntry:
    """The agent shortened its context here.

    Attributes:
        status: ``in_progress``, ``completed``, ``failed``, ``cancelled`` or a word that we do not know.
        summary: what the conversation before it was shortened to, as far as that was told.
        error: why it failed.
    """

    compaction_id: str
    status: str = "in_progress"
    summary: ContentRun = field(default_factory=ContentRun)
    error: str | None = None

    def apply(self, change: CompactionUpdate | CompactionSummaryChunk) -> None:
        """Take what is there; null removes, a list replaces, a chunk appends."""
        if isinstance(change, CompactionSummaryChunk):
            self.summary.add(change.content)
            return
        self.status = change.status
        if change.summary is not None:
            self.summary.replace(change.summary if isinstance(change.summary, list) else ())
        if change.error is not None:
            self.error = None if change.error is CLEARED else str(change.error)


Entry: TypeAlias = Message | ToolCallEntry | CompactionEntry | Notice
