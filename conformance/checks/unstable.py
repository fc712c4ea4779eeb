"""What is no part of the protocol yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.case import AUTH_REQUIRED, INVALID_PARAMS, Case, Session, answered, expect_error, succeeds
from conformance.profile import is_open
from conformance.registry import check
from conformance.situations import only_when_offered, working, works
from conformance.verdicts import Failure, NotExercised

LIST = "agentCapabilities.sessionCapabilities.list"
CLOSE = "agentCapabilities.sessionCapabilities.close"
NO_SUCH_SESSION = "conformance-no-such-session"
TITLE = "A title of the conformance kit"
MOST_PAGES = 50


@check("unstable.archive")
async def archives_and_unarchives(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        for method in ("session/archive", "session/archive", "session/unarchive", "session/unarchive"):
            await succeeds(await session.link.ask(method, {"sessionId": session.id}))


@check("unstable.archive-hides")
async def archived_sessions_are_hidden(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        if await _listed(case, session) is None:
            raise NotExercised("the session is not listed before it is archived")
        await session.call("session/archive")
        if await _listed(case, session) is not None:
            raise Failure("an archived session is listed where nobody asked for archived ones")
        for which in ("include", "only"):
            if await _listed(case, session, archived=which) is None:
                raise Failure(f"an archived session is not listed with archived: {which}")
        await session.call("session/unarchive")
        if await _listed(case, session, archived="only") is not None:
            raise Failure("a session that is archived no more is listed among the archived ones")


@check("unstable.archive-needs-list")
async def archive_comes_with_list(case: Case) -> None:
    if not is_open(case.profile, LIST):
        raise Failure("archive is advertised, list is not")


@check("unstable.archive-filter")
async def unknown_filter(case: Case) -> None:
    async with case.agent() as link:
        await link.request("session/list", {})
        await expect_error(await link.ask("session/list", {"archived": "conformance-nothing-such"}), INVALID_PARAMS)


@check("unstable.archive-closes")
async def archiving_ends_the_prompt(case: Case) -> None:
    async with case.session() as session:
        asked = await working(case, session)
        await session.call("session/archive")
        await answered(asked)


@check("unstable.archive-unknown")
async def archiving_nothing(case: Case) -> None:
    async with case.agent() as link:
        await expect_error(await link.ask("session/archive", {"sessionId": NO_SUCH_SESSION}))


@check("unstable.status")
async def tells_the_status(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        result = await succeeds(await session.link.ask("session/status", {"sessionId": session.id}))
        if not isinstance(result.get("status"), str):
            raise Failure(f"the status is {result.get('status')!r}")


@check("unstable.status-changes-nothing")
async def status_changes_nothing(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        before = await _listed(case, session) if is_open(case.profile, LIST) else None
        await _same_status_twice(session)
        if before is not None and await _listed(case, session) != before:
            raise Failure("the session is listed differently since its status was asked for")
        await succeeds(await session.start(case.text("plain")))
        if is_open(case.profile, CLOSE):
            await session.call("session/close")
            await _same_status_twice(session)


@check("unstable.title-stored")
async def title_is_stored(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        asked = await session.link.ask("session/set_title", {"sessionId": session.id, "title": TITLE})
        title = (await succeeds(asked)).get("title")
        if not isinstance(title, str):
            raise Failure(f"the answer tells the title {title!r}")
        if is_open(case.profile, LIST):
            row = await _listed(case, session)
            if row is None or row.get("title") != title:
                raise Failure(f"answered as {title!r}, listed as {None if row is None else row.get('title')!r}")


@check("unstable.title-kept")
async def title_is_kept(case: Case) -> None:
    async with case.session() as session:
        title = (await session.call("session/set_title", title=TITLE)).get("title", TITLE)
        since = len(session.link.transcript.entries)
        await works(case, session)
        await session.link.quiet(case.options.quiet_s)
        for entry in session.link.transcript.entries[since:]:
            about_it = entry.update_kind == "session_info_update" and entry.session_id == session.id
            if about_it and entry.update.get("title", title) != title:
                raise Failure(f"the title became {entry.update['title']!r}")
        row = await _listed(case, session) if is_open(case.profile, LIST) else None
        if row is not None and row.get("title") != title:
            raise Failure(f"the title became {row.get('title')!r}")


@check("unstable.title-invalid")
async def title_is_no_text(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        params = {"sessionId": session.id, "title": ["no", "text"]}
        await expect_error(await session.link.ask("session/set_title", params), INVALID_PARAMS)


@check("unstable.fork")
async def forks(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        params = {"sessionId": session.id, "cwd": session.cwd, "mcpServers": []}
        made = await succeeds(await session.link.ask("session/fork", params))
        fork_id = made.get("sessionId")
        if not isinstance(fork_id, str) or fork_id == session.id:
            raise Failure(f"the id of the fork is {fork_id!r}")
        fork = Session(session.link, fork_id, session.cwd, made)
        await succeeds(await fork.start(case.text("plain")))


@check("unstable.fork-leaves-the-original")
async def fork_leaves_the_original(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        await session.call("session/fork", cwd=session.cwd, mcpServers=[])
        await succeeds(await session.start(case.text("plain")))


@check("unstable.auth-status")
async def tells_whether_a_login_is_needed(case: Case) -> None:
    async with case.started() as link:
        await link.request("initialize", {"protocolVersion": 1, "clientCapabilities": dict(case.everything)})
        entry = await answered(await link.ask("auth/status", {}))
        error = entry.message.get("error")
        if isinstance(error, dict):
            code = error.get("code")
            raise Failure("refused for want of a login" if code == AUTH_REQUIRED else f"refused with {code}")
        if not isinstance(entry.result.get("state"), str):
            raise Failure(f"the state is {entry.result.get('state')!r}")


@check("unstable.plan-only-when-offered")
async def plans_with_ids_only_when_offered(case: Case) -> None:
    without = {key: value for key, value in case.everything.items() if key != "plan"}
    kinds = ("plan_update", "plan_removed")
    await only_when_offered(case, "plan", without, lambda entry: entry.update_kind in kinds, "plan with an id")


async def _same_status_twice(session: Session) -> None:
    first, second = [(await session.call("session/status")).get("status") for _ in range(2)]
    if first != second:
        raise Failure(f"the status was {first!r}, and {second!r} when asked for again")


async def _listed(case: Case, session: Session, **which: str) -> Mapping[str, Any] | None:
    """The session's row in the list of its directory; None if it has none."""
    cursor: Mapping[str, str] = {}
    for _ in range(MOST_PAGES):
        page = await session.link.request("session/list", {"cwd": session.cwd, **which, **cursor})
        for row in page.get("sessions") or ():
            if isinstance(row, dict) and row.get("sessionId") == session.id:
                return row
        if not isinstance(page.get("nextCursor"), str):
            return None
        cursor = {"cursor": page["nextCursor"]}
    raise NotExercised(f"the list has more than {MOST_PAGES} pages")
