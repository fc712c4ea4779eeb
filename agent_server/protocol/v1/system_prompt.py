"""Instructions from the client for a session's model. Spec: client system prompt."""

from __future__ import annotations

from pydantic import Field

from agent_server.protocol.model import Model
from agent_server.protocol.v1.content import ContentBlock


class SystemPrompt(Model):
    """Instructions with the precedence of the system.

    ``mode`` is ``append`` (after the agent's own), ``override`` (in their place) or a word that we do not know, which
    counts as neither. ``content`` is text blocks, at least one; it is left out of ``repr``.
    """

    mode: str
    content: list[ContentBlock] = Field(repr=False)
