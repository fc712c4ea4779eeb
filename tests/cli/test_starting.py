"""The first moments of a real server: what it loads before it answers, and what may happen while it loads the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.promises.agent_process import LIMIT_S, SERVER, AgentProcess, agent_process

from . import watched_server

FILES = {"fs": {"readTextFile": True, "writeTextFile": True}}
HEAVY = {"anyio", "asyncio", "dataclasses", "json", "logging", "orjson", "pydantic", "pydantic_core", "re", "typing"}
END_S = 5
"""How long a server may take to load and to end, on a machine that has other things to do."""

FULL_PATH = {"AGENT_SERVER_DRAIN_S": "1.0"}
"""A setting that changes nothing but that there is one."""


def line(method: str = "initialize", request_id: Any = 1, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}).encode() + b"\n"


INITIALIZE = line(protocolVersion=1, clientCapabilities=FILES)


def watched(module: str = "-", mischief: str = "-") -> tuple[str, ...]:
    return (sys.executable, watched_server.__file__, module, mischief)


def stderr_line(agent: AgentProcess) -> str:
    assert agent.popen.stderr is not None
    return agent.popen.stderr.readline().decode()


def loaded_before_the_answer(agent: AgentProcess) -> set[str]:
    return set(stderr_line(agent).split())


def test_a_plain_initialize_is_answered_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    with agent_process(tmp_path, command=watched(), said=INITIALIZE) as agent:
        agent.next_id()
        assert agent.answer(1)["result"]["protocolVersion"] == 1
        loaded = loaded_before_the_answer(agent)
        assert "agent_server.cli.first_answer" in loaded
        assert not {name.partition(".")[0] for name in loaded} & HEAVY


def test_the_conversation_goes_on_with_what_the_client_offered(tmp_path: Path) -> None:
    with agent_process(tmp_path, "--model", "offline", command=watched(), said=INITIALIZE) as agent:
        first = agent.answer(agent.next_id())
        assert "asyncio" not in loaded_before_the_answer(agent)
        session_id = agent.call("session/new", cwd=str(tmp_path), mcpServers=[])["sessionId"]
        prompt = agent.prompt(session_id, "/test fs 1")
        question = agent.read_until(
            lambda: next((f for f in agent.frames() if f.get("method") == "fs/read_text_file"), None)
        )
        agent.write({"id": question["id"], "result": {"content": "text"}})
        assert agent.answer(prompt)["result"]["stopReason"] == "end_turn"
        assert first["result"]["agentCapabilities"]["loadSession"] is True


@pytest.mark.spec("D-21")
def test_a_repeat_and_a_change_of_mind_are_answered_as_ever(tmp_path: Path) -> None:
    with agent_process(tmp_path, said=INITIALIZE) as agent:
        first = agent.answer(agent.next_id())
        again = agent.send("initialize", protocolVersion=1, clientCapabilities={})
        assert agent.answer(again)["result"] == first["result"]
        other = agent.send("initialize", protocolVersion=2)
        assert agent.answer(other)["error"]["code"] == -32600


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"{",
        b"garbage\n",
        INITIALIZE,
        INITIALIZE[:-1],
        INITIALIZE[:-1] + b"\r\n",
        b"\n" + INITIALIZE,
        INITIALIZE[:40],
        INITIALIZE + line("session/list", 2),
        INITIALIZE + line("session/list", 1) + line("nothing/there", 2),
        INITIALIZE + INITIALIZE,
        INITIALIZE + line("session/list", 2)[:-1],
        line("session/list") + INITIALIZE,
        line(request_id=None, protocolVersion=1),
        line(request_id="\N{EURO SIGN}", protocolVersion=1),
        line(protocolVersion="1"),
        line(protocolVersion=1, _meta={"a": 1}),
        line(protocolVersion=1, clientCapabilities={"terminal": "yes"}),
        line(protocolVersion=1, pad="x" * 60_000),
    ],
)
def test_whatever_the_first_bytes_are_they_are_answered_as_with_everything_loaded(tmp_path: Path, data: bytes) -> None:
    said, expected = (everything_said(tmp_path, data, environment) for environment in ({}, FULL_PATH))
    assert said == expected


@pytest.mark.parametrize("key", [{}, {"OPENAI_API_KEY": "sk-1"}, {"ANTHROPIC_AUTH_TOKEN": "x"}, {"HF_TOKEN": "x"}])
def test_a_server_with_a_key_says_early_what_it_would_say_later(tmp_path: Path, key: dict[str, str]) -> None:
    early, later = (everything_said(tmp_path, INITIALIZE, {**key, **more}) for more in ({}, FULL_PATH))
    assert early == later
    assert (b"systemPrompt" in early[1]) == any(name.startswith(("OPENAI", "ANTHROPIC")) for name in key)


def everything_said(tmp_path: Path, data: bytes, environment: dict[str, str]) -> tuple[int, bytes, bytes]:
    with agent_process(tmp_path, said=data, environment=environment) as agent:
        agent.end_of_input()
        assert agent.popen.stderr is not None
        return agent.exit_code(within_s=END_S), bytes(agent.raw), agent.popen.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "environment", "file"),
    [
        (("--unstable",), {}, None),
        (("--drain-s", "1"), {}, None),
        ((), {"AGENT_SERVER_UNSTABLE": "true"}, None),
        ((), FULL_PATH, None),
        ((), {"AGENT_SERVER_LOCAL_MODELS": "no"}, None),
        ((), {}, "unstable = true"),
        (("--model", "offline"), {}, "# nothing"),
    ],
)
def test_a_server_with_settings_loads_them_before_it_answers(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], file: str | None
) -> None:
    if file is not None:
        (tmp_path / "home" / "agent-server").mkdir(parents=True)
        (tmp_path / "home" / "agent-server" / "config.toml").write_text(file)
    with agent_process(tmp_path, *arguments, command=watched(), said=INITIALIZE, environment=environment) as agent:
        answer = agent.answer(agent.next_id())["result"]
        assert "asyncio" in loaded_before_the_answer(agent)
        unstable = "fork" in answer["agentCapabilities"]["sessionCapabilities"]
        assert unstable == any("unstable" in word.lower() for word in (*arguments, *environment, file or ""))


def test_a_first_line_in_two_pieces_is_put_together(tmp_path: Path) -> None:
    with agent_process(tmp_path, said=INITIALIZE[:30]) as agent:
        agent.stdin.write(INITIALIZE[30:])
        agent.stdin.flush()
        assert agent.answer(agent.next_id())["result"]["protocolVersion"] == 1
        assert agent.call("session/list") == {"sessions": []}


def test_a_client_that_comes_while_everything_is_loaded_is_answered_at_once(tmp_path: Path) -> None:
    gate, our_end = os.pipe()
    command = watched("orjson", "wait")
    try:
        with agent_process(
            tmp_path, command=command, environment={"WATCHED_GATE": str(gate)}, inherited=[gate]
        ) as agent:
            assert stderr_line(agent) == "waiting\n"
            agent.stdin.write(INITIALIZE)
            agent.stdin.flush()
            os.write(our_end, b"x")
            assert agent.answer(agent.next_id())["result"]["protocolVersion"] == 1
            loaded = loaded_before_the_answer(agent)
            assert "asyncio" in loaded
            assert "agent_server.cli.serve" not in loaded
            assert agent.call("session/list") == {"sessions": []}
    finally:
        os.close(gate)
        os.close(our_end)


def test_a_client_that_comes_later_still_is_answered_by_the_whole_server(tmp_path: Path) -> None:
    gate, our_end = os.pipe()
    try:
        with agent_process(
            tmp_path,
            command=watched("agent_server.cli.main", "wait"),
            environment={"WATCHED_GATE": str(gate)},
            inherited=[gate],
        ) as agent:
            assert stderr_line(agent) == "waiting\n"
            agent.stdin.write(INITIALIZE)
            agent.stdin.flush()
            os.write(our_end, b"x")
            assert agent.answer(agent.next_id())["result"]["protocolVersion"] == 1
            assert "agent_server.cli.serve" in loaded_before_the_answer(agent)
            assert agent.call("session/list") == {"sessions": []}
    finally:
        os.close(gate)
        os.close(our_end)


@pytest.mark.promise("P9")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("module", ["agent_server.cli.main", "asyncio", "anyio"])
def test_a_signal_while_the_rest_is_loaded_ends_the_server_quietly(
    tmp_path: Path, module: str, number: signal.Signals
) -> None:
    with agent_process(tmp_path, command=watched(module, str(int(number))), said=INITIALIZE) as agent:
        assert agent.exit_code(within_s=END_S) == 0
        (answer,) = agent.frames()
        assert answer["id"] == 1
        loaded_before_the_answer(agent)
        assert stderr_line(agent) == ""


@pytest.mark.promise("P9")
def test_a_client_that_goes_while_the_rest_is_loaded_ends_the_server(tmp_path: Path) -> None:
    with agent_process(tmp_path, said=INITIALIZE) as agent:
        agent.answer(agent.next_id())
        agent.end_of_input()
        assert agent.exit_code(within_s=END_S) == 0
        assert agent.popen.stderr is not None
        assert agent.popen.stderr.read() == b""


@pytest.mark.promise("P2")
@pytest.mark.parametrize("module", ["agent_server.agent.features", "asyncio", "anyio"])
def test_what_prints_and_reads_while_it_is_loaded_touches_neither_end_of_the_wire(tmp_path: Path, module: str) -> None:
    with agent_process(tmp_path, command=watched(module, "noise"), said=INITIALIZE) as agent:
        agent.answer(agent.next_id())
        assert agent.call("session/list") == {"sessions": []}
        agent.end_of_input()
        assert agent.exit_code(within_s=END_S) == 0
        assert len(agent.frames()) == 2


@pytest.mark.parametrize("data", [INITIALIZE, INITIALIZE + INITIALIZE])
def test_a_client_that_reads_nothing_any_more_is_no_failure(tmp_path: Path, data: bytes) -> None:
    theirs, ours = os.pipe()
    os.write(ours, data)
    broken, write_end = os.pipe()
    os.close(broken)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    try:
        done = subprocess.run(
            SERVER,
            stdin=theirs,
            stdout=write_end,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=LIMIT_S,
            check=False,
        )
    finally:
        for descriptor in (theirs, ours, write_end):
            os.close(descriptor)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_stdout_that_does_not_block_is_left_to_the_transport(tmp_path: Path) -> None:
    theirs, ours = os.pipe()
    read_end, write_end = os.pipe()
    os.write(ours, INITIALIZE)
    os.close(ours)
    os.set_blocking(write_end, False)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with subprocess.Popen(watched(), stdin=theirs, stdout=write_end, stderr=subprocess.PIPE, env=environment) as popen:
        assert popen.stderr is not None
        assert "asyncio" in popen.stderr.readline().decode().split()
        assert popen.wait(timeout=LIMIT_S) == 0
    assert json.loads(os.read(read_end, 65536))["id"] == 1
    for descriptor in (theirs, read_end, write_end):
        os.close(descriptor)
