"""What does not fit is refused with one exact sentence, repeats nothing, and costs nobody anything.

All rows go over the wire to one process: each must find the connection and the session as the row before left them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.promises.agent_process import AgentProcess, Frame, agent_process

from .bad_input_rows import ALL_METHODS, MARK, MESSAGES, NOT_FOUND, ROWS, Row

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

    def written(self) -> bytes:
        """What it logged since the last look, and what of its trace it sent."""
        return self.log.read_bytes()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server")
    log, trace = home / "log", home / "trace"
    here, there = home / "here", home / "there"
    here.mkdir()
    there.mkdir()
    options = ("--log-file", str(log), "--log-level", "debug", "--trace-file", str(trace), "--log-stderr")
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
    assert MARK.encode() not in server.log.read_bytes()
    status = server.ask("_agent_server/session/status", '{"sessionId":"$SESSION"}')["result"]
    assert status == {"status": "idle", "activity": "idle", "mode": "ask", "turnActive": False}
