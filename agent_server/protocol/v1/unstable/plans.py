"""Plans with ids, of several kinds, that can be removed; only for clients with ``plan``.

Spec (unstable): plan-operations.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from agent_server.protocol.model import LenientList, Model
from agent_server.protocol.v1.plan import PlanEntry


class PlanItems(Model):
    """All steps of a plan, in place of the ones before."""

    type: Literal["items"] = "items"
    plan_id: str
    entries: LenientList[PlanEntry]


class PlanFile(Model):
    """A plan that stands in a file."""

    type: Literal["file"] = "file"
    plan_id: str
    uri: str


class PlanMarkdown(Model):
    """A plan as Markdown."""

    type: Literal["markdown"] = "markdown"
    plan_id: str
    content: str


PlanContent: TypeAlias = Annotated[PlanItems | PlanFile | PlanMarkdown, Field(discriminator="type")]
"""One plan, whole."""


class PlanContentUpdate(Model):
    """A plan is new or has changed."""

    session_update: Literal["plan_update"] = "plan_update"
    plan: PlanContent


class PlanRemoved(Model):
    """A plan is no more."""

    session_update: Literal["plan_removed"] = "plan_removed"
    plan_id: str
