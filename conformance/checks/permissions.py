"""Questions for permission, and what becomes of the turn by the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from conformance.case import Case, Session, answered, succeeds
from conformance.registry import check
from conformance.services import allow, fail, reject
from conformance.situations import Switched, request_of
from conformance.verdicts import Failure

ASK = "session/request_permission"
NO_SUCH_OPTION = "conformance-no-such-option"


@check("permission.allow")
async def allowed(case: Case) -> None:
    async with case.session(services={ASK: allow}) as session:
        asked = await session.start(case.text("permission"))
        await request_of(asked, ASK)
        result = await succeeds(asked)
        if result.get("stopReason") == "cancelled":
            raise Failure("a prompt that nobody cancelled was answered as cancelled")


@check("permission.reject")
async def rejected(case: Case) -> None:
    async with case.session(services={ASK: reject}) as session:
        asked = await session.start(case.text("permission"))
        await request_of(asked, ASK)
        await succeeds(asked)


@check("permission.error")
async def answered_with_an_error(case: Case) -> None:
    async with case.session(services={ASK: fail}) as session:
        asked = await session.start(case.text("permission"))
        await request_of(asked, ASK)
        await answered(asked)


@check("permission.unknown-outcome")
async def unknown_option(case: Case) -> None:
    """What the turn does is compared with what it does when allowed; where a refusal looks the same, nothing shows."""
    answers = Switched(reject)
    async with case.agent(services={ASK: answers.serve}) as link:
        seen = []
        for answer in (_pick_no_such_option, reject, allow):
            answers.answer = answer
            async with case.new_session(link) as session:
                seen.append(await _what_followed(case, session))
        unknown, refused, granted = seen
        if unknown == granted != refused:
            raise Failure("the turn went on as if it had been allowed")


async def _what_followed(case: Case, session: Session) -> bytes:
    """What the agent did once its question was answered, without what differs from session to session."""
    asked = await session.start(case.text("permission"))
    question = await request_of(asked, ASK)
    await answered(asked)
    entries = session.link.transcript.entries
    did: list[object] = []
    for entry in entries[entries.index(question) :]:
        if entry.sender == "agent" and entry.is_request and entry is not question:
            did.append(entry.method)
        elif entry.session_id == session.id and entry.update_kind in ("tool_call", "tool_call_update"):
            did.append({key: entry.update.get(key) for key in ("status", "content", "rawOutput")})
    return orjson.dumps(did).replace(session.cwd.encode(), b".")


async def _pick_no_such_option(params: Mapping[str, Any]) -> Any:
    return {"outcome": {"outcome": "selected", "optionId": NO_SUCH_OPTION}}
