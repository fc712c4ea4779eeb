"""The steps of a plan. Spec: agent-plan."""

from __future__ import annotations

from typing import Literal, TypeAlias

from agent_server.protocol.model import Model

PlanEntryPriority: TypeAlias = Literal["high", "medium", "low"]
PlanEntryStatus: TypeAlias = Literal["pending", "in_progress", "completed"]


class PlanEntry(Model):
    """One step of a plan."""

    content: str
    priority: PlanEntryPriority
    status: PlanEntryStatus
