"""What many checks begin with: a prompt that works, a question that waits, a client with fewer capabilities."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from conformance.agent_link import AgentLink, Asked, Errored, NoAnswer, Serve
from conformance.case import AUTH_REQUIRED, Case, Session
from conformance.shown import Shown
from conformance.transcript import Entry
from conformance.verdicts import Blocked, Failure, NotExercised

WITHDRAWN = -32800
LASTS_S = 2.0


async def working(case: Case, session: Session) -> Asked:
    """The busy prompt of this session, seen to be at work still.

    Raises:
        NotExercised: it ended by itself.
    """
    asked = await session.start(case.text("busy"))
    await session.link.quiet(case.options.quiet_s)
    if asked.done:
        raise NotExercised(f"the busy prompt ended by itself ({(await asked.answer()).shown().strip()[:200]})")
    return asked


@contextlib.asynccontextmanager
async def if_busy_lasts(case: Case) -> AsyncIterator[None]:
    """Lets a failure inside count only if the busy prompt does not end by itself a little later.

    Raises:
        NotExercised: it does.
    """
    try:
        yield
    except Failure:
        async with case.session() as session:
            asked = await session.start(case.text("busy"))
            with contextlib.suppress(NoAnswer):
                await asked.answer(LASTS_S)
                raise NotExercised("the busy prompt ends by itself") from None
        raise


async def works(case: Case, session: Session) -> None:
    """Let the plain prompt run, so that what comes after it can be blamed on what came between.

    Raises:
        NotExercised: not even that works.
        Blocked: the agent wants a login first.
    """
    try:
        await session.prompt(case.text("plain"))
    except Errored as error:
        raise Blocked(str(error)) if error.code == AUTH_REQUIRED else error from None


async def request_of(asked: Asked, *methods: str) -> Entry:
    """The agent's first request with one of these methods after a prompt was sent.

    Raises:
        NotExercised: none came before the answer to the prompt.
    """

    def wanted(entry: Entry) -> bool:
        return (entry.is_request and entry.method in methods) or entry.asked is asked.entry

    since = asked.link.transcript.entries.index(asked.entry)
    found = await asked.link.heard(wanted, since=since)
    if found is None or not found.is_request:
        raise NotExercised(f"the agent sent no {' or '.join(methods)}")
    return found


class Held:
    """A service that answers when it is let: ``came`` is set when the first request is there."""

    def __init__(self, answer: Serve) -> None:
        self.came = asyncio.Event()
        self._let = asyncio.Event()
        self._answer = answer

    async def serve(self, params: Mapping[str, Any]) -> Any:
        self.came.set()
        await self._let.wait()
        return await self._answer(params)

    def let(self) -> None:
        """Answer what waits, and from now on at once."""
        self._let.set()


class Switched:
    """A service whose answer can be changed."""

    def __init__(self, answer: Serve) -> None:
        self.answer = answer

    async def serve(self, params: Mapping[str, Any]) -> Any:
        return await self.answer(params)


async def only_when_offered(
    case: Case, prompt: str, without: Mapping[str, Any], uses: Callable[[Entry], bool], what: str
) -> None:
    """Fail if the prompt of that name uses what a client does not offer that has the capabilities ``without``.

    Raises:
        NotExercised: the prompt does not use it where all is offered either.
        Failure: it is used without being offered.
    """
    text = case.text(prompt)
    shown = await (case.shown or Shown(case.options, case.profile)).at(prompt)
    if not any(uses(entry) for transcript in shown for entry in transcript.sent_by("agent")):
        raise NotExercised(f"the prompt {text!r} shows no {what} to a client that offers everything")
    async with case.session(capabilities=without) as session:
        asked = await session.start(text)
        await asked.answer()
        for entry in session.link.transcript.sent_by("agent"):
            if uses(entry):
                raise Failure(f"{what} for a client that does not offer it ({entry.shown().strip()[:200]})")


def strays(link: AgentLink, since: int) -> list[Entry]:
    """The agent's responses, from entry number ``since`` on, that answer no request."""
    return [
        entry
        for entry in link.transcript.entries[since:]
        if entry.sender == "agent" and entry.is_response and entry.asked is None
    ]
