"""The modes and options that an agent has told: in the answers that make or bring back a session, and in updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.transcript import Entry

Option = Mapping[str, Any]
TELLING = ("session/new", "session/load", "session/resume", "session/fork", "session/set_config_option")


def options_of(result: Mapping[str, Any]) -> list[Option] | None:
    """The well-formed options under ``configOptions``; None if there is no list of them."""
    options = result.get("configOptions")
    return [option for option in options if _is_option(option)] if isinstance(options, list) else None


def options_told(entry: Entry) -> list[Option] | None:
    """The list of options that this line of the agent tells, if it tells one."""
    if entry.sender != "agent":
        return None
    if entry.update_kind == "config_option_update":
        return options_of(entry.update)
    return options_of(entry.result) if entry.asked is not None and entry.asked.method in TELLING else None


def session_told_of(entry: Entry) -> str | None:
    """The session that a line of the agent is about: an update, or the answer to a request about a session."""
    if entry.asked is None:
        return entry.session_id
    made = entry.result.get("sessionId")
    return made if isinstance(made, str) else entry.asked.session_id


def values_of(option: Option) -> list[object]:
    """The values that a client may set: those that a select lists, both of a boolean, none of an unknown type."""
    if option.get("type") == "boolean":
        return [True, False]
    return list(_listed(option.get("options"))) if option.get("type") == "select" else []


def modes_of(result: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """The current mode, and the available ones."""
    modes = result.get("modes")
    modes = modes if isinstance(modes, dict) else {}
    listed = modes.get("availableModes")
    available = [mode["id"] for mode in listed if _has_id(mode)] if isinstance(listed, list) else []
    current = modes.get("currentModeId")
    return current if isinstance(current, str) else None, available


def _listed(choices: object) -> Iterator[object]:
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and isinstance(choice.get("options"), list):
            yield from _listed(choice["options"])
        elif isinstance(choice, dict) and isinstance(choice.get("value"), str):
            yield choice["value"]


def _is_option(option: object) -> bool:
    return _has_id(option) and isinstance(option, dict) and isinstance(option.get("type"), str)


def _has_id(thing: object) -> bool:
    return isinstance(thing, dict) and isinstance(thing.get("id"), str)
