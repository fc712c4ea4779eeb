"""What an agent reports while it works: ``session/update``. Spec: prompt-turn, agent-plan, slash-commands."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from agent_server.protocol.model import (
    Clearable,
    ClearableList,
    Lenient,
    LenientList,
    Model,
)
from agent_server.protocol.v1.content import ContentBlock
from agent_server.protocol.v1.numbers import Uint64
from agent_server.protocol.v1.session import SessionConfigOption
from agent_server.protocol.v1.tool_calls import ToolCall, ToolCallUpdate

PlanEntryPriority: TypeAlias = Literal["high", "medium", "low"]
PlanEntryStatus: TypeAlias = Literal["pending", "in_progress", "completed"]


class _Update(Model):
    # As the last base it puts the discriminator in front of the fields of the others.
    session_update: str


class _Chunk(_Update):
    content: ContentBlock
    message_id: Lenient[str] = None


class UserMessageChunk(_Chunk):
    """A piece of what the user said, on replay or to another viewer."""

    session_update: Literal["user_message_chunk"] = "user_message_chunk"


class AgentMessageChunk(_Chunk):
    """A piece of what the agent says. Pieces of one message share their ``message_id``."""

    session_update: Literal["agent_message_chunk"] = "agent_message_chunk"


class AgentThoughtChunk(_Chunk):
    """A piece of what the agent thinks."""

    session_update: Literal["agent_thought_chunk"] = "agent_thought_chunk"


class ToolCallStarted(ToolCall, _Update):
    """A tool call begins."""

    session_update: Literal["tool_call"] = "tool_call"


class ToolCallProgressed(ToolCallUpdate, _Update):
    """A tool call changed."""

    session_update: Literal["tool_call_update"] = "tool_call_update"


class PlanEntry(Model):
    """One step of a plan."""

    content: str
    priority: PlanEntryPriority
    status: PlanEntryStatus


class PlanUpdate(_Update):
    """The whole plan, in place of the one before."""

    session_update: Literal["plan"] = "plan"
    entries: LenientList[PlanEntry]


class UnstructuredCommandInput(Model):
    """Everything typed behind the command's name. ``hint`` is shown while there is nothing."""

    hint: str


AvailableCommandInput: TypeAlias = UnstructuredCommandInput
"""What a command takes; one kind so far."""


class AvailableCommand(Model):
    """A command; ``name`` is without the slash."""

    name: str
    description: str
    input: Lenient[AvailableCommandInput] = None


class AvailableCommandsUpdate(_Update):
    """All commands, in place of the ones before."""

    session_update: Literal["available_commands_update"] = "available_commands_update"
    available_commands: LenientList[AvailableCommand]


class CurrentModeUpdate(_Update):
    """The session is in another mode."""

    session_update: Literal["current_mode_update"] = "current_mode_update"
    current_mode_id: str


class ConfigOptionUpdate(_Update):
    """All config options with their values."""

    session_update: Literal["config_option_update"] = "config_option_update"
    config_options: LenientList[SessionConfigOption]


class SessionInfoUpdate(_Update):
    """Title and time of last activity (ISO 8601). None leaves them as they were, ``CLEARED`` removes them."""

    session_update: Literal["session_info_update"] = "session_info_update"
    title: Clearable[str] = None
    updated_at: Clearable[str] = None


class Cost(Model):
    """What the session has cost so far. ``currency`` is ISO 4217 or a unit such as ``credits``."""

    amount: float
    currency: str


class UsageUpdate(_Update):
    """Tokens in the context, out of a window of ``size``."""

    session_update: Literal["usage_update"] = "usage_update"
    used: Uint64
    size: Uint64
    cost: Lenient[Cost] = None


class Notice(_Update):
    """Something the user should know that is no part of the conversation; only for clients with ``session.notices``.

    ``severity`` is ``info``, ``warning``, ``error`` or a word that we do not know.
    """

    session_update: Literal["notice"] = "notice"
    severity: str
    title: Annotated[str, Field(min_length=1)]
    description: Lenient[str] = None


class CompactionUpdate(_Update):
    """The agent shortens its context; only for clients with ``session.compaction``.

    ``status`` is ``in_progress``, ``completed``, ``failed``, ``cancelled`` or a word that we do not know. ``summary``
    replaces what was there, None leaves it, ``CLEARED`` removes it; so does ``error``. Spec: session compaction.
    """

    session_update: Literal["compaction_update"] = "compaction_update"
    compaction_id: str
    status: str
    summary: ClearableList[ContentBlock] = None
    error: Clearable[str] = None


class CompactionSummaryChunk(_Update):
    """The summary of a compaction goes on; only for clients with ``session.compaction``."""

    session_update: Literal["compaction_summary_chunk"] = "compaction_summary_chunk"
    compaction_id: str
    content: ContentBlock


SessionUpdate: TypeAlias = Annotated[
    UserMessageChunk
    | AgentMessageChunk
    | AgentThoughtChunk
    | ToolCallStarted
    | ToolCallProgressed
    | PlanUpdate
    | AvailableCommandsUpdate
    | CurrentModeUpdate
    | ConfigOptionUpdate
    | SessionInfoUpdate
    | UsageUpdate
    | Notice
    | CompactionUpdate
    | CompactionSummaryChunk,
    Field(discriminator="session_update"),
]
"""One update. The union is closed: an unknown ``sessionUpdate`` is invalid, and a client should ignore it."""


class SessionNotification(Model):
    """An update of one session."""

    session_id: str
    update: SessionUpdate
