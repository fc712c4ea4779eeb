"""What a client is told of sessions when it makes, reaches or lists them, as plain JSON values."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, cast

from agent_server.agent.options import config_options, mode_state
from agent_server.agent.setup import invalid

if TYPE_CHECKING:
    from agent_server.agent.service import AgentService
    from agent_server.sessions.session import Session
    from agent_server.store.catalogue import Archived, SessionEntry


def new_session_result(session: Session) -> dict[str, Any]:
    """The new session's id and what can be set in it. Spec: session-setup."""
    return {"sessionId": session.id, **load_result(session)}


def load_result(session: Session) -> dict[str, Any]:
    """What can be set in the session, and its handle."""
    return {
        "modes": mode_state(session),
        "configOptions": config_options(session),
        "_meta": {"agent_server": {"alias": session.alias, "instanceId": session.instance_id}},
    }


async def listed(
    service: AgentService, cwd: str | None, cursor: str | None, archived: str, limit: int
) -> dict[str, Any]:
    """One page of the list of sessions. Spec: session-list.

    Raises:
        RpcError: -32602; the cursor is none of ours, or the filter is not known.
    """
    if archived not in ("exclude", "include", "only"):
        raise invalid('params.archived must be "exclude", "include" or "only"')
    try:
        after = None if cursor is None else base64.b64decode(cursor.encode(), b"-_", validate=True).decode()
        entries, position = await service.supervisor.entries.page(
            cwd=cwd, archived=cast("Archived", archived), after=after, limit=limit
        )
    except (ValueError, binascii.Error):
        raise invalid("params.cursor must be a nextCursor of an earlier page") from None
    result: dict[str, Any] = {"sessions": [_entry(entry) for entry in entries]}
    if position is not None:
        result["nextCursor"] = base64.urlsafe_b64encode(position.encode()).decode()
    return result


def _entry(entry: SessionEntry) -> dict[str, Any]:
    ours = {
        "createdAt": entry.created_at,
        "firstPrompt": entry.first_prompt,
        "messageCount": entry.message_count,
        "turnCount": entry.turn_count,
        "model": entry.model,
        "costUsd": entry.cost_usd,
    }
    info: dict[str, Any] = {
        "sessionId": entry.session_id,
        "cwd": entry.cwd,
        "additionalDirectories": list(entry.roots[1:]),
    }
    if entry.title is not None:
        info["title"] = entry.title
    info["updatedAt"] = entry.updated_at
    if entry.archived:
        info["archived"] = True
    info["_meta"] = {"agent_server": {key: value for key, value in ours.items() if value is not None}}
    return info
