"""Whether the agent has a session in memory. Spec (unstable): session-status."""

from __future__ import annotations

from agent_server.protocol.model import Model


class SessionStatusRequest(Model):
    """How does this session stand? Asking changes nothing."""

    session_id: str


class SessionStatusResponse(Model):
    """``status`` is ``open`` (in memory, whoever is attached), ``saved``, or a word that counts as ``saved``."""

    status: str
