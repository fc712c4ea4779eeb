"""Sessions on real servers that share a store: ended, killed, beside each other."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.agent.puppets import say
from tests.promises.agent_process import AgentProcess, agent_process, scenario_file

STORE = Path("home") / ".local" / "state" / "agent-server"


def updates(agent: AgentProcess, kind: str) -> list[Any]:
    told = [frame["params"]["update"] for frame in agent.frames() if frame.get("method") == "session/update"]
    return [update for update in told if update["sessionUpdate"] == kind]


def text_of(chunks: list[Any]) -> list[tuple[str, str]]:
    return [(chunk["messageId"], chunk["content"]["text"]) for chunk in chunks]


def listed(agent: AgentProcess) -> list[str]:
    return [info["sessionId"] for info in agent.call("session/list")["sessions"]]


def welcome(agent: AgentProcess) -> None:
    agent.call("initialize", protocolVersion=1, clientCapabilities={"_meta": {"agent_server": {}}})


def load(agent: AgentProcess, session_id: str, cwd: Path) -> Any:
    return agent.call("session/load", sessionId=session_id, cwd=str(cwd), mcpServers=[])


@pytest.mark.promise("P9", "P12")
@pytest.mark.req("PE-01", "EV-01")
@pytest.mark.parametrize("end", ["killed", "ended"])
def test_what_was_seen_is_there_the_moment_it_was_seen(tmp_path: Path, end: str) -> None:
    model = scenario_file(tmp_path, [say("one "), say("two")])
    with agent_process(tmp_path, "--model", model) as agent:
        session_id = agent.new_session(tmp_path)
        agent.answer(agent.prompt(session_id, "count"))
        said = text_of(updates(agent, "agent_message_chunk"))
        if end == "killed":
            os.kill(agent.popen.pid, signal.SIGKILL)
        else:
            agent.end_of_input()
            assert agent.exit_code(within_s=1.8) == 0
    with agent_process(tmp_path, "--model", model) as agent:
        welcome(agent)
        assert listed(agent) == [session_id]
        load(agent, session_id, tmp_path)
        assert text_of(updates(agent, "user_message_chunk")) == [("2", "count")]
        assert text_of(updates(agent, "agent_message_chunk")) == [(said[0][0], "".join(text for _, text in said))]
        events = agent.call("_agent_server/events/after", sessionId=session_id)["events"]
        kinds = [one["event"]["type"] for one in events]
        assert kinds[:5] == ["session_created", "system_note", "prompt_received", "turn_started", "message_inserted"]
        assert kinds[-1] == "turn_ended"
        assert [one["seq"] for one in events] == sorted(one["seq"] for one in events)


@pytest.mark.req("EV-03")
def test_a_tool_that_ran_when_the_server_was_killed_has_failed_and_that_is_told_once(tmp_path: Path) -> None:
    steps = [{"tool": "run_command", "arguments": {"command": "sleep 30"}}]
    model = scenario_file(tmp_path, steps)
    with agent_process(tmp_path, "--model", model) as agent:
        session_id = agent.new_session(tmp_path)
        agent.prompt(session_id, "wait")
        ask = agent.read_until(
            lambda: next((f for f in agent.frames() if f.get("method") == "session/request_permission"), None)
        )
        agent.write({"id": ask["id"], "result": {"outcome": {"outcome": "selected", "optionId": "approve"}}})
        agent.read_until(agent.said('"in_progress"'))
        os.kill(agent.popen.pid, signal.SIGKILL)
    for _ in range(2):
        with agent_process(tmp_path, "--model", model) as agent:
            welcome(agent)
            load(agent, session_id, tmp_path)
            (call,) = updates(agent, "tool_call")
            assert call["status"] == "failed"
            assert str(call["content"]).count("interrupted") == 1
            assert updates(agent, "tool_call_update") == []
            os.kill(agent.popen.pid, signal.SIGKILL)


@pytest.mark.req("PE-09")
def test_a_session_of_another_server_is_busy_until_that_is_dead_and_free_at_once_then(tmp_path: Path) -> None:
    with agent_process(tmp_path) as owner, agent_process(tmp_path) as other:
        session_id = owner.new_session(tmp_path)
        owner.answer(owner.prompt(session_id, "/test noop"))
        welcome(other)
        for method in ("session/load", "session/resume", "session/delete"):
            refused = other.answer(other.send(method, sessionId=session_id, cwd=str(tmp_path), mcpServers=[]))["error"]
            assert (refused["code"], refused["data"]["reason"]) == (-32010, "session_busy")
            assert refused["data"]["pid"] == owner.popen.pid
            assert refused["data"]["startedAt"].endswith("Z")
        assert listed(other) == [session_id]
        os.kill(owner.popen.pid, signal.SIGKILL)
        owner.popen.wait(timeout=10)
        load(other, session_id, tmp_path)
        answer = other.answer(other.prompt(session_id, "/test noop"))
        assert answer["result"]["stopReason"] == "end_turn"


@pytest.mark.req("PE-05")
def test_two_servers_with_two_stores_do_not_see_each_other(tmp_path: Path) -> None:
    with (
        agent_process(tmp_path, "--store-dir", str(tmp_path / "a")) as one,
        agent_process(tmp_path, environment={"AGENT_SERVER_STORE_DIR": str(tmp_path / "b")}) as other,
    ):
        mine, yours = one.new_session(tmp_path), other.new_session(tmp_path)
        assert (listed(one), listed(other)) == ([mine], [yours])
        missing = one.answer(one.send("session/load", sessionId=yours, cwd=str(tmp_path), mcpServers=[]))
        assert missing["error"]["code"] == -32002
    assert not (tmp_path / STORE).exists()


@pytest.mark.req("ST-18")
def test_a_session_that_is_not_to_be_kept_leaves_nothing(tmp_path: Path) -> None:
    with agent_process(tmp_path, "--model", scenario_file(tmp_path, [say("a secret plan")])) as agent:
        kept = agent.new_session(tmp_path)
        setup = {"cwd": str(tmp_path), "mcpServers": [], "_meta": {"agent_server": {"persist": False}}}
        session_id = agent.call("session/new", **setup)["sessionId"]
        assert agent.answer(agent.prompt(session_id, "go"))["result"]["stopReason"] == "end_turn"
        assert agent.call("_agent_server/session/info", sessionId=session_id)["persist"] is False
        assert listed(agent) == [kept]
        agent.call("session/close", sessionId=session_id)
        gone = agent.answer(agent.send("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[]))
        assert gone["error"]["code"] == -32002
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
    for file in (path for path in (tmp_path / STORE).rglob("*") if path.is_file()):
        assert session_id.encode() not in file.read_bytes()
        assert b"secret plan" not in file.read_bytes()


@pytest.mark.req("EV-04")
@pytest.mark.parametrize("spoil", ["garbage", "removed", "empty"])
def test_a_catalogue_that_is_gone_or_no_database_is_made_anew_from_the_logs(tmp_path: Path, spoil: str) -> None:
    model = scenario_file(tmp_path, [say("Found again.")])
    with agent_process(tmp_path, "--model", model) as agent:
        session_id = agent.new_session(tmp_path)
        agent.answer(agent.prompt(session_id, "hide"))
        before = agent.call("session/list")["sessions"]
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
    catalogue = tmp_path / STORE / "catalogue.sqlite3"
    for file in catalogue.parent.glob("catalogue.sqlite3*"):
        file.unlink()
    if spoil != "removed":
        catalogue.write_bytes(b"this is no database\n" * 400 if spoil == "garbage" else b"")
    log = tmp_path / "log"
    with agent_process(tmp_path, "--model", model, "--log-file", str(log)) as agent:
        welcome(agent)
        assert agent.call("session/list")["sessions"] == before
    if spoil == "garbage":
        assert "made anew" in log.read_text()


def test_a_server_that_ends_in_order_leaves_nothing_to_clean_up(tmp_path: Path) -> None:
    with agent_process(tmp_path) as agent:
        session_id = agent.new_session(tmp_path)
        agent.answer(agent.prompt(session_id, "/test noop"))
        assert listed(agent) == [session_id]
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
    assert list((tmp_path / STORE / "instances").glob("*.journal")) == []


@pytest.mark.req("PE-02")
def test_a_server_whose_store_cannot_be_made_says_so_once_and_works(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    with agent_process(tmp_path, "--store-dir", str(tmp_path / "store")) as agent:
        capabilities: dict[str, object] = {"session": {"notices": {}}, "_meta": {"agent_server": {}}}
        agent.call("initialize", protocolVersion=1, clientCapabilities=capabilities)
        session_id = agent.call("session/new", cwd=str(tmp_path), mcpServers=[])["sessionId"]
        for _ in range(3):
            assert agent.answer(agent.prompt(session_id, "/test noop"))["result"]["stopReason"] == "end_turn"
        failed = [f["params"] for f in agent.frames() if f.get("method") == "_agent_server/session/save_failed"]
        assert [one["sessionId"] for one in failed] == [session_id]
        assert failed[0]["error"] == "Not a directory"
        (notice,) = updates(agent, "notice")
        assert (notice["severity"], notice["title"]) == ("error", "This session cannot be saved")
        (tmp_path / "store").unlink()
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
    with agent_process(tmp_path, "--store-dir", str(tmp_path / "store")) as agent:
        welcome(agent)
        load(agent, session_id, tmp_path)
