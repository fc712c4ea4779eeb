"""The document that a session is exported to for programs; published as ``schemas/session-export.json``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from agent_server.protocol.model import Model
from agent_server.protocol.v1.content import ContentBlock


class ExportedSession(Model):
    """What the session is. Times are RFC 3339 in UTC; ``turn_count`` counts the turns that began."""

    session_id: str
    title: str | None = None
    cwd: str
    additional_directories: list[str]
    created_at: str
    updated_at: str | None = None
    model: str | None = None
    archived: bool
    turn_count: int


class ExportedUsage(Model):
    """What all model calls together used. Without ``cost_usd`` none had a price."""

    model_calls: int
    input_tokens: int
    output_tokens: int
    cached_read_tokens: int
    cached_write_tokens: int
    thought_tokens: int
    cost_usd: float | None = None


class ExportedMessage(Model):
    """What the user or the agent said, or the agent thought."""

    type: Literal["message"]
    message_id: str
    role: Literal["user", "agent", "thought"]
    content: list[ContentBlock]


class ExportedChange(Model):
    """A change of a file; without ``old_text`` it was not there before, without ``new_text`` not afterwards."""

    type: Literal["change"]
    operation: Literal["add", "modify", "delete", "move"]
    path: str
    old_path: str | None = None
    old_text: str | None = None
    new_text: str | None = None


class ExportedCommand(Model):
    """A command, and the end of what it wrote: ``omitted_bytes`` came before. How it ended may not be known."""

    command: str
    cwd: str
    output: str
    omitted_bytes: int
    exit_code: int | None = None
    signal: str | None = None


class ExportedToolCall(Model):
    """A tool call: ``content`` is what people were shown, ``result`` what the model was given.

    ``decision`` is the last answer to a question whether it may run.
    """

    type: Literal["toolCall"]
    tool_call_id: str
    title: str
    name: str | None = None
    kind: str
    status: Literal["pending", "in_progress", "completed", "failed", "denied", "cancelled"]
    decision: Literal["approve", "approve_turn", "approve_session", "reject", "timeout", "cancelled"] | None = None
    raw_input: Any = None
    content: list[ExportedChange | ContentBlock]
    commands: list[ExportedCommand]
    result: list[ContentBlock] | None = None
    is_error: bool


class ExportedNote(Model):
    """A line for people that the model was not told."""

    type: Literal["note"]
    level: Literal["info", "error"]
    text: str


class ExportedPlanEntry(Model):
    """One line of a plan."""

    content: str
    priority: Literal["high", "medium", "low"]
    status: Literal["pending", "in_progress", "completed"]


class ExportedPlan(Model):
    """The plan of one turn, as it stood last."""

    type: Literal["plan"]
    entries: list[ExportedPlanEntry]


class ExportedCompaction(Model):
    """Here the model's context was shortened. Without ``status`` the log ends before it was."""

    type: Literal["compaction"]
    compaction_id: str
    status: Literal["completed", "failed", "cancelled"] | None = None
    summary: str
    error: str | None = None


class ExportedFailure(Model):
    """Why a turn failed."""

    kind: str
    details: str


class ExportedTurnEnd(Model):
    """A turn is over, with a stop reason or an error."""

    type: Literal["turnEnd"]
    turn: int
    stop_reason: Literal["end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"] | None = None
    error: ExportedFailure | None = None


ExportedEntry: TypeAlias = Annotated[
    ExportedMessage | ExportedToolCall | ExportedNote | ExportedPlan | ExportedCompaction | ExportedTurnEnd,
    Field(discriminator="type"),
]


class SessionExport(Model):
    """One session, oldest entry first. A new ``version`` is what programs for this one cannot read. (Req: PE-10)"""

    format: Literal["agent-server-session"]
    version: Literal[1]
    session: ExportedSession
    usage: ExportedUsage
    entries: list[ExportedEntry]
