"""What our own methods say about sessions. Times are RFC 3339 in UTC.

Wherever a ``session_id`` is asked for here, the session's alias (``session-3``) will do.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import Field

from agent_server.protocol.model import Model

StopReason: TypeAlias = Literal[
    "closed", "deleted", "archived", "idle_timeout", "crash", "restart_exhausted", "shutdown"
]
Activity: TypeAlias = Literal["idle", "thinking", "tool_executing", "error"]
SessionStatus: TypeAlias = Literal[
    "initializing", "idle", "plan", "thinking", "tool_executing", "error", "terminating", "terminated"
]
"""One word for a session: its activity while it lives (``plan``: idle in plan mode), else where its life stands."""


class LookupSessionRequest(Model):
    """Which session is it? Give its id or its handle. (Req: SM-09, SM-10, SM-25)"""

    session_id: str | None = None
    instance_id: str | None = None


class LookupSessionResponse(Model):
    """A live session. ``instance_id`` is its handle: a new one for every incarnation."""

    session_id: str
    instance_id: str
    alias: str


class SessionInfoRequest(Model):
    """Everything about a session that is live or has just ended. (Req: SM-26)"""

    session_id: str


class SessionDescription(Model):
    """A session's record; ``metadata`` and ``llm_config`` are the creator's own.

    (Req: SM-24, SM-26, SM-35, ST-15..ST-17)
    """

    session_id: str
    alias: str
    instance_id: str
    status: SessionStatus
    cwd: str
    additional_directories: list[str]
    created_at: str
    updated_at: str
    title: str | None = None
    first_prompt: str | None = None
    message_count: int
    turn_count: int
    cost_usd: float | None = None
    provider: dict[str, str]
    model: str
    mode: str
    config: dict[str, Any]
    metadata: dict[str, Any] | None = Field(default=None, repr=False)
    llm_config: dict[str, Any] | None = Field(default=None, repr=False)
    active_tasks: int
    queued_prompts: int
    restarts: int
    persist: bool
    last_error: str | None = None
    parent_session_id: str | None = None


class ListLiveSessionsRequest(Model):
    """Every live session. (Req: SM-11, SM-24)"""


class ListLiveSessionsResponse(Model):
    """Oldest first. It never waits for a busy session."""

    sessions: list[SessionDescription]


class StopSessionRequest(Model):
    """Close a live session, by its id or its handle. (Req: SM-08)"""

    session_id: str | None = None
    instance_id: str | None = None


class StopSessionResponse(Model):
    """It is closed; its history stays."""


class SessionStatusRequest(Model):
    """What is it doing? (Req: ST-01)"""

    session_id: str


class SessionStatusResponse(Model):
    """One word for everything, and the parts that it is made of."""

    status: SessionStatus
    activity: Activity
    mode: str
    turn_active: bool


class ActiveToolCall(Model):
    """A tool call that has not ended."""

    tool_call_id: str
    name: str


class PendingApproval(Model):
    """A question that stands, without its answers' meaning to us."""

    tool_call_id: str
    title: str
    options: list[str]


class SessionSnapshotRequest(Model):
    """Enough to build a view of the session's state. (Req: ST-10)"""

    session_id: str


class SessionSnapshot(Model):
    """The state now. (Req: ST-01, ST-08..ST-10, ST-13)"""

    session_id: str
    status: SessionStatus
    activity: Activity
    mode: str
    model: str
    provider_ready: bool
    turn_active: bool
    waiting_for_user: bool
    active_tool_calls: list[ActiveToolCall]
    active_tool_name: str | None = None
    pending_approvals: list[PendingApproval]
    queued_prompts: int
    last_error: str | None = None


class SessionStatusNotification(Model):
    """The status of a session changed; ``error`` says what it died of. (Req: ST-07, SM-28..SM-31)"""

    session_id: str
    instance_id: str
    status: SessionStatus
    previous_status: SessionStatus
    at: str
    error: str | None = None


class SessionStoppedNotification(Model):
    """A session ended; exactly one for each instance, unless it was restarted. (Req: SM-14)"""

    session_id: str
    instance_id: str
    reason: StopReason


class SaveFailedNotification(Model):
    """A session cannot be saved: the disk is full, read-only or broken. It goes on in memory. Told once. (Req: PE-02)

    It is tried again after 5 seconds, then after 10, 20, 40, and every 60.
    """

    session_id: str
    instance_id: str
    error: str


class SaveRecoveredNotification(Model):
    """A session that could not be saved is saved, with all that was said meanwhile. (Req: PE-02)"""

    session_id: str
    instance_id: str
