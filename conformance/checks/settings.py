"""Modes and options that the client sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.agent_link import Asked
from conformance.case import INVALID_PARAMS, Case, Session, expect_error, succeeds
from conformance.registry import check
from conformance.settings_told import Option, modes_of, options_of, values_of
from conformance.verdicts import Failure, NotApplicable, NotExercised

NOTHING_SUCH = "conformance-nothing-such"
MOST_VALUES = 20


@check("mode.set")
async def every_mode(case: Case) -> None:
    async with case.session() as session:
        _, available = modes_of(session.made)
        for mode in available:
            await succeeds(await _set_mode(session, mode))


@check("mode.unknown")
async def unknown_mode(case: Case) -> None:
    async with case.session() as session:
        await expect_error(await _set_mode(session, NOTHING_SUCH))


@check("option.set-answers-all")
async def all_options(case: Case) -> None:
    async with case.session() as session:
        before = _options(session)
        option = before[0]
        asked = await _set_option(session, option, option.get("currentValue"))
        after = options_of(await asked.result())
        if after is None:
            raise Failure("the answer has no list of options")
        missing = {row["id"] for row in before} - {row["id"] for row in after}
        if missing:
            raise Failure(f"the answer lacks {', '.join(sorted(missing))}")


@check("option.set-takes-effect")
async def every_value(case: Case) -> None:
    shown = False
    async with case.session() as session:
        current: Sequence[Option] = _options(session)
        for option_id in [option["id"] for option in current]:
            for value in _values_now(current, option_id)[:MOST_VALUES]:
                option = _find(current, option_id)
                if option is None or value not in values_of(option):
                    continue  # another option has taken it away
                told = options_of(await succeeds(await _set_option(session, option, value)))
                after = _find(told or (), option_id)
                if after is None:
                    continue  # that all are answered is another requirement
                shown, current = True, told or current
                if after.get("currentValue") != value:
                    raise Failure(f"{option_id} was set to {value!r} and is {after.get('currentValue')!r}")
    if not shown:
        raise NotExercised("no answer shows the option that was set")


@check("option.unknown-id")
async def unknown_option(case: Case) -> None:
    async with case.session() as session:
        params = {"sessionId": session.id, "configId": NOTHING_SUCH, "value": NOTHING_SUCH}
        await expect_error(await session.link.ask("session/set_config_option", params), INVALID_PARAMS)


@check("option.unknown-value")
async def unknown_value(case: Case) -> None:
    async with case.session() as session:
        selects = [option for option in _options(session) if option["type"] == "select"]
        if not selects:
            raise NotApplicable("the agent has no option with listed values")
        await expect_error(await _set_option(session, selects[0], NOTHING_SUCH), INVALID_PARAMS)


@check("option.boolean-only-when-offered")
async def booleans_only_when_offered(case: Case) -> None:
    async with case.session() as session:
        if not _booleans(session):
            raise NotApplicable("the agent has no options that are on or off")
    offered = {key: value for key, value in case.everything["session"].items() if key != "configOptions"}
    async with case.session(capabilities={**case.everything, "session": offered}) as session:
        if _booleans(session):
            raise Failure(f"sent to a client that does not offer to show it: {', '.join(_booleans(session))}")


@check("option.mode-in-step")
async def mode_in_step(case: Case) -> None:
    async with case.session() as session:
        option = next((row for row in options_of(session.made) or () if row.get("category") == "mode"), None)
        mode, available = modes_of(session.made)
        both = [value for value in available if option is not None and value in values_of(option)]
        if option is None or not both:
            raise NotApplicable("the agent has no option that stands for its modes")
        if option.get("currentValue") != mode:
            raise Failure(f"at the start the mode is {mode!r}, the option {option.get('currentValue')!r}")
        for value in [value for value in both if value != mode][:1]:
            await _follows_the_mode(case, session, option, value)
            await _is_followed_by_the_mode(case, session, option, str(mode) if mode in both else value)


async def _follows_the_mode(case: Case, session: Session, option: Option, value: str) -> None:
    since = len(session.link.transcript.entries)
    await (await _set_mode(session, value)).result()
    await session.link.quiet(case.options.quiet_s)
    told = _last(session, since, "config_option_update")
    now = _find(options_of(told) or (), option["id"]) if told is not None else None
    if now is None:
        now = await _read_back(session, option["id"])
    if now is not None and now.get("currentValue") != value:
        raise Failure(f"the mode was set to {value!r}, and the option says {now.get('currentValue')!r}")


async def _is_followed_by_the_mode(case: Case, session: Session, option: Option, value: str) -> None:
    since = len(session.link.transcript.entries)
    await (await _set_option(session, option, value)).result()
    await session.link.quiet(case.options.quiet_s)
    told = _last(session, since, "current_mode_update")
    if told is not None and told.get("currentModeId") != value:
        raise Failure(f"the option was set to {value!r}, and the mode is told as {told.get('currentModeId')!r}")


async def _read_back(session: Session, option_id: str) -> Option | None:
    """The option as another one's answer tells it, if there is another that can be left as it is."""
    for other in _options(session):
        if other["id"] != option_id and other.get("currentValue") in values_of(other):
            asked = await _set_option(session, other, other["currentValue"])
            return _find(options_of(await asked.result()) or (), option_id)
    return None


async def _set_mode(session: Session, mode: str) -> Asked:
    return await session.link.ask("session/set_mode", {"sessionId": session.id, "modeId": mode})


async def _set_option(session: Session, option: Option, value: object) -> Asked:
    params: dict[str, object] = {"sessionId": session.id, "configId": option["id"], "value": value}
    if option["type"] == "boolean":
        params["type"] = "boolean"
    return await session.link.ask("session/set_config_option", params)


def _options(session: Session) -> list[Option]:
    options = options_of(session.made)
    if not options:
        raise NotExercised("the session was made without options")
    return options


def _booleans(session: Session) -> list[str]:
    return [option["id"] for option in options_of(session.made) or () if option["type"] == "boolean"]


def _values_now(options: Sequence[Option], option_id: str) -> list[object]:
    option = _find(options, option_id)
    return [] if option is None else values_of(option)


def _find(options: Sequence[Option], option_id: str) -> Option | None:
    return next((option for option in options if option["id"] == option_id), None)


def _last(session: Session, since: int, kind: str) -> Mapping[str, Any] | None:
    told = [
        entry.update
        for entry in session.link.transcript.entries[since:]
        if entry.sender == "agent" and entry.session_id == session.id and entry.update_kind == kind
    ]
    return told[-1] if told else None
