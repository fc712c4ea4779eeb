"""Prompts on their way through a session: waiting, running, settled exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from agent_server.conversation.content import Part
from agent_server.conversation.events import StopReason, TurnFailure, TurnOrigin
from agent_server.conversation.usage import UsageTotals
from agent_server.sessions.spending import LimitReached


@dataclass(frozen=True, slots=True)
class PromptStopped:
    """The turn ended; the prompt is answered with this stop reason.

    ``usage`` is that of this turn; None where the provider told none. ``limit``: what the session may spend was
    reached.
    """

    stop_reason: StopReason
    message_id: int | None = None
    usage: UsageTotals | None = None
    limit: LimitReached | None = None


@dataclass(frozen=True, slots=True)
class PromptFailed:
    """The turn failed; the prompt is answered with an error."""

    failure: TurnFailure


@dataclass(frozen=True, slots=True)
class PromptWithdrawnOutcome:
    """The prompt was withdrawn by its asker while it waited; it never ran."""


PromptOutcome: TypeAlias = PromptStopped | PromptFailed | PromptWithdrawnOutcome
PromptState: TypeAlias = Literal["waiting", "running", "settled"]


class Prompt:
    """One accepted prompt. ``on_settled`` hears its outcome once (Req: TN-01, TN-04).

    ``trace`` is the trace context that it came with; it is passed on and never looked into. ``parts`` are empty where
    nobody said anything. ``command`` gives the answer where the server itself answers, and no model; where
    ``may_go_on``, a model does that all the same if its last answer broke off when the prompt's turn comes.
    """

    __slots__ = ("_on_settled", "command", "may_go_on", "message_id", "origin", "parts", "prompt_id", "state", "trace")

    def __init__(
        self,
        prompt_id: int,
        parts: tuple[Part, ...],
        on_settled: Callable[[PromptOutcome], None],
        trace: Mapping[str, str] | None = None,
        origin: TurnOrigin = "prompt",
        command: Callable[[], str] | None = None,
        *,
        may_go_on: bool = False,
    ) -> None:
        self.origin: TurnOrigin = origin
        self.command = command
        self.may_go_on = may_go_on
        self.prompt_id = prompt_id
        self.parts = parts
        self.trace = trace
        self.message_id: int | None = None
        self.state: PromptState = "waiting"
        self._on_settled = on_settled

    def settle(self, outcome: PromptOutcome) -> None:
        """Give the outcome, unless there is one already."""
        if self.state != "settled":
            self.state = "settled"
            self._on_settled(outcome)
