"""A new session that begins where another one stands. Spec (unstable): session-fork."""

from __future__ import annotations

from pydantic import Field

from agent_server.protocol.model import Lenient, LenientOptionalList, Model, NullableList, is_empty
from agent_server.protocol.v1.session import McpServer, SessionConfigOption, SessionModeState
from agent_server.protocol.v1.system_prompt import SystemPrompt


class ForkSessionRequest(Model):
    """Start a session with the history of ``session_id``, which stays as it is. Paths are absolute."""

    session_id: str
    cwd: str
    additional_directories: NullableList[str] = Field(default_factory=list, exclude_if=is_empty)
    mcp_servers: NullableList[McpServer] = Field(default_factory=list)
    system_prompt: SystemPrompt | None = Field(default=None, repr=False)


class ForkSessionResponse(Model):
    """The new session's id and what can be set in it."""

    session_id: str
    modes: Lenient[SessionModeState] = None
    config_options: LenientOptionalList[SessionConfigOption] = None
