"""A client that sees one session over one connection: events out as updates, questions to the user.

Three ways to the same bytes (a test holds them equal): streamed text is put between a prefix and a suffix that are made
once per message, other updates are dictionaries through orjson, and the models in `protocol` describe both.

Frames are held until the log says that their events may be shown, and then leave in the order of the log.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from orjson import dumps

from agent_server.agent.fitting import encoded, whole
from agent_server.agent.options import config_options
from agent_server.agent.projection_v1 import (
    CHUNK_OF_ROLE,
    NOTICES,
    UNSEEN,
    ProjectorV1,
    location_of,
    raw_of,
    tool_content_of,
)
from agent_server.connection.connection import Connection
from agent_server.conversation.events import Event, MessageInserted, MessageRole, OptionChanged, RetryPlanned, TurnEnded
from agent_server.errors import CapabilityMissing, ConnectionClosed, RpcError
from agent_server.protocol.extensions import SESSION_RETRY
from agent_server.protocol.v1.methods import ELICITATION_COMPLETE, ELICITATION_CREATE, SESSION_REQUEST_PERMISSION
from agent_server.sessions.ports import ApprovalQuestion, Outlet

if TYPE_CHECKING:
    from agent_server.agent.replay_v1 import HistoryMerger
    from agent_server.conversation.questions import UserAnswer, UserForm, UserVisit
    from agent_server.protocol.v1.elicitation import CreateElicitationRequest
    from agent_server.sessions.session import Session

logger = logging.getLogger(__name__)

_CHANGED = b'{"sessionUpdate":"session_info_update","updatedAt":"%b"}}}'
"""The end of a turn in which something was shown: lists of sessions are in the order of these times (Req: ST-16)."""


_NO_COMMANDS = b'{"sessionUpdate":"available_commands_update","availableCommands":[]}'


class ClientAttachment:
    """Implements the sessions' Attachment port over an ACP v1 connection.

    ``commands_of`` gives the update that tells the commands which a session understands, as JSON text, or None.
    """

    def __init__(
        self, connection: Connection, session: Session, commands_of: Callable[[Session], bytes | None]
    ) -> None:
        self._connection = connection
        self._session = session
        self._session_id = session.id
        self._projector = ProjectorV1(lambda: config_options(session), connection.offers)
        name = dumps(session.id)
        self._head = b'{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":%b,"update":' % name
        self._held: list[bytes] = []
        self._held_seqs: list[int] = []
        self._prefix = b""
        self._suffix = b""
        self._own_prompts: set[int] = set()
        self._shown = False
        self._commands_of = commands_of
        self._commands_told: bytes | None = None

    def successor(self) -> ClientAttachment:
        """One for the same client, which is to see the session anew."""
        successor = ClientAttachment(self._connection, self._session, self._commands_of)
        successor._own_prompts = self._own_prompts
        return successor

    def succeeded(self, session: Session) -> None:
        """The session lives again as this instance. What is held and was not stored before that will not be shown."""
        if session is self._session:
            return
        self._session = session
        self._projector.config_options = lambda: config_options(session)
        stored = bisect_right(self._held_seqs, session.log.head)
        self._held, self._held_seqs = self._held[:stored], self._held_seqs[:stored]
        self._own_prompts.clear()  # they have failed, and their numbers may be given again

    def serves_other(self, connection: Connection) -> bool:
        """Whether it serves a client that is there, over another connection."""
        return self._connection is not connection and not self._connection.closed

    def own_prompt(self, prompt_id: int) -> None:
        """This client sent the prompt itself and need not be told what it said."""
        self._own_prompts.add(prompt_id)

    def text_delta(self, seq: int, text: str) -> None:
        """The message grew: the hot path."""
        self._held.append(self._prefix + dumps(text) + self._suffix)
        self._held_seqs.append(seq)

    def begin_message(self, role: MessageRole, message_id: int) -> None:
        """The deltas that follow belong to this message."""
        kind = CHUNK_OF_ROLE[role].encode()
        self._prefix = self._head + b'{"sessionUpdate":"%b","content":{"type":"text","text":' % kind
        self._suffix = b'},"messageId":"%d"}}}' % message_id
        self._shown = True

    def events(self, first_seq: int, events: Sequence[Event]) -> None:
        """Other things happened."""
        seq = first_seq - 1
        for event in events:
            seq += 1
            kind = type(event)
            if kind in UNSEEN:
                if kind is TurnEnded and self._shown:
                    self._shown = False
                    self._held.append(self._head + _CHANGED % self._session.updated_at.encode())
                    self._held_seqs.append(seq)
                continue
            if type(event) is MessageInserted and event.prompt_id in self._own_prompts:
                self._own_prompts.discard(event.prompt_id)
                continue
            if kind is RetryPlanned and (frame := self._retry_in_our_words(event)) is not None:
                self._held.append(frame)
                self._held_seqs.append(seq)
                continue
            for update in self._projector.updates(event):
                self._held.append(self._head + encoded(update) + b"}}")
                self._held_seqs.append(seq)
                self._shown = True
            if kind is OptionChanged and (commands := self._new_commands()) is not None:  # each model has its own
                self._held.append(self._head + commands + b"}}")
                self._held_seqs.append(seq)

    def _new_commands(self) -> bytes | None:
        """The update that tells the commands, if it would say anything new to the client."""
        commands = self._commands_of(self._session)
        if commands == self._commands_told:
            return None
        self._commands_told = commands
        return _NO_COMMANDS if commands is None else commands

    def _retry_in_our_words(self, event: Any) -> bytes | None:
        """The notification for a client that takes no notices, and has opted in to ours (Req: TN-13)."""
        offers = self._connection.offers
        if offers(NOTICES) or not offers(SESSION_RETRY.capability or ""):
            return None
        retry = {
            "sessionId": self._session_id,
            "attempt": event.attempt,
            "delayMs": event.delay_ms,
            "errorKind": event.kind,
            "reason": event.details,
        }
        return dumps({"jsonrpc": "2.0", "method": SESSION_RETRY.name, "params": retry})

    def released(self, seq: int) -> Outlet | None:
        """Everything up to this seq may be shown now; it leaves when the connection hurries."""
        held, seqs = self._held, self._held_seqs
        if not seqs or seqs[0] > seq:
            return None
        if seqs[-1] <= seq:
            self._held, self._held_seqs = [], []
        else:
            shown = bisect_right(seqs, seq)
            self._held, self._held_seqs = held[shown:], seqs[shown:]
            held = held[:shown]
        self._connection.send_frames(held)
        return self._connection

    def tell(self, update: dict[str, Any]) -> int:
        """Send an update that belongs to no event (the list of commands, say); the bytes of its frame."""
        frame = self._head + encoded(update) + b"}}"
        self._connection.send_frame(frame)
        return len(frame)

    def tell_commands(self) -> None:
        """Tell the commands, if they are new to it; that leaves with the answer being sent, or with the next update."""
        commands = self._new_commands()
        if commands is not None:
            self._connection.send_frames([self._head + commands + b"}}"])

    def retell(self, merger: HistoryMerger, event: Event) -> int:
        """Send what is complete of the history with this event; the bytes. The same projection tells what follows."""
        self._projector.retelling = True
        return sum(
            self.tell(complete) for update in self._projector.updates(event) for complete in merger.add(update)
        )

    def end_retelling(self, merger: HistoryMerger) -> None:
        """Send the rest of the history."""
        self._projector.retelling = False
        for update in merger.finish():
            self.tell(update)

    @property
    def congested(self) -> bool:
        """Whether the client does not read as fast as the session writes."""
        return self._connection.congested

    async def drained(self) -> None:
        """Return when no longer congested, or gone."""
        await self._connection.drained()

    async def ask_approval(self, question: ApprovalQuestion) -> str | None:
        """Ask the user with ``session/request_permission``; errors and unknown outcomes are no answer."""
        params: dict[str, Any] = {"sessionId": self._session_id, **_permission(question)}
        if (trace := self._session.trace) is not None:
            params["_meta"] = dict(trace)
        try:
            raw = await self._connection.request_encoded(
                SESSION_REQUEST_PERMISSION.name, whole(params), self._session_id
            )
            outcome = SESSION_REQUEST_PERMISSION.read_result(raw).outcome
        except (RpcError, ConnectionClosed, ValueError) as error:
            logger.info("no answer to a permission request: %s", type(error).__name__)
            return None
        return getattr(outcome, "option_id", None)

    @property
    def can_ask(self) -> frozenset[str]:
        """What the client offers to put to its user."""
        return frozenset(kind for kind in ("form", "url") if self._connection.offers(f"elicitation.{kind}"))

    async def ask_user(self, form: UserForm) -> UserAnswer | None:
        """Ask with ``elicitation/create``; errors and unknown actions are no answer. Spec: elicitation."""
        from agent_server.agent.elicitation import form_request

        return await self._elicit(form_request(self._session_id, form, self._trace_meta()))

    async def ask_to_visit(self, visit: UserVisit) -> UserAnswer | None:
        """Likewise."""
        from agent_server.agent.elicitation import visit_request

        return await self._elicit(visit_request(self._session_id, visit, self._trace_meta()))

    def visit_completed(self, elicitation_id: str) -> None:
        """Tell the client that opened the page."""
        from agent_server.protocol.v1.elicitation import CompleteElicitationNotification

        done = CompleteElicitationNotification(elicitation_id=elicitation_id)
        try:
            self._connection.notify(ELICITATION_COMPLETE, done)
        except CapabilityMissing:
            logger.info("a visit of a client that knows none was completed")

    async def _elicit(self, request: CreateElicitationRequest) -> UserAnswer | None:
        from agent_server.agent.elicitation import answer_of

        try:
            return answer_of(await self._connection.request(ELICITATION_CREATE, request))
        except (RpcError, ConnectionClosed, CapabilityMissing) as error:
            logger.info("no answer to an elicitation: %s", type(error).__name__)
            return None

    def _trace_meta(self) -> dict[str, Any] | None:
        trace = self._session.trace
        return dict(trace) if trace is not None else None


class AskingOnly:
    """Stands in for a client that is told the session's history just now: it hears nothing, but can be asked.

    Implements the sessions' Attachment port.
    """

    def __init__(self, client: ClientAttachment) -> None:
        self._client = client
        self.ask_approval = client.ask_approval
        self.ask_user = client.ask_user
        self.ask_to_visit = client.ask_to_visit
        self.visit_completed = client.visit_completed
        self.drained = client.drained
        self.own_prompt = client.own_prompt

    @property
    def congested(self) -> bool:
        """Whether the client does not read as fast as it is written to."""
        return self._client.congested

    @property
    def can_ask(self) -> frozenset[str]:
        """What the client offers to put to its user."""
        return self._client.can_ask

    def succeeded(self, session: Session) -> None:
        """It stands in for a client of the next instance."""
        self._client.succeeded(session)

    def begin_message(self, role: MessageRole, message_id: int) -> None:
        """It is told of that later."""

    def text_delta(self, seq: int, text: str) -> None:
        """Likewise."""

    def events(self, first_seq: int, events: Sequence[Event]) -> None:
        """Likewise."""

    def released(self, seq: int) -> None:
        """There is nothing to show."""


def _permission(question: ApprovalQuestion) -> dict[str, Any]:
    """The question, self-contained: a client may know nothing else of the call. Spec: tool-calls."""
    call: dict[str, Any] = {
        "toolCallId": question.tool_call_id,
        "kind": question.kind,
        "status": "pending",
        "title": question.title,
        "name": question.name,
    }
    if question.content:
        call["content"] = [tool_content_of(item) for item in question.content]
    if question.locations:
        call["locations"] = [location_of(location) for location in question.locations]
    if question.raw_input is not None:
        call["rawInput"] = raw_of(question.raw_input)
    return {
        "toolCall": call,
        "options": [
            {"optionId": option.id, "name": option.name, "kind": option.kind} for option in question.options
        ],
    }
