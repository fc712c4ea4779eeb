"""What a session needs of the outside: somebody who watches it and can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from agent_server.conversation.events import Event, MessageRole
from agent_server.conversation.tool_calls import Location, ToolContent, ToolKind

if TYPE_CHECKING:
    from agent_server.conversation.questions import UserAnswer, UserForm, UserVisit
    from agent_server.sessions.session import Session


@dataclass(frozen=True, slots=True)
class ApprovalOption:
    """One answer that the user may give. ``id`` is one of the four decisions (Req: AP-08)."""

    id: str
    name: str
    kind: str


@dataclass(slots=True)
class ApprovalQuestion:
    """May this call run? Holds all that the user needs to see, made from the real arguments. Never changed."""

    tool_call_id: str
    title: str
    name: str
    kind: ToolKind
    content: tuple[ToolContent, ...]
    locations: tuple[Location, ...]
    raw_input: Any
    options: tuple[ApprovalOption, ...]


class Outlet(Protocol):
    """Where shown events leave; several attachments may share one."""

    def hurry(self) -> None:
        """Let what waits leave now."""


class Attachment(Protocol):
    """One client that sees a session.

    Events come in the order of the log, but may be shown only when `released` said so: an event must be with the
    operating system before the client sees it.
    """

    def own_prompt(self, prompt_id: int) -> None:
        """This client sent the prompt itself and need not be told what it said."""

    def succeeded(self, session: Session) -> None:
        """The session crashed, and this instance takes its place: what was not shown by now never will be."""

    def begin_message(self, role: MessageRole, message_id: int) -> None:
        """The deltas that follow belong to this message."""

    def text_delta(self, seq: int, text: str) -> None:
        """The message grew. Live only: a replay gives the same text as a TextRun, through `events`."""

    def events(self, first_seq: int, events: Sequence[Event]) -> None:
        """Other things happened; the first of them has this seq."""

    def released(self, seq: int) -> Outlet | None:
        """Everything up to this seq may be shown now; what was shown waits for the outlet's `hurry`."""

    @property
    def congested(self) -> bool:
        """Whether the client does not read as fast as the session writes."""

    async def drained(self) -> None:
        """Return when no longer congested, or gone."""

    async def ask_approval(self, question: ApprovalQuestion) -> str | None:
        """Ask the user; the id of the option that was chosen, or None when there was no usable answer.

        Cancelling the wait withdraws the question.
        """

    @property
    def can_ask(self) -> frozenset[str]:
        """What the client can put to the user besides permissions: ``form``, ``url``, both or nothing."""

    async def ask_user(self, form: UserForm) -> UserAnswer | None:
        """Let the user fill in a form; None where there was no usable answer. Asked only if ``form`` is offered.

        Cancelling the wait withdraws the question.
        """

    async def ask_to_visit(self, visit: UserVisit) -> UserAnswer | None:
        """Ask the user to go to a page; None where there was no usable answer. Asked only if ``url`` is offered.

        Cancelling the wait withdraws the question.
        """

    def visit_completed(self, elicitation_id: str) -> None:
        """What the user was sent to a page for is done. Of no effect where the client has gone."""
