"""Questions to the user: a table keyed by tool call, in which every question is settled exactly once.

Every way out (answer, time-out, cancel, a client that went away) appends one ApprovalClosed and withdraws the question
from the client (Req: AP-01..AP-14).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from agent_server.conversation.events import ApprovalClosed, ApprovalOpened, Decision
from agent_server.errors import SessionConflict
from agent_server.sessions.log import SessionLog
from agent_server.sessions.policy import Policy
from agent_server.sessions.ports import ApprovalOption, ApprovalQuestion

if TYPE_CHECKING:
    from agent_server.sessions.questions import Questions

logger = logging.getLogger(__name__)

APPROVE: Final = "approve"
APPROVE_TURN: Final = "approve_turn"
APPROVE_SESSION: Final = "approve_session"
REJECT: Final = "reject"

_DECISIONS: Final[dict[str, Decision]] = {
    APPROVE: "approve",
    APPROVE_TURN: "approve_turn",
    APPROVE_SESSION: "approve_session",
    REJECT: "reject",
}


@lru_cache(maxsize=256)
def approval_options(trust_label: str) -> tuple[ApprovalOption, ...]:
    """The four answers, in the order that suits clients which pick the first or the last of a kind."""
    return (
        ApprovalOption(APPROVE, "Allow once", "allow_once"),
        ApprovalOption(APPROVE_TURN, f"Allow for this turn: {trust_label}", "allow_always"),
        ApprovalOption(APPROVE_SESSION, f"Allow for this session: {trust_label}", "allow_always"),
        ApprovalOption(REJECT, "Reject", "reject_once"),
    )


class Approvals:
    """The open questions of one session."""

    def __init__(self, log: SessionLog, policy: Policy, timeout_s: float, changed: Callable[[], None]) -> None:
        self._log = log
        self._policy = policy
        self._timeout_s = timeout_s
        self._changed = changed
        self.pending: dict[str, ApprovalQuestion] = {}
        self._questions: Questions | None = None

    @property
    def questions(self) -> Questions:
        """The questions besides permissions: forms and visits. Most sessions have none."""
        if self._questions is None:
            from agent_server.sessions.questions import Questions

            self._questions = Questions(self._log, self._timeout_s, self._changed)
        return self._questions

    @property
    def waiting(self) -> bool:
        """Whether a question of any kind stands."""
        return bool(self.pending) or (self._questions is not None and bool(self._questions.pending))

    async def ask(self, question: ApprovalQuestion, trust_key: str) -> Decision:
        """Put a question to the driver and remember what the answer covers.

        An option that was not offered is a reject, and so is an answer that is none.

        Raises:
            SessionConflict: a question about this call is open already.
        """
        call_id = question.tool_call_id
        if call_id in self.pending:
            raise SessionConflict("approval_pending", "a question about this call is open already")
        self.pending[call_id] = question
        self._log.append(ApprovalOpened(call_id, question.title, trust_key))
        self._changed()
        decision: Decision = "cancelled"
        try:
            decision = await self._answer(question)
        finally:
            del self.pending[call_id]
            self._log.append(ApprovalClosed(call_id, decision))
            self._changed()
        if decision == "approve_turn":
            self._policy.turn_trust.add(trust_key)
        elif decision == "approve_session":
            self._policy.session_trust.add(trust_key)
        return decision

    async def _answer(self, question: ApprovalQuestion) -> Decision:
        if not self._log.attachments:
            logger.info("nobody can be asked about %s", question.tool_call_id)
            return "reject"
        driver = self._log.attachments[0]
        try:
            async with asyncio.timeout(self._timeout_s):
                chosen = await driver.ask_approval(question)
        except TimeoutError:
            return "timeout"
        offered = {option.id for option in question.options}
        if chosen not in offered:
            logger.info("the answer about %s was none of the options", question.tool_call_id)
            return "reject"
        return _DECISIONS.get(chosen, "reject") if chosen is not None else "reject"
