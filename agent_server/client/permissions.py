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


def remember(policy: PermissionPolicy) -> PermissionPolicy:
    """Give the answers "always" again by ourselves.

    An ``allow_always`` or ``reject_always`` that ``policy`` has chosen answers the same question: one of the same
    session that names the same tool and title and offers the same option. Whatever differs is asked.
    """
    known: dict[_Question, str] = {}

    async def remembering(request: RequestPermissionRequest) -> Outcome:
        question = _question_of(request)
        if question is not None and question in known:
            return SelectedPermissionOutcome(option_id=known[question])
        decision = policy(request)
        outcome = await decision if isawaitable(decision) else decision
        if question is not None and isinstance(outcome, SelectedPermissionOutcome):
            chosen = [option.kind for option in request.options if option.option_id == outcome.option_id]
            if chosen and chosen[0].endswith("_always"):
                known[question] = outcome.option_id
        return outcome

    return remembering


_Question: TypeAlias = tuple[object, ...]


def _question_of(request: RequestPermissionRequest) -> _Question | None:
    """What makes two questions the same; None where it cannot be told, because nothing says what is to be done."""
    call = request.tool_call
    if not call.title:
        return None
    options = tuple((option.option_id, option.name, option.kind) for option in request.options)
    return request.session_id, call.name, call.kind, call.title, options


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
