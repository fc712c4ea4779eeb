"""What does not fit is refused with one exact sentence, repeats nothing, and costs nobody anything.

All rows go over the wire to one process: each must find the connection and the session as the row before left them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_server.protocol.extensions import EXTENSION_AGENT_METHODS
from agent_server.protocol.v1.methods import AGENT_METHODS
from tests.promises.agent_process import AgentProcess, Frame, agent_process

from .bad_input_rows import LINES, MARK, MESSAGES, NOT_FOUND, NOTIFICATIONS, ROWS, SECRETS, Row

pytestmark = pytest.mark.req("JR-14", "JR-19")


@dataclass
class Server:
    """A server with two sessions, and what it writes."""

    agent: AgentProcess
    places: dict[str, str]
    log: Path
    trace: Path

    def fill(self, text: str) -> str:
        for name, value in self.places.items():
            text = text.replace(name, value)
        return text

    def ask(self, method: str, params: str | None) -> Frame:
        """Send a request, its params as JSON text; the answer, which must be the only frame that comes."""
        agent = self.agent
        agent.raw.clear()
        request_id = agent.next_id()
        tail = "" if params is None else f',"params":{self.fill(params)}'
        agent.send_line(f'{{"jsonrpc":"2.0","id":{request_id},"method":"{method}"{tail}}}'.encode())
        agent.answer(request_id)
        (frame,) = agent.frames()
        return frame

    def is_as_before(self) -> None:
        """Nothing was changed, said or written down by what came before."""
        status = self.ask("_agent_server/session/status", '{"sessionId":"$SESSION"}')["result"]
        assert status == {"status": "idle", "activity": "idle", "mode": "ask", "turnActive": False}
        assert MARK.encode() not in self.log.read_bytes()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server")
    log, trace = home / "log", home / "trace"
    here, there = home / "here", home / "there"
    here.mkdir()
    there.mkdir()
    options = ("--log-file", str(log), "--log-level", "debug", "--trace-file", str(trace))
    with agent_process(home, *options) as agent:
        session_id = agent.new_session(here)
        other_id = agent.call("session/new", cwd=str(there), mcpServers=[])["sessionId"]
        yield Server(agent, {"$SESSION": session_id, "$OTHER": other_id, "$CWD": str(here)}, log, trace)


def name_of(row: Row) -> str:
    return f"{row.method}: {row.details[:60]}"


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_what_does_not_fit_is_refused_in_one_exact_sentence_that_repeats_nothing(server: Server, row: Row) -> None:
    error = server.ask(row.method, row.params)["error"]
    assert error["code"] == row.code
    assert error["message"] == MESSAGES[row.code]
    assert error["data"]["details"] == row.details
    assert set(error["data"]) == {"details"} or row.code == NOT_FOUND
    assert MARK.encode() not in server.agent.raw
    server.is_as_before()


def test_the_table_covers_every_method_that_an_agent_answers() -> None:
    answered = {method.name for table in (AGENT_METHODS, EXTENSION_AGENT_METHODS) for method in table}
    covered = {row.method for row in ROWS} | {method for method, _ in NOTIFICATIONS}
    assert answered <= covered
    assert len({(row.method, row.params) for row in ROWS}) >= 120


@pytest.mark.req("JR-15")
@pytest.mark.parametrize(("method", "params"), NOTIFICATIONS)
def test_a_notification_that_does_not_fit_changes_nothing_and_is_not_answered(
    server: Server, method: str, params: str | None
) -> None:
    tail = "" if params is None else f',"params":{server.fill(params)}'
    server.agent.send_line(f'{{"jsonrpc":"2.0","method":"{method}"{tail}}}'.encode())
    server.is_as_before()


@pytest.mark.parametrize(("line", "code", "answered_id"), LINES)
def test_a_line_that_is_no_message_is_answered_once_and_the_next_one_is_read(
    server: Server, line: str, code: int, answered_id: str | None
) -> None:
    agent, request_id = server.agent, server.agent.next_id()
    agent.raw.clear()
    agent.send_line(line.replace("$ID", str(request_id)).encode())
    agent.read_until(lambda: agent.raw.endswith(b"\n"))
    (frame,) = agent.frames()
    assert frame["id"] == (None if answered_id is None else request_id)
    assert (frame["error"]["code"], frame["error"]["message"]) == (code, MESSAGES[code])
    assert frame["error"]["data"]["details"]
    assert MARK.encode() not in agent.raw
    server.is_as_before()


@pytest.mark.parametrize("server_fields", SECRETS, ids=json.dumps)
def test_a_secret_in_the_wrong_shape_is_in_no_trace(server: Server, server_fields: Frame) -> None:
    mcp_server = {"type": "http", "name": "n", "url": "u", **server_fields}
    before = server.trace.stat().st_size
    params = json.dumps({"cwd": "$CWD", "mcpServers": [mcp_server]})
    assert server.ask("session/new", params)["error"]["code"] == -32602
    traced = server.trace.read_bytes()[before:]
    assert b'"session/new"' in traced
    assert MARK.encode() not in traced
