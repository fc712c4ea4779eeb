"""What a session needs of the outside: somebody who watches it and can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from agent_server.conversation.events import Event, MessageRole
from agent_server.conversation.tool_calls import Location, ToolContent, ToolKind


@dataclass(frozen=True, slots=True)
class ApprovalOption:
    """One answer that the user may give. ``id`` is one of the four decisions (Req: AP-08)."""

    id: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class ApprovalQuestion:
    """May this call run? Holds all that the user needs to see, made from the real arguments."""

    tool_call_id: str
    title: str
    name: str
    kind: ToolKind
    content: tuple[ToolContent, ...]
    locations: tuple[Location, ...]
    raw_input: Any
    options: tuple[ApprovalOption, ...]


class Attachment(Protocol):
    """One client that sees a session.

    Events come in the order of the log, but may be shown only when `released` said so: an event must be with the
    operating system before the client sees it.
    """

    def text_delta(self, seq: int, role: MessageRole, message_id: int, text: str) -> None:
        """A message grew. Live only: a replay gives the same text as a TextRun, through `event`."""

    def event(self, seq: int, event: Event) -> None:
        """Something else happened."""

    def released(self, seq: int) -> None:
        """Everything up to this seq may be shown now."""

    @property
    def congested(self) -> bool:
        """Whether the client does not read as fast as the session writes."""

    async def drained(self) -> None:
        """Return when no longer congested, or gone."""

    async def ask_approval(self, question: ApprovalQuestion) -> str | None:
        """Ask the user; the id of the option that was chosen, or None when there was no usable answer.

        Cancelling the wait withdraws the question.
        """
