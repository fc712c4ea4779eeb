"""Requests, notifications and responses: ids, unknown methods, unknown keys, and the reading of all of them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from typing import Any

from conformance.agent_link import AgentLink, NoAnswer
from conformance.case import (
    METHOD_NOT_FOUND,
    STRANGE_METHOD_S,
    Case,
    answered,
    expect_error,
    initialize_params,
    nothing_else_is_broken,
    still_answers,
    succeeds,
)
from conformance.registry import check
from conformance.verdicts import Failure, NotExercised

TEXT_ID = "77"
UNUSED_ID = 987_654_321
OWN_META = {
    "traceparent": "00-80e1afed08e019fc1110464cfa66635c-7a085853722dc6d2-01",
    "conformance.invalid/own": {"deep": [1, {"er": None}]},
}
Keys = Mapping[str, Any]
REQUESTS = 3
STRANGE_KEYS: Keys = {"conformance": {"is": ["unknown"]}, "conformanceToo": 1}


@check("rpc.text-ids")
async def answers_to_a_text(case: Case) -> None:
    async with case.agent() as link:
        params = {"cwd": tempfile.gettempdir(), "mcpServers": []}
        await answered(await link.ask("session/new", params, request_id=TEXT_ID))


@check("rpc.unknown-method")
async def refuses_unknown_methods(case: Case) -> None:
    async with case.agent() as link:
        await expect_error(await link.ask("conformance/unknown", {}), METHOD_NOT_FOUND)


@check("rpc.custom-method")
async def answers_custom_methods(case: Case) -> None:
    async with case.agent() as link:
        asked = await link.ask("_conformance.invalid/unknown", {})
        if "error" in (await answered(asked)).message:  # some agents take any extension for their own
            await expect_error(asked, METHOD_NOT_FOUND)


@check("rpc.unknown-notification")
async def ignores_unknown_notifications(case: Case) -> None:
    async with case.agent() as link:
        await link.notify("conformance/unknown", {"of": 1})
        await link.notify("_conformance.invalid/unknown")
        await _left_alone(link, case.options.quiet_s)


@check("rpc.dollar-notification")
async def ignores_dollar_notifications(case: Case) -> None:
    async with case.agent() as link:
        await link.notify("$/conformance_unknown", {"of": 1})
        await _left_alone(link, case.options.quiet_s)


@check("rpc.known-notification-unanswered")
async def never_answers_notifications(case: Case) -> None:
    async with case.agent() as link:
        await link.notify("session/cancel", {"sessionId": 5})
        await link.notify("session/cancel", {})
        await link.notify("$/cancel_request", {})
        await _left_alone(link, case.options.quiet_s)


@check("rpc.stray-response")
async def ignores_stray_responses(case: Case) -> None:
    async with case.agent() as link:
        await link.write(b'{"jsonrpc":"2.0","id":%d,"result":{}}\n' % UNUSED_ID)
        await link.write(b'{"jsonrpc":"2.0","id":"stray","error":{"code":-32603,"message":"Internal error"}}\n')
        await _left_alone(link, case.options.quiet_s)


@check("rpc.unknown-fields")
async def ignores_unknown_keys(case: Case) -> None:
    await _serves_with(case, *[STRANGE_KEYS] * REQUESTS)


@check("rpc.meta-accepted")
async def ignores_what_is_in_meta(case: Case) -> None:
    await _serves_with(case, *[{"_meta": OWN_META}] * REQUESTS)


@check("rpc.meta-tolerated")
async def ignores_meta_that_is_none(case: Case) -> None:
    await _serves_with(case, {"_meta": 5}, {"_meta": "text"}, {"_meta": ["list"]})


@check("rpc.reads-while-busy")
async def reads_while_busy(case: Case) -> None:
    async with case.session() as session:
        link = session.link
        knows_strangers = await _answers_strangers(link)
        asked = await session.start(case.text("busy"))
        await link.quiet(case.options.quiet_s)
        if asked.done:
            raise NotExercised("the prompt that works until it is cancelled ended by itself")
        params = {"cwd": session.cwd, "mcpServers": []}
        await answered(await link.ask("session/new", params))
        if knows_strangers and not await _answers_strangers(link, link.timeout_s):
            raise Failure("an unknown method is answered while the agent is idle, and is not while it is busy")


async def _answers_strangers(link: AgentLink, timeout_s: float = STRANGE_METHOD_S) -> bool:
    asked = await link.ask("_conformance/are_you_there", {})
    with contextlib.suppress(NoAnswer):
        await asked.answer(timeout_s)
        return True
    return False


async def _left_alone(link: AgentLink, quiet_s: float) -> None:
    """Fail if anything is answered that was not asked, or nothing is answered any more.

    Raises:
        Failure: so it is.
    """
    await still_answers(link)
    await link.quiet(quiet_s)
    for entry in link.transcript.sent_by("agent"):
        if entry.is_response and entry.asked is None:
            raise Failure("what is no request was answered")


async def _serves_with(case: Case, first: Keys, second: Keys, third: Keys) -> None:
    """Hold a whole conversation whose three requests have more keys, in their params and in a block of the prompt."""
    async with nothing_else_is_broken(case), case.started() as link:
        await succeeds(await link.ask("initialize", {**initialize_params(case.everything), **first}))
        await case.log_in(link)
        with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as cwd:
            made = await succeeds(await link.ask("session/new", {"cwd": cwd, "mcpServers": [], **second}))
            block = {"type": "text", "text": case.text("plain"), **third}
            params = {"sessionId": made.get("sessionId"), "prompt": [block], **third}
            await succeeds(await link.ask("session/prompt", params))
