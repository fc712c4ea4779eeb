"""Sessions that end and come back: loading, resuming and closing them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from conformance.agent_link import AgentLink, Asked, Errored, NoAnswer
from conformance.case import HISTORY, Case, Session, answered, expect_error, nothing_else_is_broken, succeeds
from conformance.profile import is_open
from conformance.registry import check
from conformance.transcript import Entry
from conformance.verdicts import Failure, NotExercised

STRANGER = "5f1d7a3e-0c55-4d0e-9f0e-c0f0a11ce001"
CLOSE_GATE = "agentCapabilities.sessionCapabilities.close"


class NotBroughtBack(NotExercised):
    """The agent refuses to load or resume a session that it made."""


@dataclass(eq=False)
class Back:
    """A session that was brought back. ``answer``: the response that did it; ``said``, ``replied``: its one turn."""

    session: Session
    answer: Entry
    said: str
    replied: str

    def updates(self, *kinds: str) -> tuple[list[Entry], list[Entry]]:
        """The updates of these kinds since it was asked for: before the answer, and after it."""
        entries = self.session.link.transcript.entries
        assert self.answer.asked is not None
        asked, answer = entries.index(self.answer.asked), entries.index(self.answer)
        return self._of(entries[asked:answer], kinds), self._of(entries[answer:], kinds)

    def _of(self, entries: list[Entry], kinds: tuple[str, ...]) -> list[Entry]:
        return [
            entry
            for entry in entries
            if entry.sender == "agent" and entry.session_id == self.session.id and entry.update_kind in kinds
        ]


@check("load.replays")
async def replays(case: Case) -> None:
    try:
        async with brought_back(case, "session/load") as back:
            await back.session.link.quiet(case.options.quiet_s)
            before, after = back.updates(*HISTORY)
            kinds = {entry.update_kind for entry in before + after}
            if "user_message_chunk" not in kinds:
                raise Failure("what the user said is not sent again")
            if back.replied and "agent_message_chunk" not in kinds:
                raise Failure("what the agent said is not sent again")
    except NotBroughtBack as refused:
        raise Failure(str(refused)) from None


@check("load.answers-last")
async def answers_a_load_last(case: Case) -> None:
    async with brought_back(case, "session/load") as back:
        await back.session.link.quiet(case.options.quiet_s)
        before, after = back.updates(*HISTORY)
        if after:
            raise Failure("a message of the history follows the answer to the load")
        if not before:
            raise NotExercised("nothing is sent again")


@check("load.same-text")
async def replays_the_same(case: Case) -> None:
    async with brought_back(case, "session/load") as back:
        before, after = back.updates(*HISTORY)
        user = _squeezed(_text(before + after, "user_message_chunk"))
        agent = _squeezed(_text(before + after, "agent_message_chunk"))
        if not user or (back.replied and not agent):
            raise NotExercised("not everything is sent again")
        if user.count(_squeezed(back.said)) != 1:
            raise Failure(f"the user said {back.said!r}; sent again is {user[:200]!r}")
        if agent != _squeezed(back.replied):
            raise Failure(f"the agent said {back.replied[:200]!r}; sent again is {agent[:200]!r}")


@check("load.without-a-turn")
async def loads_without_a_turn(case: Case) -> None:
    await _comes_back_untouched(case, "session/load")


@check("load.unknown")
async def refuses_to_load_the_unknown(case: Case) -> None:
    await _refuses_the_unknown(case, "session/load")


@check("load.goes-on")
async def goes_on_after_a_load(case: Case) -> None:
    async with nothing_else_is_broken(case), brought_back(case, "session/load") as back:
        await succeeds(await back.session.start(case.text("plain")))


@check("load.no-notices")
async def replays_no_notices(case: Case) -> None:
    async with brought_back(case, "session/load", prompt="notice", wants="notice") as back:
        await back.session.link.quiet(case.options.quiet_s)
        before, after = back.updates("notice")
        if before or after:
            raise Failure("a notice is sent again")


@check("resume.no-replay")
async def resumes_without_replay(case: Case) -> None:
    async with brought_back(case, "session/resume") as back:
        before, _ = back.updates(*HISTORY)
        if before:
            raise Failure("the history is sent before the answer to the resume")


@check("resume.without-a-turn")
async def resumes_without_a_turn(case: Case) -> None:
    await _comes_back_untouched(case, "session/resume")


@check("resume.unknown")
async def refuses_to_resume_the_unknown(case: Case) -> None:
    await _refuses_the_unknown(case, "session/resume")


@check("resume.goes-on")
async def goes_on_after_a_resume(case: Case) -> None:
    try:
        async with nothing_else_is_broken(case), brought_back(case, "session/resume") as back:
            await succeeds(await back.session.start(case.text("plain")))
    except NotBroughtBack as refused:
        raise Failure(str(refused)) from None


@check("close.answers")
async def closes(case: Case) -> None:
    async with case.session() as session:
        await succeeds(await _close(session))


@check("close.cancels-the-prompt")
async def closing_cancels(case: Case) -> None:
    async with _busy(case) as (session, asked):
        closing = await _close(session)
        with contextlib.suppress(NoAnswer):
            await closing.result()
        answer = await answered(asked)
        if answer.result.get("stopReason") != "cancelled":
            raise Failure(f"the prompt ended with {answer.message.get('error') or answer.result.get('stopReason')!r}")


@check("close.answers-after-the-prompt")
async def answers_the_prompt_before_the_close(case: Case) -> None:
    async with _busy(case) as (session, asked):
        closing = await _close(session)
        await closing.result()
        prompt, close = await asked.answer(), await closing.answer()
        entries = session.link.transcript.entries
        if entries.index(prompt) > entries.index(close):
            raise Failure("the prompt was answered after the close that ended it")


@check("close.nothing-after")
async def is_silent_after_a_close(case: Case) -> None:
    async with _busy(case) as (session, _):
        closing = await _close(session)
        await closing.result()
        entries = session.link.transcript.entries
        begin = entries.index(await closing.answer())
        await session.link.quiet(case.options.quiet_s)
        for entry in entries[begin:]:
            if entry.sender == "agent" and entry.session_id == session.id:
                raise Failure("something is sent for the session after the answer to its close")


@contextlib.asynccontextmanager
async def brought_back(
    case: Case, method: str, *, prompt: str = "plain", wants: str = "agent_message_chunk"
) -> AsyncIterator[Back]:
    """A session of one turn that was closed, where closing is offered, and is loaded or resumed.

    Where it is not, another process of the agent is asked first: a session that is open need not come back.

    Raises:
        NotBroughtBack: the agent refuses to.
        NotExercised: the turn brings no update of the kind ``wants``.
    """
    async with case.session() as session:
        await session.prompt(case.text(prompt))
        if not session.link.transcript.updates(wants):
            raise NotExercised(f"the prompt {case.text(prompt)!r} brought no {wants}")
        said, replied = case.text(prompt), session.texts()
        async with _where_it_may_come_back(case, session, method) as (link, answer):
            yield Back(Session(link, session.id, session.cwd, answer.result), answer, said, replied)


@contextlib.asynccontextmanager
async def _where_it_may_come_back(
    case: Case, session: Session, method: str
) -> AsyncIterator[tuple[AgentLink, Entry]]:
    """The connection on which it is there again, and the answer that says so."""
    closed = False
    if is_open(case.profile, CLOSE_GATE):
        with contextlib.suppress(Errored):
            await session.call("session/close")
            closed = True
    async with contextlib.AsyncExitStack() as stack:
        links = [] if closed else [await stack.enter_async_context(case.agent())]
        for link in [*links, session.link]:
            answer = await (await link.ask(method, _setup(session))).answer()
            if not isinstance(answer.message.get("error"), dict):
                yield link, answer
                return
    raise NotBroughtBack(f"{method} was refused: {answer.message['error'].get('message')}")


async def _comes_back_untouched(case: Case, method: str) -> None:
    """Fail unless a session without a turn comes back, while it is open or once it is closed."""
    async with case.session() as session:
        answer = await answered(await session.link.ask(method, _setup(session)))
        if isinstance(answer.message.get("error"), dict) and is_open(case.profile, CLOSE_GATE):
            await session.call("session/close")
            answer = await answered(await session.link.ask(method, _setup(session)))
        if isinstance(answer.message.get("error"), dict):
            raise Failure(f"{method} of a session without a prompt was refused")


async def _refuses_the_unknown(case: Case, method: str) -> None:
    async with case.agent() as link:
        params = {"sessionId": STRANGER, "cwd": tempfile.gettempdir(), "mcpServers": []}
        await expect_error(await link.ask(method, params))


@contextlib.asynccontextmanager
async def _busy(case: Case) -> AsyncIterator[tuple[Session, Asked]]:
    """A session that works."""
    async with case.session() as session:
        asked = await session.start(case.text("busy"))
        await session.link.quiet(case.options.quiet_s)
        if asked.done:
            raise NotExercised("the prompt that works until it is cancelled ended by itself")
        yield session, asked


async def _close(session: Session) -> Asked:
    return await session.link.ask("session/close", {"sessionId": session.id})


def _setup(session: Session) -> dict[str, Any]:
    return {"sessionId": session.id, "cwd": session.cwd, "mcpServers": []}


def _text(updates: list[Entry], kind: str) -> str:
    contents = [entry.update.get("content") for entry in updates if entry.update_kind == kind]
    return "".join(str(content.get("text", "")) for content in contents if isinstance(content, dict))


def _squeezed(text: str) -> str:
    """Without white space, which a store may trim."""
    return "".join(text.split())
