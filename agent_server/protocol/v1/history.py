"""Sessions that exist already: finding them, coming back to them, removing them. Spec: session-setup, session-list,
session-delete.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent_server.protocol.model import (
    Lenient,
    LenientList,
    LenientOptionalList,
    Model,
    NullableList,
    Unstable,
    is_empty,
)
from agent_server.protocol.v1.session import McpServer, SessionConfigOption, SessionModeState
from agent_server.protocol.v1.system_prompt import SystemPrompt


class LoadSessionRequest(Model):
    """Come back to a session and tell all that happened in it. Paths are absolute; ``cwd`` is the session's own."""

    session_id: str
    cwd: str
    additional_directories: NullableList[str] = Field(default_factory=list, exclude_if=is_empty)
    mcp_servers: NullableList[McpServer]
    system_prompt: SystemPrompt | None = Field(default=None, repr=False)


class LoadSessionResponse(Model):
    """Everything was told; this is what can be set."""

    modes: Lenient[SessionModeState] = None
    config_options: LenientOptionalList[SessionConfigOption] = None


class ResumeSessionRequest(Model):
    """Come back to a session without being told what happened in it."""

    session_id: str
    cwd: str
    additional_directories: NullableList[str] = Field(default_factory=list, exclude_if=is_empty)
    mcp_servers: NullableList[McpServer] = Field(default_factory=list)
    system_prompt: SystemPrompt | None = Field(default=None, repr=False)


class ResumeSessionResponse(Model):
    """The session is there; this is what can be set."""

    modes: Lenient[SessionModeState] = None
    config_options: LenientOptionalList[SessionConfigOption] = None


class ListSessionsRequest(Model):
    """Which sessions are there? ``cwd`` (absolute) keeps those of one directory, ``cursor`` comes from a page."""

    cwd: str | None = None
    cursor: str | None = None


class SessionInfo(Model):
    """One session. ``additional_directories`` is the whole list; ``updated_at`` is ISO 8601."""

    session_id: str
    cwd: str
    additional_directories: LenientList[str] = Field(default_factory=list)
    title: Lenient[str] = None
    updated_at: Lenient[str] = None
    archived: Annotated[Lenient[bool], Unstable()] = None


class ListSessionsResponse(Model):
    """One page. Without ``next_cursor`` it is the last."""

    sessions: LenientList[SessionInfo]
    next_cursor: Lenient[str] = None


class DeleteSessionRequest(Model):
    """Remove a session from the list for good."""

    session_id: str


class DeleteSessionResponse(Model):
    """It is not there any more, or never was."""
