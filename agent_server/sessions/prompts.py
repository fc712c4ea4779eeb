"""Prompts on their way through a session: waiting, running, settled exactly once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from agent_server.conversation.content import Part
from agent_server.conversation.events import StopReason, TurnFailure


@dataclass(frozen=True, slots=True)
class PromptStopped:
    """The turn ended; the prompt is answered with this stop reason."""

    stop_reason: StopReason
    message_id: int | None = None


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
    """One accepted prompt. ``on_settled`` hears its outcome once (Req: TN-01, TN-04)."""

    __slots__ = ("_on_settled", "message_id", "parts", "prompt_id", "state")

    def __init__(self, prompt_id: int, parts: tuple[Part, ...], on_settled: Callable[[PromptOutcome], None]) -> None:
        self.prompt_id = prompt_id
        self.parts = parts
        self.message_id: int | None = None
        self.state: PromptState = "waiting"
        self._on_settled = on_settled

    def settle(self, outcome: PromptOutcome) -> None:
        """Give the outcome, unless there is one already."""
        if self.state != "settled":
            self.state = "settled"
            self._on_settled(outcome)
