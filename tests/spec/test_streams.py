"""What goes over the descriptors of the process. Spec: transports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises.agent_process import agent_process, scenario_file


@pytest.mark.spec("N-13", "N-14", "N-15", "N-17", "N-20")
def test_every_line_of_stdout_is_one_frame_in_utf_8(tmp_path: Path) -> None:
    text = "línea\nzwei\u2028drei \U0001f600 \x00 \x85"
    with agent_process(tmp_path, "--model", scenario_file(tmp_path, [{"text": text, "chunk_chars": 2}])) as agent:
        session_id = agent.new_session(tmp_path)
        agent.write({"id": "später", "method": "session/prompt",
                     "params": {"sessionId": session_id, "prompt": [{"type": "text", "text": text}]}})  # fmt: skip
        agent.read_until(agent.said("end_turn"))
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
        frames = agent.frames()  # each line was read as JSON
        assert bytes(agent.raw).decode("utf-8").endswith("\n")
        assert frames[-1]["id"] == "später"
        chunks = [frame["params"]["update"] for frame in frames if frame.get("method") == "session/update"]
        said = [up["content"]["text"] for up in chunks if up["sessionUpdate"] == "agent_message_chunk"]
        assert "".join(said) == text


@pytest.mark.spec("N-16", "D-62")
def test_stderr_is_silent_unless_asked_for(tmp_path: Path) -> None:
    model = scenario_file(tmp_path, [{"crash": "no"}])
    for arguments, speaks in (((), False), (("--log-stderr", "--log-level", "debug"), True)):
        with agent_process(tmp_path, "--model", model, *arguments) as agent:
            prompt = agent.prompt(agent.new_session(tmp_path), "go")
            assert agent.answer(prompt)["error"]["code"] == -32603
            agent.end_of_input()
            assert agent.exit_code(within_s=1.8) == 0
            assert agent.popen.stderr is not None
            said = agent.popen.stderr.read()
            assert bool(said) is speaks
            said.decode("utf-8")


@pytest.mark.spec("D-63", "N-16")
def test_a_stderr_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    model = scenario_file(tmp_path, [{"crash": "x" * 4000}])
    with agent_process(tmp_path, "--model", model, "--log-stderr", "--log-level", "debug") as agent:
        session_id = agent.new_session(tmp_path)
        for _ in range(100):  # each says more than 4 kB there, and a pipe holds 64
            assert agent.answer(agent.prompt(session_id, "go"))["error"]["code"] == -32603
        assert agent.popen.stderr is not None
        os.set_blocking(agent.popen.stderr.fileno(), False)
        assert len(agent.popen.stderr.read() or b"") >= 32 * 1024
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0


@pytest.mark.spec("D-63", "D-62")
@pytest.mark.parametrize("how", ["closed", "full"])
def test_a_stderr_that_is_not_there_stops_nothing(tmp_path: Path, how: str) -> None:
    line = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":1}}\n'
    close = "import os,sys; os.close(2) if sys.argv.pop(1) == 'closed' else os.dup2(os.open('/dev/full', 1), 2);"
    program = close + "os.execv(sys.executable, [sys.executable, '-m', 'agent_server', '--log-stderr'])"
    if how == "full" and not os.path.exists("/dev/full"):
        pytest.skip("this system has no full device")
    command = [sys.executable, "-c", program, how]
    done = subprocess.run(command, input=line, capture_output=True, timeout=20, check=False)
    assert done.returncode == 0
    assert b'"protocolVersion":1' in done.stdout
