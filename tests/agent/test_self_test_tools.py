"""The tools for people who test editors, over the wire."""

from __future__ import annotations

import pytest

from agent_server.cli.compose import make_provider, make_service
from agent_server.config.settings import Settings
from agent_server.providers.provider import SimpleProvider
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore

SELF_TESTS = {"self_test", "self_test_terminal"}


def tools_of(provider: object) -> dict[str, bool]:
    service = make_service(Settings(), SessionSupervisor(MemoryStore()), provider)  # type: ignore[arg-type]
    return {spec.name: spec.changes for spec in service.tools.specs}


def test_a_provider_of_somebody_else_gets_no_self_tests() -> None:
    assert not SELF_TESTS & set(tools_of(SimpleProvider()))


@pytest.mark.req("AP-03")
def test_the_one_that_runs_commands_is_a_tool_that_changes_things() -> None:
    tools = tools_of(make_provider(Settings()))
    assert set(tools) >= SELF_TESTS
    assert (tools["self_test"], tools["self_test_terminal"]) == (False, True)
