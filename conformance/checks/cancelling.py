"""Prompts that are cancelled, with ``session/cancel`` or with ``$/cancel_request``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

import orjson

from conformance.agent_link import Asked, NoAnswer
from conformance.case import TURN_UPDATES, Case, Session, answered, still_answers, succeeds
from conformance.registry import check
from conformance.services import say_cancelled
from conformance.situations import WITHDRAWN, Held, if_busy_lasts, request_of, strays, working, works
from conformance.transcript import Entry
from conformance.verdicts import Failure, NotApplicable, NotExercised

SOON_S = 2.0
HEEDED_S = 3.0
NO_SUCH_SESSION = "conformance-no-such-session"


@check("cancel.stop-reason")
async def answered_as_cancelled(case: Case) -> None:
    async with case.session() as session:
        asked = await working(case, session)
        await session.cancel()
        async with if_busy_lasts(case):
            await _is_cancelled(case, asked)


@check("cancel.soon")
async def soon(case: Case) -> None:
    async with case.session() as session:
        asked = await working(case, session)
        began = time.monotonic()
        await session.cancel()
        await _patiently(case, asked)
        took = time.monotonic() - began
        if took > SOON_S:
            raise Failure(f"the cancelled prompt was answered after {took:.1f} s")


@check("cancel.nothing-after")
async def nothing_after(case: Case) -> None:
    async with case.session() as session:
        answer = await _cancelled(case, session)
        await session.link.quiet(case.options.quiet_s)
        entries = session.link.transcript.entries
        for entry in entries[entries.index(answer) + 1 :]:
            of_its_turn = entry.update_kind in TURN_UPDATES or entry.is_request
            if entry.sender == "agent" and entry.session_id == session.id and of_its_turn:
                raise Failure(f"it came after the answer ({entry.shown().strip()[:200]})")


@check("cancel.idle")
async def idle(case: Case) -> None:
    async with case.agent() as link, case.new_session(link) as first, case.new_session(link) as second:
        await works(case, first)
        since = len(link.transcript.entries)
        await second.cancel()
        await link.quiet(case.options.quiet_s)
        _no_strays(strays(link, since))
        result = await succeeds(await second.start(case.text("plain")))
        if result.get("stopReason") == "cancelled":
            raise Failure("the next prompt was cancelled")


@check("cancel.unknown-session")
async def unknown_session(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        since = len(session.link.transcript.entries)
        await session.link.notify("session/cancel", {"sessionId": NO_SUCH_SESSION})
        await session.link.quiet(case.options.quiet_s)
        _no_strays(strays(session.link, since))
        await succeeds(await session.start(case.text("plain")))


@check("cancel.prompt-afterwards")
async def prompt_afterwards(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        await _cancelled(case, session)
        result = await succeeds(await session.start(case.text("plain")))
        if result.get("stopReason") == "cancelled":
            raise Failure("the next prompt was cancelled too")


@check("cancel.only-its-session")
async def only_its_session(case: Case) -> None:
    async with case.agent() as link, case.new_session(link) as first, case.new_session(link) as second:
        asked, other = await working(case, first), await working(case, second)
        if asked.done:
            raise NotExercised("the agent does not work on two sessions at a time")
        await first.cancel()
        await asked.answer()
        await link.quiet(case.options.quiet_s)
        async with if_busy_lasts(case):
            if other.done:
                raise Failure("the prompt of the other session ended too")


@check("cancel.while-asking")
async def while_asking(case: Case) -> None:
    held = Held(say_cancelled)
    async with case.session(services={"session/request_permission": held.serve}) as session:
        asked = await cancelled_while_asking(case, session, held)
        async with _only_here(case):
            await _is_cancelled(case, asked)


@check("cancel.right-behind")
async def right_behind(case: Case) -> None:
    async with case.agent() as link, case.new_session(link) as first, case.new_session(link) as second:
        await _cancelled(case, first)
        prompt = {"sessionId": second.id, "prompt": [{"type": "text", "text": case.text("busy")}]}
        line = link.request_line("session/prompt", prompt)
        asked = link.expect("session/prompt", line)
        cancel = orjson.dumps({"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": second.id}})
        link.transcript.add("client", cancel)
        # In one write: whoever handles messages side by side may overtake himself.
        await link.write_unrecorded(line + b"\n" + cancel + b"\n")
        await answered(asked)


@check("withdraw.answered")
async def withdrawn(case: Case) -> None:
    async with case.session() as session:
        asked = await working(case, session)
        await session.link.notify("$/cancel_request", {"requestId": asked.entry.message["id"]})
        try:
            entry = await asked.answer(min(HEEDED_S, case.options.timeout_s))
        except NoAnswer:
            await session.cancel()
            async with _only_here(case):
                await answered(asked)  # it is not, if the prompt was stopped by then
            raise NotApplicable("the agent does not heed $/cancel_request") from None
        error = entry.message.get("error")
        if isinstance(error, dict) and error.get("code") != WITHDRAWN:
            async with _only_here(case):
                raise Failure(f"the prompt that was withdrawn is answered with the error {error.get('code')}")


@check("withdraw.unknown")
async def withdraws_nothing(case: Case) -> None:
    async with case.agent() as link:
        since = len(link.transcript.entries)
        await link.notify("$/cancel_request", {"requestId": "conformance-no-such-request"})
        await link.quiet(case.options.quiet_s)
        _no_strays(strays(link, since))
        await still_answers(link)


async def cancelled_while_asking(case: Case, session: Session, held: Held) -> Asked:
    """A prompt that was cancelled while it asked for a permission, the question answered (by ``held``) after that."""
    asked = await session.start(case.text("permission"))
    await request_of(asked, "session/request_permission")
    await session.link.quiet(case.options.quiet_s)
    await session.cancel()
    held.let()
    return asked


async def _cancelled(case: Case, session: Session) -> Entry:
    """The answer to the busy prompt, which was cancelled: whatever it is.

    Raises:
        NotExercised: it cannot be cancelled, or ends by itself.
    """
    asked = await working(case, session)
    await session.cancel()
    return await _patiently(case, asked)


async def _patiently(case: Case, asked: Asked) -> Entry:
    """The answer to a cancelled prompt, also if it comes late: that is for ``cancel.soon`` to judge."""
    return await asked.answer(max(case.options.timeout_s, 2 * SOON_S))


async def _is_cancelled(case: Case, asked: Asked) -> None:
    try:
        answer = await _patiently(case, asked)
    except NoAnswer as ended:
        raise Failure(str(ended)) from None
    if answer.message.get("error") is not None:
        raise Failure(f"the cancelled prompt was answered with an error ({answer.shown().strip()[:200]})")
    reason = answer.result.get("stopReason")
    if reason != "cancelled":
        raise Failure(f"the cancelled prompt was answered with the stop reason {reason!r}")


@contextlib.asynccontextmanager
async def _only_here(case: Case) -> AsyncIterator[None]:
    """Lets a failure inside count only if a prompt that is just cancelled is answered as it must be.

    Raises:
        NotExercised: it is not, which is for ``cancel.stop-reason`` to judge.
    """
    try:
        yield
    except Failure:
        if not await _cancels_properly(case):
            raise NotExercised("no cancelled prompt is answered as it must be") from None
        raise


async def _cancels_properly(case: Case) -> bool:
    async with case.session() as session:
        try:
            asked = await working(case, session)
        except NotExercised:
            return True  # there is no busy prompt to see that with
        await session.cancel()
        try:
            await _is_cancelled(case, asked)
        except Failure:
            return False
    return True


def _no_strays(answers: list[Entry]) -> None:
    for answer in answers:
        raise Failure(f"the notification was answered ({answer.shown().strip()[:200]})")
