"""A client that watches a session without any protocol, and a user behind it whose answers a test decides."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from agent_server.conversation.events import Event, MessageRole
from agent_server.conversation.questions import UserAnswer, UserForm, UserVisit
from agent_server.sessions.ports import ApprovalQuestion, Outlet
from agent_server.sessions.session import Session

LIMIT_S = 5.0

Answer = UserAnswer | None | BaseException


class ScriptedUser:
    """Implements Attachment. Questions wait in ``asked`` until `answer` is called; ``withdrawn`` counts those that were
    given up on. ``told`` holds every event, ``done`` the visits that are said to be completed.
    """

    def __init__(self, *can_ask: str) -> None:
        self.can_ask = frozenset(can_ask)
        self.asked: list[UserForm | UserVisit] = []
        self.withdrawn = 0
        self.told: list[Event] = []
        self.done: list[str] = []
        self.congested = False
        self._answers: list[asyncio.Future[Answer]] = []
        self._news = asyncio.Event()

    # The user's side

    async def was_asked(self, count: int = 1) -> Any:
        """Wait for the ``count``-th question."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.asked) < count:
                self._news.clear()
                await self._news.wait()
        return self.asked[count - 1]

    def answer(self, number: int, answer: Answer) -> None:
        """Answer the question of that number, counted from 1."""
        self._answers[number - 1].set_result(answer)

    def events_of(self, *kinds: type) -> list[Any]:
        return [event for event in self.told if isinstance(event, kinds)]

    # The session's side

    async def ask_user(self, form: UserForm) -> UserAnswer | None:
        return await self._ask(form)

    async def ask_to_visit(self, visit: UserVisit) -> UserAnswer | None:
        return await self._ask(visit)

    async def _ask(self, question: UserForm | UserVisit) -> UserAnswer | None:
        self.asked.append(question)
        self._answers.append(asyncio.get_running_loop().create_future())
        self._news.set()
        try:
            answer = await self._answers[len(self.asked) - 1]
        except asyncio.CancelledError:
            self.withdrawn += 1
            raise
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def visit_completed(self, elicitation_id: str) -> None:
        self.done.append(elicitation_id)

    async def ask_approval(self, question: ApprovalQuestion) -> str | None:
        return "approve"

    def own_prompt(self, prompt_id: int) -> None: ...

    def succeeded(self, session: Session) -> None: ...

    def begin_message(self, role: MessageRole, message_id: int) -> None: ...

    def text_delta(self, seq: int, text: str) -> None: ...

    def events(self, first_seq: int, events: Sequence[Event]) -> None:
        self.told.extend(events)

    def released(self, seq: int) -> Outlet | None:
        return None

    async def drained(self) -> None: ...
