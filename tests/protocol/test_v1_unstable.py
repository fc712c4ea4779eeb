"""What ACP is trying out: its tables, its gates, and that it changes nothing for those who do not want it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from agent_server.protocol.capabilities import offers
from agent_server.protocol.method import Method, NotificationMethod, RequestMethod, Scope, Side
from agent_server.protocol.model import CLEARED
from agent_server.protocol.v1 import methods as stable
from agent_server.protocol.v1.session import McpServerAcp, McpServerStdio
from agent_server.protocol.v1.unstable import methods
from agent_server.protocol.v1.unstable.mcp import McpFailure, McpResult
from agent_server.protocol.v1.unstable.plans import PlanContentUpdate
from agent_server.protocol.v1.unstable.subagents import IdleState, OtherState, SubagentUpdate
from agent_server.protocol.v1.updates import UnknownUpdate

FACTS: list[tuple[Method, str, Side, Scope, str | None]] = [
    (methods.SESSION_FORK, "session/fork", Side.AGENT, Scope.NAMED, "sessionCapabilities.fork"),
    (methods.SESSION_ARCHIVE, "session/archive", Side.AGENT, Scope.NAMED, "sessionCapabilities.archive"),
    (methods.SESSION_UNARCHIVE, "session/unarchive", Side.AGENT, Scope.NAMED, "sessionCapabilities.archive"),
    (methods.SESSION_LIST_BY_ARCHIVE, "session/list", Side.AGENT, Scope.CONNECTION, "sessionCapabilities.list"),
    (methods.SESSION_STATUS, "session/status", Side.AGENT, Scope.NAMED, "sessionCapabilities.status"),
    (methods.SESSION_SET_TITLE, "session/set_title", Side.AGENT, Scope.NAMED, "sessionCapabilities.title"),
    (methods.AUTH_STATUS, "auth/status", Side.AGENT, Scope.CONNECTION, "auth.status"),
    (methods.PROVIDERS_LIST, "providers/list", Side.AGENT, Scope.CONNECTION, "providers"),
    (methods.PROVIDERS_SET, "providers/set", Side.AGENT, Scope.CONNECTION, "providers"),
    (methods.PROVIDERS_DISABLE, "providers/disable", Side.AGENT, Scope.CONNECTION, "providers"),
    (methods.MCP_MESSAGE_NOTIFICATION, "mcp/message", Side.AGENT, Scope.CONNECTION, "mcpCapabilities.acp"),
    (methods.MCP_MESSAGE, "mcp/message", Side.CLIENT, Scope.CONNECTION, None),
    (methods.AUTH_STATUS_UPDATE, "auth/status_update", Side.CLIENT, Scope.CONNECTION, None),
    (methods.PROXY_INITIALIZE, "proxy/initialize", Side.PROXY, Scope.CONNECTION, None),
    (methods.PROXY_SUCCESSOR, "proxy/successor", Side.PROXY, Scope.CONNECTION, None),
    (methods.PROXY_SUCCESSOR_NOTIFICATION, "proxy/successor", Side.PROXY, Scope.CONNECTION, None),
]


@pytest.mark.parametrize(("method", "name", "side", "scope", "capability"), FACTS, ids=[str(row[0]) for row in FACTS])
def test_an_unstable_constant_states_who_answers_and_what_it_takes(
    method: Method, name: str, side: Side, scope: Scope, capability: str | None
) -> None:
    assert (method.name, method.side, method.scope, method.capability) == (name, side, scope, capability)


def test_the_unstable_tables_hold_every_constant_on_its_side() -> None:
    constants = {value for value in vars(methods).values() if isinstance(value, RequestMethod | NotificationMethod)}
    unstable = constants - {stable.SESSION_LIST}
    assert unstable == {row[0] for row in FACTS}
    assert set(methods.UNSTABLE_AGENT_METHODS) == {method for method in unstable if method.side is Side.AGENT}
    assert set(methods.UNSTABLE_CLIENT_METHODS) == {method for method in unstable if method.side is Side.CLIENT}


def test_the_whole_tables_are_the_stable_ones_and_more_with_another_list() -> None:
    assert set(methods.ALL_CLIENT_METHODS) == {*stable.CLIENT_METHODS, *methods.UNSTABLE_CLIENT_METHODS}
    without_list = set(stable.AGENT_METHODS) - {stable.SESSION_LIST}
    assert set(methods.ALL_AGENT_METHODS) == without_list | set(methods.UNSTABLE_AGENT_METHODS)
    assert methods.ALL_AGENT_METHODS.get("session/list") is methods.SESSION_LIST_BY_ARCHIVE


def test_the_stable_tables_know_none_of_it() -> None:
    for method in (*methods.UNSTABLE_AGENT_METHODS, *methods.UNSTABLE_CLIENT_METHODS):
        if method.name != "session/list":
            assert stable.AGENT_METHODS.get(method.name) is None
            assert stable.CLIENT_METHODS.get(method.name) is None


def test_importing_the_stable_methods_loads_nothing_unstable() -> None:
    code = "import json, sys\nimport agent_server.protocol.v1.methods\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert not [name for name in json.loads(done.stdout) if "unstable" in name]


@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    ("update", "capability"),
    [
        ({"sessionUpdate": "plan_update", "plan": {"type": "file", "planId": "p", "uri": "u"}}, "plan"),
        ({"sessionUpdate": "plan_removed", "planId": "p"}, "plan"),
        ({"sessionUpdate": "subagent_update", "sessionId": "c"}, "subagents"),
        ({"sessionUpdate": "session_message", "messageId": "1"}, "subagents"),
        (
            {"sessionUpdate": "session_message_chunk", "messageId": "1", "content": {"type": "text", "text": "t"}},
            "subagents",
        ),
    ],
)
def test_an_unstable_update_is_only_for_clients_that_offer_it(update: dict[str, Any], capability: str) -> None:
    params = stable.SESSION_UPDATE.validate({"sessionId": "s", "update": update})
    assert not isinstance(params.update, UnknownUpdate)
    assert stable.SESSION_UPDATE.missing(params, lambda path: offers({}, path)) == capability
    assert stable.SESSION_UPDATE.missing(params, lambda path: offers({capability: {}}, path)) is None


@pytest.mark.promise("P10")
def test_a_filter_of_archived_sessions_needs_its_capability() -> None:
    offered: dict[str, Any] = {"sessionCapabilities": {"list": {}}}
    method = methods.SESSION_LIST_BY_ARCHIVE
    assert method.missing(method.validate({}), lambda path: offers(offered, path)) is None
    filtered = method.validate({"archived": "only"})
    assert method.missing(filtered, lambda path: offers(offered, path)) == "sessionCapabilities.archive"
    offered["sessionCapabilities"]["archive"] = {}
    assert method.missing(filtered, lambda path: offers(offered, path)) is None


@pytest.mark.promise("P10")
def test_an_mcp_server_inside_the_client_needs_its_capability() -> None:
    params = stable.SESSION_NEW.validate({"cwd": "/w", "mcpServers": [{"type": "acp", "name": "n", "serverId": "i"}]})
    assert isinstance(params.mcp_servers[0], McpServerAcp)
    refusing, offering = ({"mcpCapabilities": {"acp": offered}} for offered in (False, True))
    assert stable.SESSION_NEW.missing(params, lambda path: offers(refusing, path)) == "mcpCapabilities.acp"
    assert stable.SESSION_NEW.missing(params, lambda path: offers(offering, path)) is None


@pytest.mark.promise("P11")
@pytest.mark.parametrize("archived", [5, True, [], {}])
def test_only_the_unstable_list_looks_at_its_filter(archived: Any) -> None:
    assert stable.SESSION_LIST.validate({"archived": archived}).cwd is None
    with pytest.raises(ValidationError):
        methods.SESSION_LIST_BY_ARCHIVE.validate({"archived": archived})


@pytest.mark.promise("P11")
@pytest.mark.parametrize("junk", [None, 5, "x", True, [], [5], {"a": 7}, 1.5])
def test_no_value_of_an_unstable_field_fails_a_stable_message(junk: Any) -> None:
    client = {**dict.fromkeys(("plan", "subagents"), junk)}
    stable.INITIALIZE.validate({"protocolVersion": 1, "clientCapabilities": client})
    agent = {
        "providers": junk,
        "mcpCapabilities": {"acp": junk},
        "auth": {"status": junk},
        "sessionCapabilities": dict.fromkeys(("fork", "archive", "status", "title"), junk),
    }
    stable.INITIALIZE.validate_result({"protocolVersion": 1, "agentCapabilities": agent})
    stable.SESSION_PROMPT.validate_result({"stopReason": "end_turn", "usage": junk})
    listed = stable.SESSION_LIST.validate_result({"sessions": [{"sessionId": "s", "cwd": "/", "archived": junk}]})
    assert len(listed.sessions) == 1


def test_what_is_stable_is_sent_without_a_trace_of_the_unstable() -> None:
    capabilities = stable.INITIALIZE.validate_result({"protocolVersion": 1}).to_wire()["agentCapabilities"]
    assert capabilities["mcpCapabilities"] == {"http": False, "sse": False}
    assert "providers" not in capabilities
    assert stable.SESSION_PROMPT.validate_result({"stopReason": "end_turn"}).to_wire() == {"stopReason": "end_turn"}


@pytest.mark.parametrize("server", [{"command": "/c"}, {"command": "/c", "type": "acp"}])
def test_a_server_with_a_command_and_no_server_id_stays_one_with_a_command(server: dict[str, Any]) -> None:
    params = stable.SESSION_NEW.validate({"cwd": "/w", "mcpServers": [{"name": "n", **server}]})
    assert isinstance(params.mcp_servers[0], McpServerStdio)


def test_a_child_can_lose_its_directory_but_not_have_a_malformed_one() -> None:
    def child(**fields: Any) -> Any:
        params = {"sessionId": "s", "update": {"sessionUpdate": "subagent_update", "sessionId": "c", **fields}}
        return stable.SESSION_UPDATE.validate(params).update

    untouched, cleared = child(), child(cwd=None, additionalDirectories=None)
    assert isinstance(untouched, SubagentUpdate)
    assert (untouched.cwd, untouched.additional_directories) == (None, None)
    assert (cleared.cwd, cleared.additional_directories) == (CLEARED, CLEARED)
    assert child(additionalDirectories=[]).additional_directories == []
    for malformed in ({"cwd": 5}, {"additionalDirectories": "x"}, {"additionalDirectories": [5]}):
        with pytest.raises(ValidationError):
            child(**malformed)


@pytest.mark.parametrize(
    ("state", "kind", "stop_reason"),
    [
        ({"state": "idle", "stopReason": "error", "error": {"code": 1, "message": "m"}}, IdleState, "error"),
        ({"state": "idle", "stopReason": None, "error": 5}, IdleState, None),
        ({"state": "idle", "stopReason": "_ours", "usage": []}, IdleState, "_ours"),
        ({"state": "napping", "stopReason": "x"}, OtherState, None),
    ],
)
def test_the_state_of_a_child_is_read_whatever_it_says(
    state: dict[str, Any], kind: type, stop_reason: str | None
) -> None:
    update = {"sessionUpdate": "subagent_update", "sessionId": "c", "state": state}
    read = stable.SESSION_UPDATE.validate({"sessionId": "s", "update": update}).update.state  # type: ignore[union-attr]
    assert type(read) is kind
    if isinstance(read, IdleState):
        assert read.stop_reason == stop_reason


@pytest.mark.spec("N-87")
def test_an_inner_result_wins_over_an_inner_error() -> None:
    read = methods.MCP_MESSAGE.validate_result({"result": None, "error": {"code": 1, "message": "m"}})
    assert isinstance(read, McpResult)
    assert isinstance(methods.MCP_MESSAGE.validate_result({"error": {"code": 1, "message": "m"}}), McpFailure)
    for malformed in ({}, {"error": None}, {"error": {"code": "1", "message": "m"}}):
        with pytest.raises(ValidationError):
            methods.MCP_MESSAGE.validate_result(malformed)


def test_the_result_of_a_wrapped_request_may_be_null() -> None:
    assert methods.PROXY_SUCCESSOR.validate_result(None) is None
    assert methods.PROXY_SUCCESSOR.validate_result([1]) == [1]


def test_plans_are_read_by_their_kind() -> None:
    update = {"sessionUpdate": "plan_update", "plan": {"type": "items", "planId": "p", "entries": [5]}}
    read = stable.SESSION_UPDATE.validate({"sessionId": "s", "update": update}).update
    assert isinstance(read, PlanContentUpdate)
    assert read.plan.to_wire() == {"type": "items", "planId": "p", "entries": []}


@pytest.mark.promise("P13")
def test_no_secret_shows_in_a_representation() -> None:
    provider = methods.PROVIDERS_SET.validate(
        {"providerId": "p", "apiType": "openai", "baseUrl": "u", "headers": {"authorization": "hunter2"}}
    )
    account = {"label": "hunter2", "email": "hunter2", "name": "hunter2", "organization": "hunter2"}
    state = methods.AUTH_STATUS.validate_result({"state": "authenticated", "accounts": [account]})
    assert "hunter2" not in repr(provider) + repr(state)
