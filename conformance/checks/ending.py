"""The end of a conversation: what an agent does when its input ends, and when nobody reads what it logs."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from conformance.agent_link import AgentLink, NoAnswer
from conformance.case import Case, nothing_else_is_broken, succeeds
from conformance.registry import check
from conformance.verdicts import Failure, NotExercised

EXIT_S = 2.0
SLACK_S = 0.5
"""What the kit's own measuring may cost on a machine that has much to do."""

NOISES = 100
NOISE_S = 0.05
"""How long the answer to one noise is waited for; whether it comes is another requirement's business."""


@check("end.exits")
async def exits(case: Case) -> None:
    async with case.session() as session:
        await session.link.close_input()
        if await _status(session.link) is None:
            raise Failure(f"the agent still runs {EXIT_S:g} s after the end of its input")


@check("end.exits-cleanly")
async def exits_cleanly(case: Case) -> None:
    async with case.session() as session:
        await session.link.close_input()
        status = await _status(session.link)
        if status is None:
            raise NotExercised("the agent does not exit")
        if status != 0:
            raise Failure(f"the agent exited with {status}")


@check("end.exits-while-busy")
async def exits_while_busy(case: Case) -> None:
    async with case.session() as session:
        asked = await session.start(case.text("busy"))
        await session.link.quiet(case.options.quiet_s)
        if asked.done:
            raise NotExercised("the prompt that works until it is cancelled ended by itself")
        await session.link.close_input()
        if await _status(session.link) is None:
            raise Failure(f"the agent still runs {EXIT_S:g} s after the end of its input, in the middle of a prompt")


@check("end.undrained-stderr")
async def needs_no_reader_of_its_log(case: Case) -> None:
    with _unread_pipe() as stderr:
        async with nothing_else_is_broken(case):
            try:
                await _make_noise(case, stderr)
            except NoAnswer as ended:
                raise Failure(f"with stderr unread, {ended}") from None


async def _make_noise(case: Case, stderr: int) -> None:
    """Much that an agent may want to log, then an ordinary prompt."""
    async with case.agent(stderr=stderr) as link:
        for _ in range(NOISES):
            with contextlib.suppress(NoAnswer):
                await (await link.ask("conformance/unknown", {})).answer(NOISE_S)
        async with case.new_session(link) as session:
            await succeeds(await session.start(case.text("plain")))


async def _status(link: AgentLink) -> int | None:
    return await link.exited(EXIT_S + SLACK_S)


@contextlib.contextmanager
def _unread_pipe() -> Iterator[int]:
    """The writing end of a pipe that nobody reads, as small as the system makes one."""
    reader, writer = os.pipe()
    try:
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        yield writer
    finally:
        os.close(reader)
        os.close(writer)
