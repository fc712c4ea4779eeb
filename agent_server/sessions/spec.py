"""What a session is made from, and what it shows of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.provider import ModelInfo, Provider
from agent_server.sessions.status import Activity, Lifecycle
from agent_server.tools.ports import Workspace
from agent_server.tools.tool import Tool


class ToolSet(Protocol):
    """The tools of a session."""

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """How models see them."""

    def get(self, name: str) -> Tool | None:
        """The tool of that name, or None."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may spend. ``approval_timeout_s``: how long a question to the user may stand."""

    max_turn_requests: int = 100
    approval_timeout_s: float = 300.0


@dataclass(slots=True)
class SessionSpec:
    """What a session is made from (Req: SM-21).

    ``workspace`` holds the roots. ``metadata`` and ``llm_config`` are the creator's own, given back as they came.
    """

    workspace: Workspace
    provider: Provider
    tools: ToolSet
    model: str | None = None
    limits: Limits = field(default_factory=Limits)
    metadata: dict[str, Any] | None = None
    llm_config: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Enough to rebuild a view of the session's state (Req: ST-01, ST-08, ST-09)."""

    status: str
    activity: Activity
    mode: str
    lifecycle: Lifecycle
    turn_active: bool
    waiting_for_user: bool
    active_tool_calls: tuple[tuple[str, str], ...]
    active_tool_name: str | None
    pending_approvals: tuple[str, ...]
    last_error: str | None
    queued_prompts: int


def choose_model(spec: SessionSpec) -> ModelInfo:
    """The model that was asked for, where the provider offers it; else its first."""
    models = spec.provider.models()
    for info in models:
        if info.id == spec.model:
            return info
    return models[0]
