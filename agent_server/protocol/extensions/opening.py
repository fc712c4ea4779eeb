"""Our own ways to a session and away from it. Wherever a ``session_id`` is asked for, see each."""

from __future__ import annotations

from typing import Any

from agent_server.protocol.model import Model


class OpenSessionRequest(Model):
    """Be at a session, whether or not it is there already. (Req: SM-05, SM-06)

    Which one says ``session_id`` (or an alias); else it is that of the directory ``cwd``, the same for every spelling
    of its path. A session that is not there yet is begun in ``cwd``.
    """

    session_id: str | None = None
    cwd: str | None = None
    additional_directories: list[str] | None = None


class OpenSessionResponse(Model):
    """The session is live, and this client is at it. Its history is not told."""

    session_id: str
    instance_id: str
    alias: str
    modes: dict[str, Any]
    config_options: list[dict[str, Any]]


class DetachSessionRequest(Model):
    """Leave a session, which goes on without this client; a prompt leads back to it. (Req: SM-19)"""

    session_id: str


class DetachSessionResponse(Model):
    """The client is told nothing more of it."""
