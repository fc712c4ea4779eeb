"""What the protocol tolerates passes, over the wire, and means what the protocol says: mostly nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent_server.agent.connection_handlers import AgentConnection
from agent_server.transport.memory import memory_pair
from tests.promises.agent_process import AgentProcess, Frame, agent_process

from .puppets import forever, say
from .scripted_client import FILES, House, ScriptedClient, house, in_loop

JUNK: list[Any] = [None, True, 7, 1.5, "text", [], ["text"], {}, {"a": 7}]
"""A value of every JSON type."""

STDIO = {"name": "n", "command": "/c"}
TEXT = {"type": "text", "text": "hi"}
DATA = "iVBORw0KGgo="

BASES: dict[str, Frame] = {
    "session/new": {"cwd": "$CWD", "mcpServers": []},
    "session/load": {"sessionId": "$SESSION", "cwd": "$CWD", "mcpServers": []},
    "session/resume": {"sessionId": "$SESSION", "cwd": "$CWD"},
    "session/list": {},
    "session/close": {"sessionId": "$NEW"},
    "session/delete": {"sessionId": "$NEW"},
    "session/prompt": {"sessionId": "$SESSION", "prompt": [TEXT]},
    "session/set_mode": {"sessionId": "$SESSION", "modeId": "ask"},
    "session/set_config_option": {"sessionId": "$SESSION", "configId": "mode", "value": "ask"},
    "_agent_server/session/lookup": {"sessionId": "$SESSION"},
    "_agent_server/session/info": {"sessionId": "$SESSION"},
    "_agent_server/session/list_live": {},
    "_agent_server/session/stop": {"sessionId": "$NEW"},
    "_agent_server/session/status": {"sessionId": "$SESSION"},
    "_agent_server/session/snapshot": {"sessionId": "$SESSION"},
}
"""The least that each method takes; ``$NEW`` is a session that was made for the row."""

UNKNOWN_FIELDS = {"futureField": {"deep": [1, None, "x"]}, "": 1, "cwd_": None, "session_id": 5, "archived": 7}

Row = tuple[str, Any]


def _with(method: str, **fields: Any) -> Row:
    return method, {**BASES[method], **fields}


def _server(**fields: Any) -> Row:
    return _with("session/new", mcpServers=[{**STDIO, **fields}])


def _prompt(*blocks: Frame) -> Row:
    return _with("session/prompt", prompt=list(blocks))


def _annotated(**annotations: Any) -> Row:
    return _prompt({**TEXT, "annotations": annotations})


ROWS: list[Row] = [
    *((method, params) for method, params in BASES.items()),
    *(_with(method, **UNKNOWN_FIELDS) for method in BASES if "session_id" not in BASES[method]),
    *(_with(method, _meta=junk) for method in BASES for junk in JUNK if junk != {}),
    *((method, params) for method in ("session/list", "_agent_server/session/list_live") for params in (None, ...)),
    *(_with("session/list", **{name: None}) for name in ("cwd", "cursor", "_meta")),
    _with("session/list", cwd="/nowhere/at/all"),
    _with("session/new", mcpServers=None),
    _with("session/new", additionalDirectories=None),
    _with("session/new", systemPrompt=None),
    _with("session/new", additionalDirectories=["$CWD", "$CWD", "/"]),
    _with("session/load", mcpServers=None, additionalDirectories=None, systemPrompt=None),
    _with("session/resume", mcpServers=None, additionalDirectories=None, systemPrompt=None),
    _server(),
    _server(args=None, env=None),
    _server(args=[], env=[]),
    _server(type=None),
    _server(type="stdio"),
    _server(futureField=1, _meta=7),
    _server(env=[{"name": "", "value": "", "secret": True, "_meta": []}]),
    _with("session/new", mcpServers=[STDIO, STDIO]),
    *(_with("session/new", _meta={"agent_server": ours}) for ours in (None, {}, {"futureKey": 7, "config": {}})),
    _with("session/new", _meta={"agent_server": dict.fromkeys(("metadata", "llmConfig", "config", "model", "mode"))}),
    _with("session/new", _meta={"agent_server": {"config": {"maxTurnRequests": 1, "approvalTimeoutS": 0.5}}}),
    _with("session/new", _meta={"traceparent": 7, "tracestate": [], "baggage": {}}),
    *(_with("session/prompt", _meta={"traceparent": junk, "tracestate": junk}) for junk in JUNK),
    *(_prompt({**TEXT, "annotations": junk}) for junk in JUNK),
    *(_annotated(audience=junk) for junk in JUNK),
    *(_annotated(priority=junk) for junk in JUNK),
    *(_annotated(lastModified=junk) for junk in JUNK),
    _annotated(audience=["user", "robot", 7, None]),
    *(_prompt({**TEXT, "_meta": junk}) for junk in JUNK),
    _prompt({**TEXT, "futureField": 1, "data": 5}),
    *(_prompt({"type": "image", "data": DATA, "mimeType": "image/png", "uri": junk}) for junk in JUNK),
    _prompt({"type": "image", "data": "no base64 at all", "mimeType": "text/nonsense"}),
    _prompt({"type": "audio", "data": "", "mimeType": ""}),
    *(
        _prompt({"type": "resource_link", "uri": "file:///nowhere", "name": "n", field: junk})
        for field in ("title", "description", "mimeType", "size")
        for junk in JUNK
    ),
    _prompt({"type": "resource_link", "uri": "", "name": "", "size": -1}),
    *(_prompt({"type": "resource", "resource": {"uri": "u", "text": "t", "mimeType": junk}}) for junk in JUNK),
    _prompt({"type": "resource", "resource": {"uri": "u", "text": "t", "blob": 7}}),
    _prompt({"type": "resource", "resource": {"uri": "u", "blob": "????", "mimeType": None}}),
    _prompt({"type": "text", "text": ""}),
    _prompt({"type": "text", "text": "\0\u202e\ufffe\U0001f680"}),
    *(_with("session/set_config_option", type=junk) for junk in [*JUNK, "boolean", "id", "select", "future"]),
    ("_agent_server/session/lookup", {"sessionId": None, "instanceId": "$INSTANCE"}),
    ("_agent_server/session/lookup", {"sessionId": "$SESSION", "instanceId": None}),
    ("_agent_server/session/lookup", {"sessionId": "session-1"}),
    ("session/delete", {"sessionId": "nobody"}),
    ("session/delete", {"sessionId": ""}),
    ("session/delete", {"sessionId": "../../etc/passwd"}),
    ("session/delete", {"sessionId": "a\0b" * 1000}),
]


@dataclass
class Server:
    """A server with one session."""

    agent: AgentProcess
    cwd: str
    session_id: str
    instance_id: str

    def filled(self, value: Any) -> Any:
        """The value with the names of what is there put in."""
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if value == "$NEW":
            return self.agent.call("session/new", cwd=self.cwd, mcpServers=[])["sessionId"]
        names = {"$CWD": self.cwd, "$SESSION": self.session_id, "$INSTANCE": self.instance_id}
        return names.get(value, value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server")
    with agent_process(home) as agent:
        session_id = agent.new_session(home)
        looked_up = agent.call("_agent_server/session/lookup", sessionId=session_id)
        yield Server(agent, str(home), session_id, looked_up["instanceId"])


@pytest.mark.promise("P11")
@pytest.mark.req("JR-19")
@pytest.mark.parametrize(("method", "params"), ROWS)
def test_what_the_protocol_tolerates_passes(server: Server, method: str, params: Any) -> None:
    agent, sent = server.agent, {} if params is ... else {"params": server.filled(params)}
    agent.raw.clear()
    request_id = agent.next_id()
    agent.write({"id": request_id, "method": method, **sent})
    frame = agent.answer(request_id)
    assert "result" in frame, frame
    if method == "session/prompt":
        assert frame["result"]["stopReason"] == "end_turn"


def test_what_is_left_out_or_null_makes_the_same_session_as_what_is_empty(server: Server) -> None:
    kept = ("cwd", "additionalDirectories", "provider", "model", "mode", "config", "metadata", "llmConfig")
    found = []
    for fields in ({}, {"additionalDirectories": None}, {"mcpServers": None}, {"_meta": 7}, UNKNOWN_FIELDS):
        params = {"cwd": server.cwd, "mcpServers": [], **fields}
        session_id = server.agent.call("session/new", **params)["sessionId"]
        info = server.agent.call("_agent_server/session/info", sessionId=session_id)
        found.append({name: info.get(name) for name in kept})
    assert found == [found[0]] * 5


# initialize: every row is the first message of a connection of its own

CAPABILITIES = (
    "fs.readTextFile",
    "fs.writeTextFile",
    "terminal",
    "session.notices",
    "session.compaction",
    "session.configOptions.boolean",
    "auth.terminal",
    "elicitation.form",
    "elicitation.url",
)


async def offered(made: House, **params: Any) -> tuple[set[str], Any]:
    """What a client that introduces itself so is taken to offer, and what it is told."""
    client, agent = joined(made)
    result = await client.call("initialize", protocolVersion=1, **params)
    return {path for path in CAPABILITIES if agent.connection.offers(path)}, result


def joined(made: House) -> tuple[ScriptedClient, AgentConnection]:
    near, far = memory_pair()
    agent = AgentConnection(far, lambda: made.service)
    made.agents.append(asyncio.ensure_future(agent.run(drain_s=0.05)))
    made.clients.append(client := ScriptedClient(near))
    return client, agent


def nested(path: str, value: Any) -> Frame:
    *heads, last = path.split(".")
    frame = {last: value}
    for head in reversed(heads):
        frame = {head: frame}
    return frame


@pytest.mark.promise("P11", "P10")
@pytest.mark.parametrize("path", [*CAPABILITIES, "fs", "session", "session.configOptions", "auth", "elicitation"])
@in_loop
async def test_a_malformed_capability_is_not_offered_and_costs_the_others_nothing(path: str) -> None:
    flags = ("fs.readTextFile", "fs.writeTextFile", "terminal", "auth.terminal")
    async with house(forever(say("hi"))) as made:
        _, usual = await offered(made)
        for junk in JUNK:
            right = path in flags and junk is True
            right |= path in CAPABILITIES and path not in flags and type(junk) is dict
            other = "terminal" if path != "terminal" else "auth.terminal"
            capabilities = {**nested(other, True), **nested(path, junk)}
            found, result = await offered(made, clientCapabilities=capabilities)
            assert found == ({path, other} if right else {other}), junk
            assert result == usual


@pytest.mark.promise("P11")
@in_loop
async def test_nothing_that_a_client_says_of_itself_can_fail_its_initialize() -> None:
    odd: list[Frame] = [{"clientCapabilities": junk} for junk in JUNK]
    odd += [{"clientInfo": junk} for junk in JUNK]
    odd += [{"clientInfo": {"name": "n", "version": "1", "title": junk}} for junk in JUNK]
    odd += [{"_meta": junk} for junk in JUNK]
    odd += [{"clientCapabilities": {"_meta": junk}} for junk in JUNK]
    odd += [{"clientCapabilities": {"nes": {}, "future": {"deep": [1]}, "plan": 7}}]
    odd += [{"info": {"name": "n", "version": "1"}, "capabilities": {"session": {}}}]
    async with house(forever(say("hi"))) as made:
        _, usual = await offered(made)
        for params in odd:
            found, result = await offered(made, **params)
            assert (found, result) == (set(), usual), params


@pytest.mark.parametrize("version", [0, 1, 2, 65535, 65536, 2**63 - 1])
@in_loop
async def test_whatever_version_is_asked_for_the_answer_is_1(version: int) -> None:
    async with house(forever(say("hi"))) as made:
        client = made.join()
        result = await client.call("initialize", protocolVersion=version, clientCapabilities=FILES)
        assert result["protocolVersion"] == 1


def test_a_set_mode_reaches_the_session_despite_what_stands_around_it(server: Server, tmp_path: Path) -> None:
    session_id = server.agent.call("session/new", cwd=str(tmp_path), mcpServers=[])["sessionId"]
    params = {**UNKNOWN_FIELDS, "sessionId": session_id, "configId": "mode", "value": "plan", "type": "boolean"}
    (mode, _model) = server.agent.call("session/set_config_option", **params, _meta="junk")["configOptions"]
    assert mode["currentValue"] == "plan"
