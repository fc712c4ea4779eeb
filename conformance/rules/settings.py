"""Modes, options and commands, wherever the agent tells them."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.registry import KEPT, Seen, rule
from conformance.settings_told import Option, modes_of, options_told, session_told_of, values_of
from conformance.transcript import Transcript
from conformance.turns import rows_of


@rule("mode.current-is-available")
def current_mode(transcript: Transcript) -> Iterator[Seen]:
    listed: dict[object, list[str]] = {}
    for entry in transcript.sent_by("agent"):
        if entry.asked is not None:
            current, available = modes_of(entry.result)
            if current is None:
                continue
            listed[session_told_of(entry)] = available
        elif entry.update_kind == "current_mode_update" and entry.session_id in listed:
            current, available = str(entry.update.get("currentModeId")), listed[entry.session_id]
        else:
            continue
        yield KEPT if current in available else Seen(f"{current!r} is not available", entry)


@rule("option.unique-ids")
def option_ids(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        options = options_told(entry)
        if options:
            ids = [option["id"] for option in options]
            yield KEPT if len(ids) == len(set(ids)) else Seen("two options have the same id", entry)


@rule("option.default")
def option_values(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        for option in options_told(entry) or ():
            if option["type"] in ("select", "boolean"):
                value = option.get("currentValue")
                yield KEPT if _is_listed(option) else Seen(f"{option['id']} has the value {value!r}", entry)


@rule("command.names")
def command_names(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.updates("available_commands_update"):
        names = [str(command.get("name")) for command in rows_of(entry.update.get("availableCommands"))]
        wrong = [name for name in names if not name or name.startswith("/") or any(map(str.isspace, name))]
        twice = sorted({name for name in names if names.count(name) > 1})
        if wrong:
            yield Seen(f"no name of a command: {', '.join(map(repr, wrong))}", entry)
        elif twice:
            yield Seen(f"listed twice: {', '.join(map(repr, twice))}", entry)
        elif names:
            yield KEPT


def _is_listed(option: Option) -> bool:
    value = option.get("currentValue")
    return isinstance(value, bool) if option["type"] == "boolean" else value in values_of(option)
