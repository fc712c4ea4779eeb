"""What a session is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.provider import ModelInfo, Provider

if TYPE_CHECKING:
    from agent_server.conversation.system_prompt import SystemPrompt
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
    """What a session may spend. ``approval_timeout_s``: how long a question to the user may stand.

    ``max_cost_usd`` and ``max_tokens`` are for all of its model calls; None: as much as it likes. They hold until the
    session is given others.
    """

    max_turn_requests: int = 100
    approval_timeout_s: float = 300.0
    max_cost_usd: float | None = None
    max_tokens: int | None = None


@dataclass(slots=True)
class SessionSpec:
    """What a session is made from (Req: SM-21).

    ``workspace`` holds the roots. ``metadata`` and ``llm_config`` are the creator's own, given back as they came.
    ``rotation`` is what cycling through models goes through: a model and, where one is to be set, a level of reasoning.
    ``thought_level`` is the level that a new session starts with; None: the model's own.
    ``model`` is what a new session starts with; one that is opened again keeps its own, while that is offered. Its
    system prompt stays too, where ``system_prompt`` is None. Without ``persist`` nothing of it is ever written (ST-18).
    """

    workspace: Workspace
    provider: Provider
    tools: ToolSet
    model: str | None = None
    limits: Limits = field(default_factory=Limits)
    metadata: dict[str, Any] | None = field(default=None, repr=False)
    llm_config: dict[str, Any] | None = field(default=None, repr=False)
    system_prompt: SystemPrompt | None = None
    persist: bool = True
    thought_level: str | None = None
    rotation: tuple[tuple[str, str | None], ...] = ()


def choose_model(spec: SessionSpec, *preferred: str | None) -> ModelInfo:
    """The first of the preferred models that the provider knows, else the spec's, else the provider's first.

    A model that cannot be asked just now stays a session's own: a prompt says why it does not answer, and no other
    takes its place unasked.
    """
    for wanted in (*preferred, spec.model):
        if wanted is not None and (info := spec.provider.info(wanted)) is not None:
            return info
    return spec.provider.models()[0]
