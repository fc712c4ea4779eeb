"""The list of sessions, and deleting from it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.agent_link import AgentLink, Errored
from conformance.case import Case, Session, expect_error, make_session, succeeds
from conformance.profile import is_open
from conformance.registry import check
from conformance.verdicts import Failure, NotApplicable, NotExercised

STRANGER = "5f1d7a3e-0c55-4d0e-9f0e-c0f0a11ce002"
CLOSE_GATE = "agentCapabilities.sessionCapabilities.close"
LIST_GATE = "agentCapabilities.sessionCapabilities.list"
MANY = 3
MOST_PAGES = 100
WALKS = 3


@dataclass
class Walk:
    """What following the cursors led to. ``ended``: there came a page without one; ``circled``: one came again."""

    sessions: list[Mapping[str, Any]] = field(default_factory=list)
    ended: bool = False
    circled: bool = False

    @property
    def ids(self) -> list[str]:
        return [str(session.get("sessionId")) for session in self.sessions]

    @property
    def repeats(self) -> bool:
        return len(set(self.ids)) != len(self.ids)


@check("list.array")
async def lists_an_array(case: Case) -> None:
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as nothing:
        async with case.agent() as link:
            for params in ({}, {"cwd": str(Path(nothing).resolve())}):
                sessions = (await succeeds(await link.ask("session/list", params))).get("sessions")
                if not isinstance(sessions, list):
                    raise Failure(f"the answer to session/list has the sessions {sessions!r}")


@check("list.without-params")
async def lists_without_params(case: Case) -> None:
    async with case.agent() as link:
        await link.request("session/list", {})
        await succeeds(await link.ask("session/list"))


@check("list.cwd-filter")
async def lists_one_directory(case: Case) -> None:
    async with _sessions(case, 1) as here, case.new_session(here[0].link) as there:
        await there.prompt(case.text("plain"))
        await _is_listed(there)
        walk = await _walk(here[0].link, cwd=here[0].cwd)
        for session in walk.sessions:
            if session.get("sessionId") == there.id or not _is_same(session.get("cwd"), here[0].cwd):
                raise Failure(f"a list for {here[0].cwd} holds a session of {session.get('cwd')!r}")
        if here[0].id not in walk.ids:
            raise Failure("a list for its own directory does not hold a session that is listed for another one")


@check("list.pages-end")
async def lists_pages_that_end(case: Case) -> None:
    async with _sessions(case, MANY) as sessions:
        link = sessions[0].link
        _judge_walk(await _walk(link, cwd=sessions[0].cwd))
        # The list of all may change while it is walked: others make sessions meanwhile.
        for number in range(WALKS):
            walk = await _walk(link)
            if not walk.repeats or number == WALKS - 1:
                _judge_walk(walk)
                break


@check("list.invalid-cursor")
async def refuses_unknown_cursors(case: Case) -> None:
    async with case.agent() as link:
        await link.request("session/list", {})
        await expect_error(await link.ask("session/list", {"cursor": "conformance: no cursor"}))


@check("delete.not-listed")
async def lists_nothing_that_was_deleted(case: Case) -> None:
    if not is_open(case.profile, LIST_GATE):
        raise NotApplicable("the agent does not list sessions")
    async with _sessions(case, 1) as (session,):
        await _is_listed(session)
        await _close_if_offered(case, session)
        await succeeds(await session.link.ask("session/delete", {"sessionId": session.id}))
        if session.id in (await _walk(session.link, cwd=session.cwd)).ids:
            raise Failure("a session is listed after it was deleted")


@check("delete.unknown")
async def deletes_what_is_not_there(case: Case) -> None:
    async with case.session() as session:
        await _close_if_offered(case, session)
        await session.call("session/delete")
        await succeeds(await session.link.ask("session/delete", {"sessionId": session.id}))
        await succeeds(await session.link.ask("session/delete", {"sessionId": STRANGER}))


@contextlib.asynccontextmanager
async def _sessions(case: Case, number: int) -> AsyncIterator[list[Session]]:
    """So many sessions of one agent in one directory, each with a turn: some list no others."""
    async with case.session() as first:
        sessions = [first, *[await make_session(first.link, first.cwd) for _ in range(number - 1)]]
        for session in sessions:
            await session.prompt(case.text("plain"))
        yield sessions


async def _is_listed(session: Session) -> None:
    if session.id not in (await _walk(session.link, cwd=session.cwd)).ids:
        raise NotExercised("a session that has just had a turn is not listed")


async def _walk(link: AgentLink, **params: Any) -> Walk:
    walk = Walk()
    cursors: set[object] = set()
    for _ in range(MOST_PAGES):
        page = await link.request("session/list", params)
        sessions = page.get("sessions")
        walk.sessions += [row for row in sessions if isinstance(row, dict)] if isinstance(sessions, list) else []
        cursor = page.get("nextCursor")
        if cursor is None:
            walk.ended = True
            return walk
        if repr(cursor) in cursors:
            walk.circled = True
            return walk
        cursors.add(repr(cursor))
        params["cursor"] = cursor
    return walk


def _judge_walk(walk: Walk) -> None:
    if walk.circled:
        raise Failure("a cursor leads back to a page that was read before")
    if walk.repeats:
        raise Failure("a session is listed twice")
    if not walk.ended:
        raise NotExercised(f"the list has more than {MOST_PAGES} pages")


def _is_same(path: object, directory: str) -> bool:
    return isinstance(path, str) and Path(path).resolve() == Path(directory).resolve()


async def _close_if_offered(case: Case, session: Session) -> None:
    if is_open(case.profile, CLOSE_GATE):
        with contextlib.suppress(Errored):
            await session.call("session/close")
