"""The opening of a connection: versions, capabilities, and what comes before."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

from conformance.case import (
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION,
    Case,
    answered,
    expect_error,
    initialize_params,
    nothing_else_is_broken,
    succeeds,
)
from conformance.profile import is_open
from conformance.registry import check
from conformance.verdicts import Failure, NotApplicable

FUTURE_VERSION = 65535

OPTIONAL = {
    "logout": "agentCapabilities.auth.logout",
    "session/load": "agentCapabilities.loadSession",
    "session/resume": "agentCapabilities.sessionCapabilities.resume",
    "session/list": "agentCapabilities.sessionCapabilities.list",
    "session/close": "agentCapabilities.sessionCapabilities.close",
    "session/delete": "agentCapabilities.sessionCapabilities.delete",
}
STRANGE_CAPABILITIES = {
    "conformance": {"of": 1},
    "_meta": {"conformance.invalid/can": True},
    "fs": {"readTextFile": True, "writeTextFile": True, "conformance": 1},
    "session": {"conformance": {}},
}
MALFORMED_CAPABILITIES = {
    "fs": {"readTextFile": "yes", "writeTextFile": 1},
    "terminal": "yes",
    "elicitation": [],
    "session": {"configOptions": True},
}


@check("init.same-version")
async def asked_for_our_version(case: Case) -> None:
    async with case.started() as link:
        answer = await succeeds(await link.ask("initialize", initialize_params(case.everything)))
        if answer.get("protocolVersion") != PROTOCOL_VERSION:
            raise Failure(f"asked for version 1, it answered {answer.get('protocolVersion')!r}")


@check("init.own-newest-version")
async def asked_for_a_future_version(case: Case) -> None:
    async with case.started() as link:
        answer = await succeeds(await link.ask("initialize", initialize_params(case.everything, FUTURE_VERSION)))
        version = answer.get("protocolVersion")
        if not isinstance(version, int) or not PROTOCOL_VERSION <= version < FUTURE_VERSION:
            raise Failure(f"asked for version {FUTURE_VERSION}, it answered {version!r}")


@check("init.agent-info")
async def says_who_it_is(case: Case) -> None:
    info = case.profile.get("agentInfo")
    if not isinstance(info, dict) or not info.get("name") or not info.get("version"):
        raise Failure(f"agentInfo is {info!r}")


@check("init.capabilities")
async def says_what_it_can(case: Case) -> None:
    if not isinstance(case.profile.get("agentCapabilities"), dict):
        raise Failure("the answer to initialize has no agentCapabilities")


@check("init.no-capabilities")
async def serves_a_client_that_says_nothing(case: Case) -> None:
    async with nothing_else_is_broken(case), case.started(capabilities={}) as link:
        await succeeds(await link.ask("initialize", {"protocolVersion": PROTOCOL_VERSION}))
        await case.log_in(link)
        async with case.new_session(link) as session:
            await succeeds(await session.start(case.text("plain")))


@check("init.unknown-capabilities")
async def ignores_unknown_capabilities(case: Case) -> None:
    await _serves_who_offers(case, {**case.everything, **STRANGE_CAPABILITIES})


@check("init.malformed-capabilities")
async def ignores_malformed_capabilities(case: Case) -> None:
    await _serves_who_offers(case, {"fs": 5, "terminal": [], "elicitation": "form", "session": None})
    used = await _used(case, MALFORMED_CAPABILITIES)
    if used and not used & await _used(case, {}):
        raise Failure(f"{', '.join(sorted(used))}: used by the word of a malformed capability")


async def _used(case: Case, capabilities: Mapping[str, Any]) -> set[str]:
    """The methods for files and terminals that the prompts for them use."""
    prompts = [text for text in map(case.options.prompts.get, ("fs", "terminal")) if text]
    if not prompts or "session" not in case.profile:
        return set()
    async with case.session(capabilities=capabilities) as session:
        for prompt in prompts:
            await (await session.start(prompt)).answer()
        used = [entry.method or "" for entry in session.link.transcript.sent_by("agent") if entry.is_request]
        return {method for method in used if method.startswith(("fs/", "terminal/"))}


@check("init.missing-version")
async def refuses_to_guess_the_version(case: Case) -> None:
    async with case.started() as link:
        params = initialize_params(case.everything)
        del params["protocolVersion"]
        await expect_error(await link.ask("initialize", params))


@check("init.optional-methods-are-advertised")
async def refuses_what_it_does_not_offer(case: Case) -> None:
    closed = [method for method, gate in OPTIONAL.items() if not is_open(case.profile, gate)]
    if not closed:
        raise NotApplicable("the agent offers every optional method")
    async with case.session() as session:
        for method in closed:
            params: dict[str, object] = {} if method in ("logout", "session/list") else {"sessionId": session.id}
            if method in ("session/load", "session/resume"):
                params |= {"cwd": session.cwd, "mcpServers": []}
            await expect_error(await session.link.ask(method, params), METHOD_NOT_FOUND)


@check("init.request-before")
async def answers_what_comes_too_early(case: Case) -> None:
    async with case.started() as link:
        await answered(await link.ask("session/new", {"cwd": tempfile.gettempdir(), "mcpServers": []}))
        await succeeds(await link.ask("initialize", initialize_params(case.everything)))


async def _serves_who_offers(case: Case, capabilities: Mapping[str, Any]) -> None:
    async with nothing_else_is_broken(case), case.started(capabilities=capabilities) as link:
        await succeeds(await link.ask("initialize", initialize_params(capabilities)))
        if "session" in case.profile:
            await case.log_in(link)
            await succeeds(await link.ask("session/new", {"cwd": tempfile.gettempdir(), "mcpServers": []}))
