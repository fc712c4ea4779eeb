"""What an agent reports while it works: ``session/update``. Spec: prompt-turn, agent-plan, slash-commands."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from pydantic import Field, Tag

from agent_server.protocol.model import (
    Clearable,
    ClearableList,
    Lenient,
    LenientList,
    Model,
    OpenModel,
    OtherThan,
    Unstable,
)
from agent_server.protocol.v1.content import ContentBlock
from agent_server.protocol.v1.numbers import Double, Uint64
from agent_server.protocol.v1.plan import PlanEntry as PlanEntry
from agent_server.protocol.v1.session import SessionConfigOption
from agent_server.protocol.v1.tool_calls import ToolCall, ToolCallUpdate
from agent_server.protocol.v1.unstable.plans import PlanContentUpdate, PlanRemoved
from agent_server.protocol.v1.unstable.subagents import SessionMessage, SessionMessageChunk, SubagentUpdate


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
    """Title and time of last activity (ISO 8601). Absent (None) leaves them, null (``CLEARED``) removes them."""

    session_update: Literal["session_info_update"] = "session_info_update"
    title: Clearable[str] = None
    updated_at: Clearable[str] = None


class Cost(Model):
    """What the session has cost so far. ``currency`` is ISO 4217 or a unit such as ``credits``."""

    amount: Double
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
    replaces what was there, absent (None) leaves it, null (``CLEARED``) removes it; so does ``error``. Spec: session
    compaction.
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


KnownUpdate: TypeAlias = Annotated[
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
    | CompactionSummaryChunk
    | Annotated[PlanContentUpdate, Unstable()]
    | Annotated[PlanRemoved, Unstable()]
    | Annotated[SubagentUpdate, Unstable()]
    | Annotated[SessionMessage, Unstable()]
    | Annotated[SessionMessageChunk, Unstable()],
    Field(discriminator="session_update"),
]
"""An update that we know."""


def _kind_of(member: Any) -> str:
    model = get_args(member)[0] if get_origin(member) is Annotated else member
    kind: str = model.__pydantic_fields__["session_update"].default
    return kind


class UnknownUpdate(OpenModel):
    """An update of a kind that we do not know, kept as it came: a client that cannot show it goes on."""

    session_update: Annotated[str, OtherThan(*map(_kind_of, get_args(get_args(KnownUpdate)[0])))]


SessionUpdate: TypeAlias = Annotated[
    Annotated[KnownUpdate, Tag("known")] | Annotated[UnknownUpdate, Tag("unknown")],
    Field(union_mode="left_to_right"),  # what we know pays nothing for what we do not; asking which it is would
]
"""One update, which may be of a kind that we do not know."""


class SessionNotification(Model):
    """An update of one session."""

    session_id: str
    update: SessionUpdate
