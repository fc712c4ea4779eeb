"""The params and results of the methods for tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agent_server.protocol.model import Model


class CrashRequest(Model):
    """Let a live session break, as if its task had raised something."""

    session_id: str


class CrashResponse(Model):
    """It breaks right behind this answer."""


class DelayRequest(Model):
    """Let every opening of a stored session, or every restart, take so much longer from now on; 0 ends that."""

    where: Literal["open", "restart"]
    seconds: Annotated[float, Field(ge=0, le=3600)]


class DelayResponse(Model):
    """It does."""


class AdvanceClockRequest(Model):
    """Let time pass for what idle sessions and restarts go by."""

    advance_s: Annotated[float, Field(ge=0, le=366 * 24 * 3600)]


class AdvanceClockResponse(Model):
    """It has passed. What was due then has begun."""
