"""Ways to log in, and out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.case import Case, answered, initialize_params, succeeds
from conformance.registry import check
from conformance.verdicts import Failure, NotApplicable, NotExercised

UNKNOWN_LOGIN = "conformance-no-such-login"


@check("auth.terminal-only-when-offered")
async def lists_terminals_only_to_those_who_have_one(case: Case) -> None:
    without = {key: value for key, value in case.everything.items() if key != "auth"}
    async with case.started(capabilities=without) as link:
        if _in_terminal(await link.request("initialize", initialize_params(without))):
            raise Failure("a login in a terminal is listed for a client that offers no terminal")
    if not _in_terminal(case.profile):
        raise NotApplicable("the agent lists no login in a terminal")


@check("auth.unique-ids")
async def lists_each_login_once(case: Case) -> None:
    ids = [method.get("id") for method in _logins(case.profile)]
    if len(set(map(repr, ids))) != len(ids):
        raise Failure(f"the logins have the ids {ids}")


@check("auth.unknown-method")
async def refuses_unknown_logins(case: Case) -> None:
    async with case.started() as link:
        await link.request("initialize", initialize_params(case.everything))
        answer = await answered(await link.ask("authenticate", {"methodId": UNKNOWN_LOGIN}))
        if not isinstance(answer.message.get("error"), dict):
            raise Failure("authenticate succeeded with an id that no login has")


@check("auth.logout")
async def logs_out(case: Case) -> None:
    if case.options.login is None and "session" in case.profile and _logins(case.profile):
        raise NotExercised("it would end a login that this run did not make; --login names one that it may end")
    async with case.agent() as link:
        await succeeds(await link.ask("logout", {}))


def _logins(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    methods = answer.get("authMethods")
    return [method for method in methods if isinstance(method, dict)] if isinstance(methods, list) else []


def _in_terminal(answer: Mapping[str, Any]) -> bool:
    return any(method.get("type") == "terminal" for method in _logins(answer))
