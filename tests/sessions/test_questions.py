"""Forms and visits while a turn runs: every one is closed once, whatever comes between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.content import text_of
from agent_server.conversation.events import QuestionClosed, QuestionOpened, ToolCallUpserted
from agent_server.conversation.messages import ToolResultMessage
from agent_server.conversation.questions import IntegerField, TextField, UserAnswer
from agent_server.conversation.tool_calls import ToolStatus
from agent_server.providers.provider import Finished
from agent_server.sessions.prompts import PromptStopped
from agent_server.sessions.session import Session
from agent_server.sessions.spec import Limits
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from agent_server.tools.ask_user import NO_FORMS, AskUser
from agent_server.tools.ports import ToolContext
from agent_server.tools.tool import ToolResult
from tests.agent.puppets import PuppetModel, PuppetTool, wants
from tests.agent.scripted_client import in_loop

from .scripted_user import ScriptedUser
from .spoken_to import Asked, spec

NAME = TextField(name="name", required=True, max_length=5)
COUNT = IntegerField(name="count", minimum=1)


def form(number: int = 1) -> Any:
    """A call of the tool that asks."""
    fields = {"name": {"type": "string", "maxLength": 5}, "count": {"type": "integer", "minimum": 1}}
    return wants("ask_user", f"c{number}", message=f"Question {number}", fields=fields, required=["name"])


@dataclass
class Scene:
    """A session with one user, in a turn whose model has just asked for tools."""

    session: Session
    user: ScriptedUser
    model: PuppetModel
    asked: Asked

    async def results(self) -> list[str]:
        """What the model reads of its calls; ends the turn."""
        await self.model.asked(2)
        self.model.finish(2)
        await self.asked.outcome()
        messages = [message for message in self.model.seen[1] if isinstance(message, ToolResultMessage)]
        return [text_of(message.parts) for message in messages]

    def closed(self) -> list[str]:
        """How each question ended, after checking that each was opened and closed once, one after another."""
        events = self.user.events_of(QuestionOpened, QuestionClosed)
        opened, ended = events[::2], events[1::2]
        assert all(isinstance(event, QuestionOpened) for event in opened)
        assert [event.question_id for event in opened] == [event.question_id for event in ended]
        assert len({event.question_id for event in opened}) == len(opened)
        assert not self.session.snapshot().waiting_for_user
        return [event.action for event in ended]


@asynccontextmanager
async def scene(
    cwd: Path, *calls: Any, user: ScriptedUser | None = None, tools: Any = (), limits: Limits | None = None
) -> AsyncIterator[Scene]:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(cwd, model, AskUser(), *tools, limits=limits))
        watcher = user or ScriptedUser("form", "url")
        session.attach(watcher)
        asked = Asked(supervisor, session)
        await model.asked(1)
        model.say(1, *calls, Finished("tool_use"))
        yield Scene(session, watcher, model, asked)


async def body(work: Callable[[ToolContext], Awaitable[str]], context: ToolContext) -> ToolResult:
    return ToolResult.text(await work(context))


def tool(work: Callable[[ToolContext], Awaitable[str]]) -> PuppetTool:
    return PuppetTool(body=lambda context: body(work, context))


@in_loop
async def test_an_answer_reaches_the_model_and_the_session_waits_for_the_user_meanwhile(tmp_path: Path) -> None:
    async with scene(tmp_path, form()) as one:
        question = await one.user.was_asked()
        assert (question.message, [field.name for field in question.fields]) == ("Question 1", ["name", "count"])
        assert question.tool_call_id in one.session.snapshot().active_tool_calls[0]
        assert one.session.snapshot().waiting_for_user
        one.user.answer(1, UserAnswer("accept", {"name": "Ada", "count": 3.0, "unasked": "x"}))
        (result,) = await one.results()
        assert '"name": "Ada"' in result and '"count": 3\n' in result and "unasked" not in result
        assert one.closed() == ["accept"]


@in_loop
async def test_what_the_user_answered_stands_in_no_event_of_the_question_and_is_not_shown(tmp_path: Path) -> None:
    async with scene(tmp_path, form()) as one:
        await one.user.was_asked()
        one.user.answer(1, UserAnswer("accept", {"name": "Ada"}))
        await one.results()
        shown = one.user.events_of(QuestionOpened, QuestionClosed, ToolCallUpserted)
        assert shown
        assert "Ada" not in repr(shown)


@pytest.mark.parametrize("action", ["decline", "cancel"])
@in_loop
async def test_a_user_who_does_not_answer_is_no_error(tmp_path: Path, action: Any) -> None:
    async with scene(tmp_path, form()) as one:
        await one.user.was_asked()
        one.user.answer(1, UserAnswer(action, {"name": "Ada"}))
        (result,) = await one.results()
        assert "Ada" not in result
        assert one.closed() == [action]
        ends = [event.status for event in one.user.events_of(ToolCallUpserted) if event.status and event.status.ended]
        assert ends == [ToolStatus.COMPLETED]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "no usable answer"),
        (UserAnswer("later"), "no usable answer"),  # type: ignore[arg-type]
        (UserAnswer("accept"), "name: a value was expected"),
        (UserAnswer("accept", {"name": "too long for it"}), "name: a text of 0 to 5"),
        (UserAnswer("accept", {"name": "Ada", "count": 0}), "count: a whole number of at least 1"),
        (RuntimeError("secret"), "failed inside the server"),
    ],
)
@in_loop
async def test_an_answer_that_is_none_fails_the_call_and_not_the_turn(tmp_path: Path, answer: Any, said: str) -> None:
    async with scene(tmp_path, form()) as one:
        await one.user.was_asked()
        one.user.answer(1, answer)
        (result,) = await one.results()
        assert said in result
        assert "too long" not in result and "secret" not in result
        assert one.closed() == ["unanswered"]


@pytest.mark.parametrize("offered", [(), ("url",)])
@in_loop
async def test_a_client_without_forms_is_not_asked_and_the_model_is_told_to_ask_in_its_answer(
    tmp_path: Path, offered: tuple[str, ...]
) -> None:
    async with scene(tmp_path, form(), user=ScriptedUser(*offered)) as one:
        assert await one.results() == [NO_FORMS]
        assert one.user.asked == []
        assert one.closed() == []


@pytest.mark.spec("N-70")
@pytest.mark.parametrize("offered", [(), ("form",)])
@in_loop
async def test_a_form_never_asks_for_a_secret_whatever_the_client_offers(
    tmp_path: Path, offered: tuple[str, ...]
) -> None:
    call = wants("ask_user", message="For the registry", fields={"apiKey": {"type": "string"}})
    async with scene(tmp_path, call, user=ScriptedUser(*offered)) as one:
        (result,) = await one.results()
        assert "The field apiKey seems to ask for a secret" in result
        assert one.user.asked == []


@pytest.mark.promise("P8")
@in_loop
async def test_a_cancel_withdraws_the_form_and_the_one_that_waited_behind_it_is_never_shown(tmp_path: Path) -> None:
    async with scene(tmp_path, form(1), form(2)) as one:
        await one.user.was_asked()
        one.session.cancel()
        assert isinstance(outcome := await one.asked.outcome(), PromptStopped)
        assert outcome.stop_reason == "cancelled"
        assert (len(one.user.asked), one.user.withdrawn) == (1, 1)
        assert one.closed() == ["withdrawn"]
        ends = [event.status for event in one.user.events_of(ToolCallUpserted) if event.status and event.status.ended]
        assert ends == [ToolStatus.CANCELLED] * 2


@in_loop
async def test_a_second_question_waits_for_the_first(tmp_path: Path) -> None:
    async with scene(tmp_path, form(1), form(2)) as one:
        assert (await one.user.was_asked()).message == "Question 1"
        await one.session.breathe()
        assert len(one.user.asked) == 1
        one.user.answer(1, UserAnswer("accept", {"name": "a"}))
        assert (await one.user.was_asked(2)).message == "Question 2"
        one.user.answer(2, UserAnswer("decline"))
        first, second = await one.results()
        assert '"a"' in first and "declined" in second
        assert one.closed() == ["accept", "decline"]


@pytest.mark.spec("N-69")
@in_loop
async def test_a_question_goes_to_nobody_when_its_client_left_while_it_waited(tmp_path: Path) -> None:
    async with scene(tmp_path, form(1), form(2)) as one:
        await one.user.was_asked()
        one.session.detach(one.user)
        one.user.answer(1, UserAnswer("accept", {"name": "a"}))
        first, second = await one.results()
        assert '"a"' in first
        assert second == NO_FORMS
        assert len(one.user.asked) == 1


@pytest.mark.promise("P8")
@in_loop
async def test_a_cancel_right_behind_the_answer_wins(tmp_path: Path) -> None:
    went_on: list[UserAnswer | None] = []

    async def ask(context: ToolContext) -> str:
        went_on.append(await context.ask_user("?", (NAME,)))
        return "went on"

    async with scene(tmp_path, wants("puppet"), tools=[tool(ask)]) as one:
        await one.user.was_asked()
        one.user.answer(1, UserAnswer("accept", {"name": "Ada"}))
        one.session.cancel()  # in the same turn of the loop: the tool has not heard the answer
        assert isinstance(outcome := await one.asked.outcome(), PromptStopped)
        assert outcome.stop_reason == "cancelled"
        assert went_on == []
        assert len(one.closed()) == 1


@in_loop
async def test_a_question_that_stands_too_long_is_withdrawn(tmp_path: Path) -> None:
    async with scene(tmp_path, form(), limits=Limits(approval_timeout_s=0.01)) as one:
        await one.user.was_asked()
        (result,) = await one.results()
        assert "in time" in result
        assert one.user.withdrawn == 1
        assert one.closed() == ["timeout"]


@in_loop
async def test_a_visit_is_completed_once_and_at_the_client_that_agreed_to_it(tmp_path: Path) -> None:
    async def visit(context: ToolContext) -> str:
        gone = await context.ask_to_visit("Sign in", "https://example.com/login?state=1")
        assert gone is not None
        gone.completed()
        gone.completed()
        return gone.action

    async with scene(tmp_path, wants("puppet"), tools=[tool(visit)]) as one:
        question = await one.user.was_asked()
        assert question.url == "https://example.com/login?state=1"
        one.user.answer(1, UserAnswer("accept", {"x": 1}))
        assert await one.results() == ["accept"]
        assert one.user.done == [question.elicitation_id]
        assert one.closed() == ["accept"]


@in_loop
async def test_a_visit_that_was_declined_is_never_completed(tmp_path: Path) -> None:
    async def visit(context: ToolContext) -> str:
        gone = await context.ask_to_visit("Sign in", "https://example.com/")
        assert gone is not None
        gone.completed()
        return gone.action

    async with scene(tmp_path, wants("puppet"), tools=[tool(visit)]) as one:
        await one.user.was_asked()
        one.user.answer(1, UserAnswer("decline"))
        assert await one.results() == ["decline"]
        assert one.user.done == []


@pytest.mark.spec("N-72", "N-74")
@in_loop
async def test_the_ids_of_visits_differ_and_an_unsafe_page_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    async def visits(context: ToolContext) -> str:
        for url in ("https://example.com/1", "https://example.com/2", "https://user:pw@example.com/"):
            await context.ask_to_visit("?", url)
        return "never"

    async with scene(tmp_path, wants("puppet"), tools=[tool(visits)]) as one:
        for number in (1, 2):
            await one.user.was_asked(number)
            one.user.answer(number, UserAnswer("accept"))
        (result,) = await one.results()
        assert "the URL holds credentials" in result
        first, second = (question.elicitation_id for question in one.user.asked if not hasattr(question, "fields"))
        assert first != second


@in_loop
async def test_a_client_without_visits_is_not_asked(tmp_path: Path) -> None:
    async def visit(context: ToolContext) -> str:
        return repr(await context.ask_to_visit("?", "https://example.com/"))

    async with scene(tmp_path, wants("puppet"), tools=[tool(visit)], user=ScriptedUser("form")) as one:
        assert await one.results() == ["None"]
        assert one.user.asked == []


@in_loop
async def test_a_stopped_session_withdraws_its_question(tmp_path: Path) -> None:
    async with scene(tmp_path, form()) as one:
        await one.user.was_asked()
        await asyncio.wait_for(one.session.close(), 5)
        assert one.user.withdrawn == 1
        assert one.closed() == ["withdrawn"]
