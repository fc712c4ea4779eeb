"""P13: what a model's command can see of the server's keys is nothing: not in its environment, nor in the server's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from .agent_process import AgentProcess, agent_process, scenario_file

pytestmark = pytest.mark.promise("P13")

CANARY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
ENVIRONMENT = {
    "OPENAI_API_KEY": CANARY,
    "ANTHROPIC_AUTH_TOKEN": CANARY,
    "HTTPS_PROXY": f"http://me:{CANARY}@127.0.0.1:9",
    "https_proxy": f"http://me:{CANARY}@127.0.0.1:9",
    "DB_PASSWORD": CANARY,
    "PLAIN": "to be seen there",
}


def approve_all(agent: AgentProcess, prompt: int) -> None:
    """Answer every question until the prompt is answered."""
    answered: set[int] = set()

    def step() -> bool:
        for frame in agent.frames():
            if frame.get("method") == "session/request_permission" and frame["id"] not in answered:
                answered.add(frame["id"])
                outcome = {"outcome": "selected", "optionId": "approve"}
                agent.write({"id": frame["id"], "result": {"outcome": outcome}})
        return b'"id":%d,' % prompt in agent.raw

    agent.read_until(step)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_a_command_finds_no_key_in_its_own_environment_nor_in_that_of_any_process_of_ours(tmp_path: Path) -> None:
    command = "env; echo; tr '\\0' '\\n' < /proc/$PPID/environ; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; echo over"
    command = command.replace("/proc/[0-9]*/cmdline", "/proc/$PPID/cmdline")
    model = scenario_file(
        tmp_path,
        [{"tool": "run_command", "arguments": {"command": command}}, {"text": "one"}],
        [{"tool": "run_command", "arguments": {"command": command}}, {"text": "two"}],
    )
    with agent_process(tmp_path, "--model", model, "--max-turn-requests", "2", environment=ENVIRONMENT) as agent:
        session_id = agent.new_session(tmp_path)
        before = Path(f"/proc/{agent.popen.pid}/environ").read_bytes()
        assert CANARY.encode() in before  # else the test proves nothing
        approve_all(agent, agent.prompt(session_id, "go"))
        assert agent.said("over")()
        assert agent.said("agent_server")()
        assert CANARY.encode() not in agent.raw
        after = Path(f"/proc/{agent.popen.pid}/environ").read_bytes()
        assert CANARY.encode() not in after
        assert b"PLAIN=to be seen there" in after


def test_a_command_in_the_editors_terminal_is_given_no_key(tmp_path: Path) -> None:
    model = scenario_file(tmp_path, [{"tool": "run_command", "arguments": {"command": "env"}}])
    flags = ("--model", model, "--commands-in-editor", "--max-turn-requests", "1")
    with agent_process(tmp_path, *flags, environment=ENVIRONMENT) as agent:
        agent.call("initialize", protocolVersion=1, clientCapabilities={"terminal": True})
        session_id = agent.call("session/new", cwd=str(tmp_path), mcpServers=[])["sessionId"]
        agent.prompt(session_id, "go")

        def step() -> bool:
            for frame in agent.frames():
                if frame.get("method") == "session/request_permission":
                    outcome = {"outcome": "selected", "optionId": "approve"}
                    agent.write({"id": frame["id"], "result": {"outcome": outcome}})
            return b'"terminal/create"' in agent.raw

        agent.read_until(step)
        (created,) = [frame for frame in agent.frames() if frame.get("method") == "terminal/create"]
        assert CANARY not in json.dumps(created)
        assert CANARY.encode() not in agent.raw


def test_no_argument_of_the_process_is_a_key(tmp_path: Path) -> None:
    with agent_process(tmp_path, environment=ENVIRONMENT) as agent:
        agent.new_session(tmp_path)
        assert CANARY.encode() not in Path(f"/proc/{agent.popen.pid}/cmdline").read_bytes()
