"""The examples do what they say, run as their readers would run them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from agent_server.client import spawn
from agent_server.errors import RpcError
from agent_server.protocol.errors import ErrorCode
from agent_server.protocol.v1.methods import SESSION_PROMPT
from agent_server.protocol.v1.prompt import PromptRequest

CLIENT = [sys.executable, "-m", "agent_server.examples.client"]
CUSTOM_AGENT = [sys.executable, "-m", "agent_server.examples.custom_agent"]
PROTOCOL_AGENT = [sys.executable, "-m", "agent_server.examples.protocol_agent"]
OUR_AGENT = [sys.executable, "-m", "agent_server"]
SCENARIO = Path(__file__).parents[2] / "agent_server/examples/scenario_hello.json"

LIMIT_S = 30


def run_client(cwd: Path, prompt: str, agent: list[str]) -> list[str]:
    done = subprocess.run(
        [*CLIENT, prompt, *agent], cwd=cwd, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_client_has_our_agent_write_a_file(tmp_path: Path) -> None:
    said = run_client(tmp_path, "create a.txt with 'hi'", OUR_AGENT)
    assert (tmp_path / "a.txt").read_text() == "hi"
    assert said[-2:] == ["[completed] Create a.txt", "end_turn"]


@pytest.mark.parametrize("agent", [CUSTOM_AGENT, PROTOCOL_AGENT])
def test_the_client_and_the_other_agents_understand_each_other(tmp_path: Path, agent: list[str]) -> None:
    assert run_client(tmp_path, "good morning", agent) == ["GOOD MORNING", "end_turn"]


def test_the_protocol_agent_refuses_a_session_that_it_did_not_make() -> None:
    async def ask() -> int:
        async with asyncio.timeout(LIMIT_S), spawn(PROTOCOL_AGENT) as agent:
            with pytest.raises(RpcError) as refused:
                await agent.connection.request(SESSION_PROMPT, PromptRequest(session_id="session_9", prompt=[]))
            return refused.value.code

    assert asyncio.run(ask()) == ErrorCode.RESOURCE_NOT_FOUND


def test_the_scenario_is_played_with_real_tools(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("short\n")
    said = run_client(tmp_path, "make a plan", [*OUR_AGENT, "--model", f"scenario:{SCENARIO}"])
    assert said[0] == "I have read it."
    assert said[-1] == "end_turn"
    assert any(line.startswith("[completed]") and "README.md" in line for line in said)
