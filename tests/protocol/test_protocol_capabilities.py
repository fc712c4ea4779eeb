"""Capabilities are read off the wire dict by a dotted path."""

from __future__ import annotations

from typing import Any

import pytest

from agent_server.protocol.capabilities import offers

WIRE: dict[str, Any] = {
    "fs": {"readTextFile": True, "writeTextFile": False},
    "terminal": True,
    "session": {"configOptions": {"boolean": {}}, "notices": None, "compaction": True},
    "auth": {"terminal": 1},
    "elicitation": {},
    "plan": [],
    "later": "yes",
}


@pytest.mark.promise("P10")
@pytest.mark.parametrize("path", ["fs.readTextFile", "terminal", "session.configOptions.boolean", "elicitation", "fs"])
def test_true_and_objects_are_offered(path: str) -> None:
    assert offers(WIRE, path) is True


@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    "path",
    [
        "fs.writeTextFile",
        "fs.delete",
        "session.notices",
        "auth.terminal",
        "elicitation.form",
        "plan",
        "later",
        "nothing",
        "nothing.inside",
        "terminal.create",
        "session.notices.more",
        "",
    ],
)
def test_everything_else_is_not(path: str) -> None:
    assert offers(WIRE, path) is False


@pytest.mark.promise("P10")
def test_no_capabilities_offer_nothing() -> None:
    assert offers({}, "fs.readTextFile") is False
