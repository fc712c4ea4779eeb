"""Who answers an agent that asks for permission. Options are chosen by their kind; ids are opaque. Spec: tool-calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeAlias

from agent_server.protocol.v1.tool_calls import (
    CancelledPermissionOutcome,
    PermissionOptionKind,
    RequestPermissionRequest,
    SelectedPermissionOutcome,
)

Outcome: TypeAlias = SelectedPermissionOutcome | CancelledPermissionOutcome

PermissionPolicy: TypeAlias = Callable[[RequestPermissionRequest], Outcome | Awaitable[Outcome]]
"""Decides on one question. An awaited decision is abandoned when the turn is cancelled or the question withdrawn."""

Choice: TypeAlias = Callable[[RequestPermissionRequest], str | Awaitable[str | None] | None]
"""Gives the id of the chosen option, or None to turn the question away."""


def approve_all(request: RequestPermissionRequest) -> Outcome:
    """Allow, and rather once than always; turn the question away if it offers no way to allow."""
    return _by_kind(request, "allow_once", "allow_always")


def reject_all(request: RequestPermissionRequest) -> Outcome:
    """Reject, and rather once than always; turn the question away if it offers no way to reject."""
    return _by_kind(request, "reject_once", "reject_always")


def ask(choose: Choice) -> PermissionPolicy:
    """Let a callback choose, for example by asking the user. An id that was not offered counts as None."""

    async def policy(request: RequestPermissionRequest) -> Outcome:
        chosen = choose(request)
        option_id = await chosen if isawaitable(chosen) else chosen
        if any(option.option_id == option_id for option in request.options):
            assert isinstance(option_id, str)
            return SelectedPermissionOutcome(option_id=option_id)
        return CancelledPermissionOutcome()

    return policy


def allowed(request: RequestPermissionRequest, outcome: Outcome) -> bool:
    """Whether this outcome lets the call go on."""
    if not isinstance(outcome, SelectedPermissionOutcome):
        return False
    chosen = (option.kind for option in request.options if option.option_id == outcome.option_id)
    return next(chosen, "").startswith("allow")


def _by_kind(request: RequestPermissionRequest, *kinds: PermissionOptionKind) -> Outcome:
    for kind in kinds:
        for option in request.options:
            if option.kind == kind:
                return SelectedPermissionOutcome(option_id=option.option_id)
    return CancelledPermissionOutcome()
