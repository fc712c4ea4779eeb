"""Prompts that are cancelled, with ``session/cancel`` or with ``$/cancel_request``."""

from __future__ import annotations

import time

from conformance.agent_link import Asked, NoAnswer
from conformance.case import TURN_UPDATES, Case, Session, answered, still_answers, succeeds
from conformance.registry import check
from conformance.services import say_cancelled
from conformance.situations import WITHDRAWN, Held, request_of, strays, working, works
from conformance.transcript import Entry
from conformance.verdicts import Failure, NotApplicable, NotExercised

SOON_S = 2.0
HEEDED_S = 1.5
NO_SUCH_SESSION = "conformance-no-such-session"


@check("cancel.stop-reason")
async def answered_as_cancelled(case: Case) -> None:
    async with case.session() as session:
        asked = await working(case, session)
        await session.cancel()
        _is_cancelled(await answered(asked))


@check("cancel.soon")
async def soon(case: Case) -> None:
    async with case.session() as session:
        asked = await working(case, session)
        began = time.monotonic()
        await session.cancel()
        await asked.answer(max(case.options.timeout_s, 2 * SOON_S))
        took = time.monotonic() - began
        if took > SOON_S:
            raise Failure(f"the cancelled prompt was answered after {took:.1f} s")


@check("cancel.nothing-after")
async def nothing_after(case: Case) -> None:
    async with case.session() as session:
        await _cancelled(case, session)
        for entry in await session.link.quiet(case.options.quiet_s):
            if entry.session_id == session.id and (entry.update_kind in TURN_UPDATES or entry.is_request):
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
        if other.done:
            raise Failure("the prompt of the other session ended too")


@check("cancel.while-asking")
async def while_asking(case: Case) -> None:
    held = Held(say_cancelled)
    async with case.session(services={"session/request_permission": held.serve}) as session:
        asked = await cancelled_while_asking(case, session, held)
        _is_cancelled(await answered(asked))


@check("cancel.right-behind")
async def right_behind(case: Case) -> None:
    async with case.agent() as link, case.new_session(link) as first, case.new_session(link) as second:
        await _cancelled(case, first)
        asked = await second.start(case.text("busy"))
        await second.cancel()
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
            raise NotApplicable("the agent does not heed $/cancel_request") from None
        error = entry.message.get("error")
        if isinstance(error, dict) and error.get("code") != WITHDRAWN:
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
    await session.cancel()
    held.let()
    return asked


async def _cancelled(case: Case, session: Session) -> Asked:
    """The busy prompt, cancelled and answered somehow.

    Raises:
        NotExercised: it cannot be cancelled, or ends by itself.
    """
    asked = await working(case, session)
    await session.cancel()
    await asked.answer()
    return asked


def _is_cancelled(answer: Entry) -> None:
    if "error" in answer.message:
        raise Failure(f"the cancelled prompt was answered with an error ({answer.shown().strip()[:200]})")
    reason = answer.result.get("stopReason")
    if reason != "cancelled":
        raise Failure(f"the cancelled prompt was answered with the stop reason {reason!r}")


def _no_strays(answers: list[Entry]) -> None:
    for answer in answers:
        raise Failure(f"the notification was answered ({answer.shown().strip()[:200]})")
