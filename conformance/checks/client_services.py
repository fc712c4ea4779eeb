"""Files and terminals of the client: used only where it offers them, and not for good where they fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.agent_link import Asked
from conformance.case import Case, Session, answered
from conformance.registry import check
from conformance.services import Terminals, fail
from conformance.situations import only_when_offered, request_of
from conformance.transcript import Entry
from conformance.verdicts import Failure, NotExercised

FILES = ("fs/read_text_file", "fs/write_text_file")
RELEASED_S = 2.0


@check("fs.only-when-offered")
async def files_only_when_offered(case: Case) -> None:
    without = {key: value for key, value in case.everything.items() if key != "fs"}
    await only_when_offered(case, "fs", without, lambda entry: entry.method in FILES, "request for a file")


@check("fs.error")
async def file_fails(case: Case) -> None:
    async with case.session(services=dict.fromkeys(FILES, fail)) as session:
        asked = await session.start(case.text("fs"))
        await request_of(asked, *FILES)
        await answered(asked)


@check("terminal.only-when-offered")
async def terminals_only_when_offered(case: Case) -> None:
    without = {key: value for key, value in case.everything.items() if key != "terminal"}
    await only_when_offered(case, "terminal", without, _is_about_a_terminal, "terminal of the client")


@check("terminal.error")
async def terminal_fails(case: Case) -> None:
    async with case.session(services={"terminal/create": fail}) as session:
        asked = await session.start(case.text("terminal"))
        await request_of(asked, "terminal/create")
        await answered(asked)


@check("terminal.released-when-cancelled")
async def released_when_cancelled(case: Case) -> None:
    async with case.session(services=Terminals(endless=True).services()) as session:
        asked = await session.start(case.text("terminal"))
        terminal_id = await _made(asked)
        await session.cancel()
        if await _released(session, terminal_id, case.options.timeout_s, asked):
            return
        await asked.answer()
        if not await _released(session, terminal_id, RELEASED_S):
            raise Failure(f"the cancelled prompt is answered, and {terminal_id} is not released")


async def _made(asked: Asked) -> str:
    """The id of the first terminal that this prompt has made, once the agent says more: it knows of it then."""
    create = await request_of(asked, "terminal/create")
    entries = asked.link.transcript.entries
    await asked.link.heard(lambda entry: True, since=entries.index(create) + 1, timeout_s=RELEASED_S)
    if create.answer is None:
        raise NotExercised("the terminal was not made")
    return str(create.answer.result.get("terminalId"))


async def _released(session: Session, terminal_id: str, timeout_s: float, asked: Asked | None = None) -> bool:
    """Whether the terminal is released in time; the answer to ``asked`` ends the waiting."""

    def wanted(entry: Entry) -> bool:
        releases: Mapping[str, Any] = entry.params if entry.method == "terminal/release" else {}
        return releases.get("terminalId") == terminal_id or (asked is not None and entry.asked is asked.entry)

    found = await session.link.heard(wanted, timeout_s)
    return found is not None and found.method == "terminal/release"


def _is_about_a_terminal(entry: Entry) -> bool:
    return entry.is_request and (entry.method or "").startswith("terminal/")
