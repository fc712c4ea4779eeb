"""Logins in a terminal, with real programs on both sides. Spec: authentication."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent_server.client import ClientServices, log_in_at_terminal, spawn
from agent_server.errors import RpcError
from agent_server.protocol.v1.initialize import AuthMethodTerminal

PROGRAM = Path(__file__).with_name("program_with_login.py")
WAIT_S = 20


def in_terminal(argv: list[str], method: AuthMethodTerminal, said: str, tmp_path: Path) -> bool:
    """Log in from a process of its own, whose stdin and stdout stand for the user's terminal."""
    script = (
        "import asyncio, json, sys\n"
        "from agent_server.client import log_in_at_terminal\n"
        "from agent_server.protocol.v1.initialize import AuthMethodTerminal\n"
        "argv, method = json.loads(sys.argv[1]), AuthMethodTerminal.model_validate_json(sys.argv[2])\n"
        "sys.exit(0 if asyncio.run(log_in_at_terminal(argv, method)) else 7)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(argv), method.to_json().decode()],
        input=said, capture_output=True, text=True, timeout=WAIT_S, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode in (0, 7), done.stderr
    assert done.stdout == "Who are you?\n"
    return done.returncode == 0


@pytest.mark.spec("N-24", "D-71")
def test_a_login_in_a_terminal_is_known_to_the_agent_that_is_started_next(tmp_path: Path) -> None:
    argv = [sys.executable, str(PROGRAM), str(tmp_path / "key")]
    services = ClientServices(terminal_logins=True)

    async def before() -> AuthMethodTerminal:
        async with spawn(argv, services) as agent:
            with pytest.raises(RpcError) as caught:
                await agent.new_session(str(tmp_path))
            assert caught.value.code == -32000
            (method,) = agent.answer.auth_methods
            assert isinstance(method, AuthMethodTerminal)
            return method

    async def after() -> str:
        async with spawn(argv, services) as agent, await agent.new_session(str(tmp_path)) as session:
            await session.prompt("hi")
            return session.transcript.text

    method = asyncio.run(asyncio.wait_for(before(), WAIT_S))
    assert (method.args, method.env) == (["--make", "key"], {"EXPECTED": "me"})
    assert not in_terminal(argv, method, "somebody else\n", tmp_path)
    assert in_terminal(argv, method, "me\n", tmp_path)
    assert asyncio.run(asyncio.wait_for(after(), WAIT_S)) == "hello"


@pytest.mark.spec("N-22", "N-24")
def test_a_client_without_a_terminal_is_told_of_no_such_login_and_not_to_log_in(tmp_path: Path) -> None:
    async def work() -> None:
        async with spawn([sys.executable, str(PROGRAM), str(tmp_path / "key")]) as agent:
            assert agent.answer.auth_methods == []
            with pytest.raises(RpcError) as caught:
                await agent.new_session(str(tmp_path))
            assert caught.value.code == -32603

    asyncio.run(asyncio.wait_for(work(), WAIT_S))


@pytest.mark.spec("D-71")
@pytest.mark.parametrize("arguments", [["--login"], ["--model", "offline", "--log-level", "debug", "--login"]])
def test_the_program_takes_the_flag_behind_any_others_and_says_that_nothing_needs_a_login(
    arguments: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent_server", *arguments],
        capture_output=True, text=True, timeout=WAIT_S, check=False, stdin=subprocess.DEVNULL, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "No login is needed" in done.stdout


def test_a_program_that_is_missing_is_an_error_and_no_failed_login() -> None:
    method = AuthMethodTerminal(id="x", name="X")
    with pytest.raises(OSError):
        asyncio.run(log_in_at_terminal(["/nowhere/at/all"], method))
