"""What a session tells of itself: plain values without handles, so that they stay true when the session is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent_server.sessions.ports import ApprovalOption
from agent_server.sessions.spec import Limits
from agent_server.sessions.status import Activity, Lifecycle

if TYPE_CHECKING:
    from agent_server.sessions.session import Session


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """An open question to the user. ``subject`` is what an answer for longer would cover."""

    tool_call_id: str
    title: str
    subject: str
    options: tuple[ApprovalOption, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Enough to rebuild a view of the session's state (Req: ST-01, ST-08..ST-10, ST-13).

    ``active_tool_calls`` are pairs of a tool call id and a tool's name, in the order of their start;
    ``active_tool_name`` is the latest that still runs.
    """

    status: str
    activity: Activity
    mode: str
    lifecycle: Lifecycle
    turn_active: bool
    waiting_for_user: bool
    active_tool_calls: tuple[tuple[str, str], ...]
    active_tool_name: str | None
    pending_approvals: tuple[PendingApproval, ...]
    last_error: str | None
    queued_prompts: int
    provider_ready: bool


@dataclass(frozen=True, slots=True)
class Description:
    """Everything that is known of a session from outside (Req: SM-24, SM-26, SM-35, ST-15..ST-17).

    Times are RFC 3339 in UTC with milliseconds. ``metadata`` and ``llm_config`` are as they were given.
    ``active_tasks`` counts the running tool calls, and one more while a turn runs.
    """

    session_id: str
    alias: str
    instance_id: str
    cwd: str
    roots: tuple[str, ...]
    lifecycle: Lifecycle
    manager_status: str
    activity: Activity
    status: str
    mode: str
    created_at: str
    updated_at: str
    last_error: str | None
    metadata: dict[str, Any] | None = field(repr=False)
    llm_config: dict[str, Any] | None = field(repr=False)
    limits: Limits
    provider_id: str
    provider_source: str
    model: str
    title: str | None
    first_prompt: str | None
    message_count: int
    turn_count: int
    cost_usd: float | None
    active_tasks: int
    queued_prompts: int
    restarts: int
    persist: bool
    parent_session_id: str | None


def snapshot_of(session: Session) -> Snapshot:
    """The session's state now."""
    tools = session.active_tool_calls
    return Snapshot(
        status=session.status,
        activity=session.activity,
        mode=session.policy.mode,
        lifecycle=session.lifecycle,
        turn_active=session.turn_active,
        waiting_for_user=session.approvals.waiting,
        active_tool_calls=tools,
        active_tool_name=tools[-1][1] if tools else None,
        pending_approvals=_pending_approvals(session),
        last_error=session.last_error,
        queued_prompts=session.queued_prompts,
        provider_ready=session.provider.ready,
    )


def describe(session: Session) -> Description:
    """The session's description now; asks nobody, so a busy session answers at once (Req: SM-11)."""
    record = session.record
    return Description(
        session_id=session.id,
        alias=session.alias,
        instance_id=session.instance_id,
        cwd=session.cwd,
        roots=tuple(session.workspace.roots),
        lifecycle=session.lifecycle,
        manager_status=session.manager_status,
        activity=session.activity,
        status=session.status,
        mode=session.policy.mode,
        created_at=session.created_at,
        updated_at=session.updated_at,
        last_error=session.last_error,
        metadata=session.record.metadata,
        llm_config=session.record.llm_config,
        limits=session.limits,
        provider_id=session.provider.id,
        provider_source=session.provider.source,
        model=session.model,
        title=record.title,
        first_prompt=record.first_prompt,
        message_count=record.message_count,
        turn_count=record.user_messages,
        cost_usd=record.cost_usd,
        active_tasks=len(session.active_tool_calls) + session.turn_running,
        queued_prompts=session.queued_prompts,
        restarts=session.restarts,
        persist=session.spec.persist,
        parent_session_id=None,
    )


def _pending_approvals(session: Session) -> tuple[PendingApproval, ...]:
    subjects = session.record.approval_subjects
    return tuple(
        PendingApproval(call_id, question.title, subjects.get(call_id, question.title), question.options)
        for call_id, question in session.approvals.pending.items()
    )
