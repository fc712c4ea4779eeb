"""Tool calls as a client sees them, and asking it for permission. Spec: tool-calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from agent_server.protocol.model import (
    Lenient,
    LenientAbsent,
    LenientAbsentList,
    LenientAny,
    LenientOptionalList,
    Model,
    OtherThan,
)
from agent_server.protocol.v1.content import ContentBlock
from agent_server.protocol.v1.numbers import Uint32

ToolKind: TypeAlias = Literal[
    "read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other"
]
"""What a tool does, for icons."""

ToolCallStatus: TypeAlias = Literal["pending", "in_progress", "completed", "failed"]
"""Where a call stands. There is no word for cancelled: such a call has failed."""

PermissionOptionKind: TypeAlias = Literal["allow_once", "allow_always", "reject_once", "reject_always"]


class Content(Model):
    """A content block shown in a tool call."""

    type: Literal["content"] = "content"
    content: ContentBlock


class Diff(Model):
    """A file before and after. ``path`` is absolute; without ``old_text`` the file is new."""

    type: Literal["diff"] = "diff"
    path: str
    old_text: Lenient[str] = None
    new_text: str


class Terminal(Model):
    """A terminal of the client, shown live until it is released and as it was from then on."""

    type: Literal["terminal"] = "terminal"
    terminal_id: str


ToolCallContent: TypeAlias = Annotated[Content | Diff | Terminal, Field(discriminator="type")]
"""What a tool call shows. A bare content block is not one."""


class ToolCallLocation(Model):
    """A place that a tool works on: ``path`` is absolute, ``line`` is 1-based."""

    path: str
    line: Lenient[Uint32] = None


class ToolCall(Model):
    """A tool call when it is announced. ``content`` and ``locations`` are left out rather than null."""

    tool_call_id: str
    title: str
    name: Lenient[str] = None
    kind: LenientAbsent[ToolKind] = None
    status: LenientAbsent[ToolCallStatus] = None
    content: LenientAbsentList[ToolCallContent] = None
    locations: LenientAbsentList[ToolCallLocation] = None
    raw_input: LenientAny = None
    raw_output: LenientAny = None


class ToolCallUpdate(Model):
    """What changed in a tool call: absent (None) leaves a field, a list replaces the whole list before it."""

    tool_call_id: str
    kind: Lenient[ToolKind] = None
    status: Lenient[ToolCallStatus] = None
    title: Lenient[str] = None
    name: Lenient[str] = None
    content: LenientOptionalList[ToolCallContent] = None
    locations: LenientOptionalList[ToolCallLocation] = None
    raw_input: LenientAny = None
    raw_output: LenientAny = None


class PermissionOption(Model):
    """One answer that the user may give. Clients choose by ``kind``; ``option_id`` is opaque."""

    option_id: str
    name: str
    kind: PermissionOptionKind


class RequestPermissionRequest(Model):
    """May this tool call go on?"""

    session_id: str
    tool_call: ToolCallUpdate
    options: list[PermissionOption]


class SelectedPermissionOutcome(Model):
    """The user chose an option."""

    outcome: Literal["selected"] = "selected"
    option_id: str


class CancelledPermissionOutcome(Model):
    """The question was withdrawn, or the user turned it away."""

    outcome: Literal["cancelled"] = "cancelled"


class OtherPermissionOutcome(Model):
    """An outcome that we do not know. It never counts as an approval."""

    outcome: Annotated[str, OtherThan("selected", "cancelled")]


def _outcome_kind(value: Any) -> str:
    outcome = value.get("outcome") if isinstance(value, dict) else getattr(value, "outcome", None)
    return outcome if outcome in ("selected", "cancelled") else "other"


RequestPermissionOutcome: TypeAlias = Annotated[
    Annotated[SelectedPermissionOutcome, Tag("selected")]
    | Annotated[CancelledPermissionOutcome, Tag("cancelled")]
    | Annotated[OtherPermissionOutcome, Tag("other")],
    Discriminator(_outcome_kind),
]
"""The user's decision; open towards outcomes of later versions, so that those can be read as: not approved."""


class RequestPermissionResponse(Model):
    """The user's decision."""

    outcome: RequestPermissionOutcome
