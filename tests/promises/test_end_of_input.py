"""P9: what happens when the client goes, or a signal comes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from .agent_process import SERVER, AgentProcess, agent_process, scenario_file

pytestmark = [pytest.mark.promise("P9"), pytest.mark.req("SM-33")]
SIGNALS = [signal.SIGTERM, signal.SIGINT] if sys.platform != "win32" else []


def end(agent: AgentProcess, how: object) -> None:
    if isinstance(how, signal.Signals):
        agent.popen.send_signal(how)
    else:
        agent.end_of_input()


@pytest.mark.parametrize("how", ["end", *SIGNALS])
def test_an_idle_server_is_gone_at_once(tmp_path: Path, how: object) -> None:
    with agent_process(tmp_path) as agent:
        agent.new_session(tmp_path)
        end(agent, how)
        assert agent.exit_code(within_s=0.9) == 0
        agent.frames()
        assert agent.popen.stderr is not None
        assert agent.popen.stderr.read() == b""


def test_a_server_that_heard_nothing_is_gone_at_once(tmp_path: Path) -> None:
    with agent_process(tmp_path) as agent:
        agent.end_of_input()
        assert agent.exit_code(within_s=2) == 0
        assert agent.raw == b""


@pytest.mark.promise("P1", "P8")
@pytest.mark.req("TN-08")
@pytest.mark.parametrize("how", ["end", *SIGNALS])
def test_prompts_that_run_on_are_answered_cancelled_within_the_time(tmp_path: Path, how: object) -> None:
    with agent_process(tmp_path, "--drain-s", "0.1") as agent:
        session_id = agent.new_session(tmp_path)
        prompts = [agent.prompt(session_id, "/test wait") for _ in range(3)]
        agent.read_until(agent.said("Working until cancelled"))
        end(agent, how)
        assert agent.exit_code(within_s=1.8) == 0
        for prompt in prompts:
            (answer,) = [f for f in agent.frames() if f.get("id") == prompt]
            assert answer["result"]["stopReason"] == "cancelled"


@pytest.mark.spec("D-73")
@pytest.mark.promise("P1")
def test_with_the_usual_settings_a_running_prompt_is_answered_within_1_8_seconds(tmp_path: Path) -> None:
    with agent_process(tmp_path) as agent:
        session_id = agent.new_session(tmp_path)
        prompt = agent.prompt(session_id, "/test wait")
        agent.read_until(agent.said("Working until cancelled"))
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
        assert agent.frames()[-1] == {
            "jsonrpc": "2.0",
            "id": prompt,
            "result": {"stopReason": "cancelled", "_meta": {"agent_server": {"messageId": "2"}}},
        }


@pytest.mark.spec("D-73")
@pytest.mark.promise("P8")
@pytest.mark.req("TL-07")
def test_a_stubborn_command_and_its_children_do_not_outlive_the_server(tmp_path: Path) -> None:
    command = "trap '' TERM INT HUP; sleep 1000 & echo pids $$ $! end; wait"
    model = scenario_file(tmp_path, [{"tool": "run_command", "arguments": {"command": command}}])
    with agent_process(tmp_path, "--model", model) as agent:
        session_id = agent.new_session(tmp_path)
        prompt = agent.prompt(session_id, "go")
        question = agent.read_until(
            lambda: next((f for f in agent.frames() if f.get("method") == "session/request_permission"), None)
        )
        chosen = {"outcome": {"outcome": "selected", "optionId": "approve"}}
        agent.write({"id": question["id"], "result": chosen})
        agent.read_until(agent.said("console\\npids "))
        shown = bytes(agent.raw).split(b"console\\npids ")[1].split(b" end")[0]
        children = [int(pid) for pid in shown.split()]
        assert all(psutil.pid_exists(pid) for pid in children)
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
        assert not any(psutil.pid_exists(pid) for pid in children)
        assert agent.frames()[-1]["id"] == prompt
        assert agent.frames()[-1]["result"]["stopReason"] == "cancelled"


@pytest.mark.promise("P1")
@pytest.mark.req("JR-17")
def test_requests_from_a_pipe_are_all_answered_before_it_exits(tmp_path: Path) -> None:
    requests: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": {"protocolVersion": 1}},
        {"id": 2, "method": "session/new", "params": {"cwd": str(tmp_path), "mcpServers": []}},
        {"id": "three", "method": "session/new", "params": {"cwd": str(tmp_path), "mcpServers": []}},
        {"id": 4, "method": "no/such", "params": {}},
        {"id": 5, "method": "session/new", "params": {"cwd": "relative", "mcpServers": []}},
    ]
    piped = "".join(json.dumps({"jsonrpc": "2.0", **request}) + "\n" for request in requests)
    done = subprocess.run(SERVER, input=piped.encode(), capture_output=True, timeout=10, check=False, cwd=tmp_path)
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    answers = {frame["id"]: "result" in frame for frame in frames if "id" in frame}
    assert answers == {1: True, 2: True, "three": True, 4: False, 5: False}
    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.promise("P1")
def test_a_prompt_that_ends_within_the_grace_is_answered_with_its_own_end(tmp_path: Path) -> None:
    model = scenario_file(tmp_path, [{"text": "first"}, {"delay_ms": 150}, {"text": "last"}])
    with agent_process(tmp_path, "--model", model) as agent:
        session_id = agent.new_session(tmp_path)
        prompt = agent.prompt(session_id, "go")
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
        assert agent.said("last")()
        assert agent.frames()[-1]["id"] == prompt
        assert agent.frames()[-1]["result"]["stopReason"] == "end_turn"


@pytest.mark.req("AP-07")
def test_a_question_to_a_client_that_has_gone_is_a_refusal_and_the_turn_goes_on(tmp_path: Path) -> None:
    model = scenario_file(tmp_path, [{"tool": "write_file", "arguments": {"path": "new.txt", "content": "x"}}])
    with agent_process(tmp_path, "--model", model, "--max-turn-requests", "2") as agent:
        session_id = agent.new_session(tmp_path)
        agent.prompt(session_id, "go")
        agent.read_until(agent.said("session/request_permission"))
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
        assert agent.frames()[-1]["result"]["stopReason"] == "max_turn_requests"
        assert not (tmp_path / "new.txt").exists()


@pytest.mark.promise("P1")
@pytest.mark.spec("D-73")
@pytest.mark.parametrize("how", ["end", *SIGNALS])
def test_a_turn_that_hears_no_cancel_does_not_hold_up_the_end(tmp_path: Path, how: object) -> None:
    deaf = (sys.executable, str(Path(__file__).with_name("deaf_server.py")))
    with agent_process(tmp_path, command=deaf) as agent:
        session_id = agent.new_session(tmp_path)
        prompt = agent.prompt(session_id, "hello")
        agent.read_until(agent.said("What?"))
        end(agent, how)
        assert agent.exit_code(within_s=2.3) == 0
        assert len([frame for frame in agent.frames() if frame.get("id") == prompt]) == 1
