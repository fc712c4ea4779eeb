"""The user names a session. Spec (unstable): session-set-title."""

from __future__ import annotations

from agent_server.protocol.model import Model


class SetSessionTitleRequest(Model):
    """Give any session of the list this title; a generated one should not replace it."""

    session_id: str
    title: str


class SetSessionTitleResponse(Model):
    """The title as it was stored."""

    title: str
