"""Forms and visits: what is asked of the user besides permission. One question stands at a time in a session.

Every way out (answer, time-out, cancel, a client that went away) closes the question once and withdraws it from the
client. What was answered is not logged here. Spec: elicitation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio.lowlevel

from agent_server.conversation.answers import UnfitAnswer, fitting_content
from agent_server.conversation.events import QuestionClosed, QuestionEnd, QuestionOpened
from agent_server.conversation.question_rules import problem_with_form, problem_with_url, secret_field
from agent_server.conversation.questions import UserAnswer, UserForm, UserVisit
from agent_server.conversation.visible import visible
from agent_server.errors import ToolError

if TYPE_CHECKING:
    from agent_server.sessions.log import SessionLog
    from agent_server.sessions.ports import Attachment

logger = logging.getLogger(__name__)

Question: TypeAlias = UserForm | UserVisit

UNANSWERED: Final = "The user could not be asked: no usable answer came from the client."
UNFIT: Final = "The answer of the user did not fit the form, so it was not taken."
TOO_LATE: Final = "The user did not answer in time. Go on without the answer, or ask in your answer."


class Questions:
    """The questions of one session. ``pending`` holds the one that stands; others wait until it is closed.

    The ids of questions are the caller's, unique in the session.
    """

    def __init__(self, log: SessionLog, timeout_s: float, changed: Callable[[], None]) -> None:
        self._log = log
        self._timeout_s = timeout_s
        self._changed = changed
        self._one_at_a_time = asyncio.Lock()
        self.pending: dict[int, Question] = {}

    async def ask(self, form: UserForm, question_id: int) -> UserAnswer | None:
        """What the user made of the form; None where the client shows none. What was accepted fits the form.

        Raises:
            ToolError: this may not be asked, or no usable answer came.
        """
        refuse_bad_form(form)
        async with self._one_at_a_time:
            driver = self._driver("form")
            answer = await self._answer(form, question_id, lambda: driver.ask_user(form)) if driver else None
        await anyio.lowlevel.checkpoint_if_cancelled()  # a cancel that came right behind the answer wins
        return answer

    async def send_to(self, visit: UserVisit, question_id: int) -> Visit | None:
        """What the user said to being sent to a page; None where the client opens none.

        Raises:
            ToolError: the user may not be sent there, or no usable answer came.
        """
        problem = problem_with_url(visit.url)
        if problem is not None:
            raise ToolError(f"The user cannot be sent there: {problem}.")
        async with self._one_at_a_time:
            driver = self._driver("url")
            answer = await self._answer(visit, question_id, lambda: driver.ask_to_visit(visit)) if driver else None
        await anyio.lowlevel.checkpoint_if_cancelled()
        return Visit(answer.action, driver, visit.elicitation_id) if driver and answer else None

    def _driver(self, kind: str) -> Attachment | None:
        """Who can be asked: the client that drives the session, if it shows such questions."""
        driver = self._log.attachments[0] if self._log.attachments else None
        return driver if driver is not None and kind in driver.can_ask else None

    async def _answer(
        self, question: Question, question_id: int, ask: Callable[[], Awaitable[UserAnswer | None]]
    ) -> UserAnswer:
        opened = QuestionOpened(
            question_id,
            question.tool_call_id or "",
            "form" if isinstance(question, UserForm) else "url",
            question.message,
        )
        self.pending[question_id] = question
        self._log.append(opened)
        self._changed()
        end: QuestionEnd = "withdrawn"
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = _usable(question, await ask())
            end = answer.action
        except TimeoutError as error:
            end = "timeout"
            raise ToolError(TOO_LATE) from error
        except Exception:
            end = "unanswered"
            raise
        finally:
            del self.pending[question_id]
            self._log.append(QuestionClosed(question_id, end))
            self._changed()
        return answer


class Visit:
    """A visit that the user was asked for. ``action`` is what they said to it."""

    def __init__(self, action: str, driver: Attachment, elicitation_id: str) -> None:
        self.action = action
        self._driver = driver
        self._elicitation_id = elicitation_id
        self._open = action == "accept"

    def completed(self) -> None:
        """What was to be done at the page is done: tell the client that opened it, once."""
        if self._open:
            self._open = False
            self._driver.visit_completed(self._elicitation_id)


def new_elicitation_id() -> str:
    """An id that nobody can guess, and so unique among all that are outstanding at any client."""
    from secrets import token_hex

    return f"visit_{token_hex(16)}"


def refuse_bad_form(form: UserForm) -> None:
    """Refuse what may not be asked.

    Raises:
        ToolError: it asks for a secret, or could not be shown or checked.
    """
    problem = problem_with_form(form)
    if problem is not None:
        raise ToolError(f"The user cannot be asked: {problem}.")
    secret = secret_field(form)
    if secret is not None:
        raise ToolError(
            f"The field {visible(secret)} seems to ask for a secret, which no form may do. "
            "Tell the user how to provide it outside of this conversation."
        )


def _usable(question: Question, answer: UserAnswer | None) -> UserAnswer:
    if answer is None or answer.action not in ("accept", "decline", "cancel"):
        raise ToolError(UNANSWERED)
    if answer.action != "accept" or not isinstance(question, UserForm):
        return UserAnswer(answer.action)
    try:
        return UserAnswer("accept", fitting_content(question, answer.content))
    except UnfitAnswer as error:
        raise ToolError(f"{UNFIT} {error}.") from error
