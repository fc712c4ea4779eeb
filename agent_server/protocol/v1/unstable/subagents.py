"""Sessions that a session starts for itself, and what they say to each other; only for clients with ``subagents``.

Spec (unstable): subagents.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Tag

from agent_server.protocol.model import (
    Clearable,
    ClearableList,
    Lenient,
    LenientAny,
    Model,
    OpenModel,
    OtherThan,
    StrictClearable,
)
from agent_server.protocol.v1.content import ContentBlock
from agent_server.protocol.v1.initialize import Supported
from agent_server.protocol.v1.numbers import Int32
from agent_server.protocol.v1.unstable.usage import Usage


class ErrorObject(Model):
    """Why a child failed, as a JSON-RPC error object."""

    code: Int32
    message: str
    data: LenientAny = None


class RunningState(Model):
    """The child works."""

    state: Literal["running"] = "running"


class IdleState(Model):
    """The child is done with its prompt and may be given another.

    ``stop_reason`` is one of a prompt's, ``error``, or a word that we do not know; ``error`` comes with the second.
    """

    state: Literal["idle"] = "idle"
    stop_reason: Lenient[str] = None
    error: Lenient[ErrorObject] = None
    usage: Lenient[Usage] = None


class RequiresActionState(Model):
    """The child waits for the user."""

    state: Literal["requires_action"] = "requires_action"


class UnknownState(Model):
    """Nobody knows what the child does at the moment."""

    state: Literal["unknown"] = "unknown"


_STATES = ("running", "idle", "requires_action", "unknown")


class OtherState(OpenModel):
    """A state that we do not know, kept as it came."""

    state: Annotated[str, OtherThan(*_STATES)]


def _state(value: Any) -> str:
    state = value.get("state") if isinstance(value, dict) else getattr(value, "state", None)
    return state if state in _STATES else "other"


StateUpdate: TypeAlias = Annotated[
    Annotated[RunningState, Tag("running")]
    | Annotated[IdleState, Tag("idle")]
    | Annotated[RequiresActionState, Tag("requires_action")]
    | Annotated[UnknownState, Tag("unknown")]
    | Annotated[OtherState, Tag("other")],
    Discriminator(_state),
]
"""What a child does now; each update is the whole of it."""


class SubagentSessionCapabilities(Model):
    """What the client may do to a child. Without ``cancel`` it must not cancel it."""

    cancel: Lenient[Supported] = None


class SubagentUpdate(Model):
    """A child session is there or has changed; ``session_id`` is the child's.

    Absent (None) leaves a field, null (``CLEARED``) removes it. Paths are absolute; a child without its own has its
    parent's.
    """

    session_update: Literal["subagent_update"] = "subagent_update"
    session_id: str
    title: Clearable[str] = None
    description: Clearable[str] = None
    capabilities: Clearable[SubagentSessionCapabilities] = None
    state: Clearable[StateUpdate] = None
    cwd: StrictClearable[str] = None
    additional_directories: StrictClearable[list[str]] = None


class SessionMessage(Model):
    """A message between sessions, as this one has it. Absent (None) leaves a field, null (``CLEARED``) removes it."""

    session_update: Literal["session_message"] = "session_message"
    message_id: str
    sender_session_id: Clearable[str] = None
    recipient_session_id: Clearable[str] = None
    sender_message_id: Clearable[str] = None
    recipient_message_id: Clearable[str] = None
    content: ClearableList[ContentBlock] = None


class SessionMessageChunk(Model):
    """A message from one session to another goes on."""

    session_update: Literal["session_message_chunk"] = "session_message_chunk"
    message_id: str
    content: ContentBlock
