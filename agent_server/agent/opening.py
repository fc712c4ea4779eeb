"""What ``_agent_server/session/open`` means: which session, and where it works (Req: SM-05, SM-06)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_server.agent.setup import check_directory, invalid
from agent_server.agent.welcome import new_session_result
from agent_server.errors import SessionNotFound
from agent_server.sessions.identity import id_for_directory, may_be_chosen, normalised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_server.agent.service import AgentService
    from agent_server.protocol.extensions.opening import OpenSessionRequest
    from agent_server.sessions.session import Session


async def where(params: OpenSessionRequest, service: AgentService) -> tuple[str, str, Sequence[str]]:
    """The id that is meant, the directory and the further directories.

    What is not said of a session that there is, stays as it is.

    Raises:
        RpcError: -32602; it is not said enough, or nonsense. Nothing was made.
        SessionNotFound: an alias of no live session.
    """
    cwd, session_id, roots = params.cwd, params.session_id, params.additional_directories
    if cwd is not None:
        check_directory("params.cwd", cwd)
    for index, path in enumerate(roots or ()):
        check_directory(f"params.additionalDirectories[{index}]", path)
    if session_id is None:
        if cwd is None:
            raise invalid("params.cwd is missing (expected a string, or a sessionId instead)")
        cwd = normalised(cwd)
        session_id = id_for_directory(cwd)
    elif session_id.startswith("session-"):
        session_id = service.supervisor.find(alias=session_id).id
    elif not may_be_chosen(session_id):
        raise invalid("params.sessionId may hold letters, digits, _ and -, 1 to 128 of them, and begin with no -")
    if cwd is None or roots is None:
        known_cwd, known_roots = await _known(session_id, service)
        cwd = known_cwd if cwd is None else cwd
        roots = list(known_roots[1:]) if roots is None and known_cwd == cwd else roots or []
    if cwd is None:
        raise invalid("params.cwd is missing (expected a string: there is no session of this id yet)")
    return session_id, cwd, roots


async def _known(session_id: str, service: AgentService) -> tuple[str | None, tuple[str, ...]]:
    try:
        session = service.supervisor.get(session_id)
    except SessionNotFound:
        entry = await service.supervisor.entries.get(session_id)
        return (entry.cwd, entry.roots) if entry is not None else (None, ())
    return session.cwd, session.record.roots


def opened_result(session: Session) -> dict[str, Any]:
    """Its names, and what can be set in it."""
    names = {"instanceId": session.instance_id, "alias": session.alias}
    return {**new_session_result(session), **names}
