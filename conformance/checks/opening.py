"""The opening of a connection: versions, capabilities, and what comes before."""

from __future__ import annotations

from conformance.case import (
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION,
    Case,
    answered,
    expect_error,
    initialize_params,
    succeeds,
)
from conformance.gates import is_open
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
        if not PROTOCOL_VERSION <= int(answer.get("protocolVersion", 0)) < FUTURE_VERSION:
            raise Failure(f"asked for version {FUTURE_VERSION}, it answered {answer.get('protocolVersion')!r}")


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
    async with case.started(capabilities={}) as link:
        await succeeds(await link.ask("initialize", {"protocolVersion": PROTOCOL_VERSION}))
        async with case.new_session(link) as session:
            await succeeds(await session.start(case.text("plain")))


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
        await answered(await link.ask("session/new", {"cwd": "/", "mcpServers": []}))
        await succeeds(await link.ask("initialize", initialize_params(case.everything)))
