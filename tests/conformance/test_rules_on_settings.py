"""The rules on modes, options and commands, on hand-made conversations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.talk import SESSION, Talk, verdict

MODES = {"currentModeId": "ask", "availableModes": [{"id": "ask", "name": "Ask"}, {"id": "plan", "name": "Plan"}]}
FLAT = [{"value": "a", "name": "A"}, {"value": "b", "name": "B"}]
GROUPED = [{"group": "g", "name": "G", "options": FLAT}]


def select(current: object = "a", options: object = FLAT, **more: Any) -> dict[str, Any]:
    return {"id": "model", "name": "Model", "type": "select", "currentValue": current, "options": options, **more}


def told_everywhere(*options: dict[str, Any]) -> list[Talk]:
    """Talks that tell these options: one for each place where options are told."""
    rows = list(options)
    set_one = Talk().ask("session/set_config_option", "s", sessionId=SESSION, configId="model", value="a")
    return [
        Talk().made(configOptions=rows),
        Talk().ask("session/load", "l", sessionId=SESSION).answer("l", configOptions=rows),
        Talk().ask("session/resume", "r", sessionId=SESSION).answer("r", configOptions=rows),
        set_one.answer("s", configOptions=rows),
        Talk().update("config_option_update", configOptions=rows),
    ]


def test_the_current_mode_is_listed() -> None:
    assert verdict("mode.current-is-available", Talk().made(modes=MODES)) == "kept"
    changed = Talk().made(modes=MODES).update("current_mode_update", currentModeId="plan")
    assert verdict("mode.current-is-available", changed) == "kept"


def test_a_current_mode_that_is_not_listed_is_wrong() -> None:
    assert verdict("mode.current-is-available", Talk().made(modes={**MODES, "currentModeId": "yolo"})) == "broken"
    changed = Talk().made(modes=MODES).update("current_mode_update", currentModeId="yolo")
    assert verdict("mode.current-is-available", changed) == "broken"


def test_an_agent_without_modes_is_not_judged_by_them() -> None:
    assert verdict("mode.current-is-available", Talk().made(modes=None)) == "silent"


def test_the_ids_of_options_differ_wherever_they_are_told() -> None:
    good, bad = (select(), {**select(), "id": "mode"}), (select(), select())
    assert {verdict("option.unique-ids", talk) for talk in told_everywhere(*good)} == {"kept"}
    assert {verdict("option.unique-ids", talk) for talk in told_everywhere(*bad)} == {"broken"}


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (select(), "kept"),
        (select("b", GROUPED), "kept"),
        (select("c"), "broken"),
        (select("g", GROUPED), "broken"),
        (select(None), "broken"),
        ({"id": "fast", "name": "Fast", "type": "boolean", "currentValue": False}, "kept"),
        ({"id": "fast", "name": "Fast", "type": "boolean", "currentValue": "no"}, "broken"),
        ({"id": "size", "name": "Size", "type": "slider", "currentValue": 7}, "silent"),
    ],
)
def test_the_value_of_an_option_is_one_of_those_listed(option: dict[str, Any], expected: str) -> None:
    assert {verdict("option.default", talk) for talk in told_everywhere(option)} == {expected}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["help", "web-search", "größe"], "kept"),
        ([], "silent"),
        (["/help"], "broken"),
        (["two words"], "broken"),
        ([""], "broken"),
        (["help", "ls", "help"], "broken"),
    ],
)
def test_commands_are_listed_by_their_bare_names(names: list[str], expected: str) -> None:
    commands = [{"name": name, "description": "x"} for name in names]
    assert verdict("command.names", Talk().update("available_commands_update", availableCommands=commands)) == expected
