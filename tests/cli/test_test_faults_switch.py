"""The switches for tests and for idle sessions, on a real server with its usual store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.agent.puppets import say
from tests.promises.agent_process import AgentProcess, Frame, agent_process, scenario_file

OURS: dict[str, object] = {"_meta": {"agent_server": {}}}


def connected(agent: AgentProcess, cwd: Path) -> str:
    """A session of a client that opted in."""
    agent.call("initialize", protocolVersion=1, clientCapabilities=OURS)
    session_id: str = agent.call("session/new", cwd=str(cwd), mcpServers=[])["sessionId"]
    return session_id


def news(agent: AgentProcess, name: str) -> list[Any]:
    return [frame["params"] for frame in agent.frames() if frame.get("method") == f"_agent_server/session/{name}"]


def error_of(agent: AgentProcess, request_id: int) -> Frame:
    error: Frame = agent.answer(request_id)["error"]
    return error


@pytest.mark.promise("P4")
@pytest.mark.req("SM-15", "SM-16")
def test_a_crash_on_a_real_server_is_survived_from_the_files(tmp_path: Path) -> None:
    model = scenario_file(tmp_path, [say("hi")])
    with agent_process(tmp_path, "--enable-test-faults", "--model", model) as agent:
        session_id = connected(agent, tmp_path)
        agent.answer(agent.prompt(session_id, "remember me"))
        for count in (1, 2, 3):
            agent.call("_agent_server/test/crash", sessionId=session_id)
            assert agent.answer(agent.prompt(session_id, "again"))["result"]["stopReason"] == "end_turn"
            assert len(news(agent, "restarted")) == count
        info = agent.call("_agent_server/session/info", sessionId=session_id)
        assert (info["restarts"], info["firstPrompt"], info["turnCount"]) == (3, "remember me", 4)
        agent.call("_agent_server/test/crash", sessionId=session_id)
        assert error_of(agent, agent.prompt(session_id, "once more"))["code"] == -32002
        assert [params["reason"] for params in news(agent, "stopped")] == ["restart_exhausted"]
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0


@pytest.mark.promise("P1", "P9")
def test_a_prompt_that_waits_for_a_restart_at_the_end_of_the_input_is_answered_once(tmp_path: Path) -> None:
    with agent_process(tmp_path, "--enable-test-faults", "--drain-s", "0.1") as agent:
        session_id = connected(agent, tmp_path)
        agent.call("_agent_server/test/delay", where="restart", seconds=30)
        agent.call("_agent_server/test/crash", sessionId=session_id)
        prompt = agent.prompt(session_id, "hi")
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
        assert len([frame for frame in agent.frames() if frame.get("id") == prompt]) == 1


@pytest.mark.req("EV-05")
@pytest.mark.parametrize("flag", ["--idle-timeout", "--idle-timeout-s"])
def test_the_idle_time_can_be_chosen(tmp_path: Path, flag: str) -> None:
    with agent_process(tmp_path, flag, "0.1", "--model", scenario_file(tmp_path, [say("hi")])) as agent:
        session_id = connected(agent, tmp_path)
        agent.call("_agent_server/session/detach", sessionId=session_id)
        (told,) = agent.read_until(lambda: news(agent, "stopped"))
        assert (told["sessionId"], told["reason"]) == (session_id, "idle_timeout")
        assert agent.answer(agent.prompt(session_id, "again"))["result"]["stopReason"] == "end_turn"


def test_without_the_switch_the_methods_are_unknown_and_a_project_cannot_set_it(tmp_path: Path) -> None:
    (tmp_path / "agent-server.toml").write_text("enable_test_faults = true\nidle_timeout_s = 1\n")
    with agent_process(tmp_path) as agent:
        session_id = connected(agent, tmp_path)
        assert error_of(agent, agent.send("_agent_server/test/crash", sessionId=session_id))["code"] == -32601
        assert error_of(agent, agent.send("_agent_server/test/clock", advanceS=1))["code"] == -32601
