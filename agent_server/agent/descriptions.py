"""What our own methods tell of a session, as plain JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_server.sessions.description import Description
    from agent_server.sessions.session import Session


def described(about: Description) -> dict[str, Any]:
    """A session's record (Req: SM-24, SM-26, SM-35, ST-15..ST-17)."""
    record = {
        "sessionId": about.session_id,
        "alias": about.alias,
        "instanceId": about.instance_id,
        "status": about.status,
        "cwd": about.cwd,
        "additionalDirectories": list(about.roots[1:]),
        "createdAt": about.created_at,
        "updatedAt": about.updated_at,
        "title": about.title,
        "firstPrompt": about.first_prompt,
        "messageCount": about.message_count,
        "turnCount": about.turn_count,
        "costUsd": about.cost_usd,
        "provider": {"id": about.provider_id, "source": about.provider_source},
        "model": about.model,
        "mode": about.mode,
        "config": {
            "maxTurnRequests": about.limits.max_turn_requests,
            "approvalTimeoutS": about.limits.approval_timeout_s,
        },
        "metadata": about.metadata,
        "llmConfig": about.llm_config,
        "activeTasks": about.active_tasks,
        "queuedPrompts": about.queued_prompts,
        "restarts": about.restarts,
        "persist": about.persist,
        "lastError": about.last_error,
        "parentSessionId": about.parent_session_id,
    }
    return {name: value for name, value in record.items() if value is not None}


def snapshot_result(session: Session) -> dict[str, Any]:
    """The state of a session now, without a handle of this process (Req: ST-01, ST-08..ST-10, ST-13)."""
    now = session.snapshot()
    result = {
        "sessionId": session.id,
        "status": now.status,
        "activity": now.activity.value,
        "mode": now.mode,
        "model": session.model,
        "providerReady": now.provider_ready,
        "turnActive": now.turn_active,
        "waitingForUser": now.waiting_for_user,
        "activeToolCalls": [{"toolCallId": call_id, "name": name} for call_id, name in now.active_tool_calls],
        "activeToolName": now.active_tool_name,
        "pendingApprovals": [
            {
                "toolCallId": question.tool_call_id,
                "title": question.title,
                "options": [option.id for option in question.options],
            }
            for question in now.pending_approvals
        ],
        "queuedPrompts": now.queued_prompts,
        "lastError": now.last_error,
    }
    return {name: value for name, value in result.items() if value is not None}
