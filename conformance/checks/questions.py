"""Forms, pages, notices and compactions: only where the client offers them, and whatever the user says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.case import Case, answered, succeeds
from conformance.registry import check
from conformance.services import decline, dismiss, fail
from conformance.situations import Switched, only_when_offered, request_of
from conformance.transcript import Entry

ASK_USER = "elicitation/create"
COMPACTIONS = ("compaction_update", "compaction_summary_chunk")


@check("form.only-when-offered")
async def forms_only_when_offered(case: Case) -> None:
    without = {**case.everything, "elicitation": {"url": {}}}
    await only_when_offered(case, "form", without, lambda entry: _asks_in(entry, "form"), "form")


@check("form.declined")
async def form_declined(case: Case) -> None:
    user = Switched(decline)
    async with case.agent(services={ASK_USER: user.serve}) as link:
        for answer in (decline, dismiss, fail):
            user.answer = answer
            async with case.new_session(link) as session:
                asked = await session.start(case.text("form"))
                await request_of(asked, ASK_USER)
                await (answered(asked) if answer is fail else succeeds(asked))


@check("page.only-when-offered")
async def pages_only_when_offered(case: Case) -> None:
    without = {**case.everything, "elicitation": {"form": {}}}
    await only_when_offered(case, "url", without, lambda entry: _asks_in(entry, "url"), "page")


@check("notice.only-when-offered")
async def notices_only_when_offered(case: Case) -> None:
    without = _without_session_capability(case.everything, "notices")
    await only_when_offered(case, "notice", without, lambda entry: entry.update_kind == "notice", "notice")


@check("compaction.only-when-offered")
async def compactions_only_when_offered(case: Case) -> None:
    without = _without_session_capability(case.everything, "compaction")
    await only_when_offered(case, "compaction", without, lambda entry: entry.update_kind in COMPACTIONS, "compaction")


def _asks_in(entry: Entry, mode: str) -> bool:
    return entry.method == ASK_USER and entry.params.get("mode") == mode


def _without_session_capability(capabilities: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    session = {key: value for key, value in capabilities["session"].items() if key != name}
    return {**capabilities, "session": session}
