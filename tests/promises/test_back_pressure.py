"""P6: a client that does not read costs no memory, and loses nothing."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest

from .agent_process import AgentProcess, agent_process

pytestmark = pytest.mark.promise("P6")
CHUNKS, CHUNK_BYTES = 200_000, 256
GROWTH_BYTES = 4 * 1024 * 1024


def until_it_rests(process: psutil.Process, limit_s: float = 10.0) -> None:
    """Wait until the process has slept for a while, using no processor time: it waits for its client."""
    deadline_s = time.monotonic() + limit_s
    used, since_s = -1.0, time.monotonic()
    while time.monotonic() - since_s < 0.15:
        assert time.monotonic() < deadline_s, "the server does not come to rest"
        now = sum(process.cpu_times()[:2])
        if now != used or process.status() != psutil.STATUS_SLEEPING:
            used, since_s = now, time.monotonic()


def prompt_and_do_not_read(agent: AgentProcess, cwd: Path) -> tuple[psutil.Process, int, int]:
    """The server's process, its memory before, and the prompt."""
    session_id = agent.new_session(cwd)
    agent.answer(agent.prompt(session_id, f"/test stream 2000 {CHUNK_BYTES}"))
    process = psutil.Process(agent.popen.pid)
    until_it_rests(process)  # what is loaded behind the first answers is no part of what a stream costs
    before_bytes = process.memory_info().rss
    prompt = agent.prompt(session_id, f"/test stream {CHUNKS} {CHUNK_BYTES}")
    return process, before_bytes, prompt


@pytest.mark.skipif(sys.platform == "win32", reason="reads pipes with select")
@pytest.mark.req("TN-06")
def test_a_client_that_stops_reading_makes_the_model_wait_and_loses_nothing(tmp_path: Path) -> None:
    with agent_process(tmp_path) as agent:
        process, before_bytes, prompt = prompt_and_do_not_read(agent, tmp_path)
        until_it_rests(process)
        assert process.memory_info().rss - before_bytes <= GROWTH_BYTES
        agent.raw.clear()
        answer = b'"id":%d,"result"' % prompt
        agent.read_until(lambda: answer in agent.raw[-500:], limit_s=30)
        assert agent.raw.count(b'"sessionUpdate":"agent_message_chunk"') == CHUNKS
        assert agent.raw.count(b"x" * CHUNK_BYTES + b'"') == CHUNKS
        assert b'"stopReason":"end_turn"' in agent.raw[-500:]


@pytest.mark.promise("P8")
@pytest.mark.req("TN-08")
def test_a_cancel_reaches_a_turn_that_waits_for_its_client_to_read(tmp_path: Path) -> None:
    with agent_process(tmp_path) as agent:
        process, _, prompt = prompt_and_do_not_read(agent, tmp_path)
        until_it_rests(process)
        session_id = next(f["result"]["sessionId"] for f in agent.frames() if "sessionId" in f.get("result", {}))
        agent.write({"method": "session/cancel", "params": {"sessionId": session_id}})
        agent.raw.clear()
        assert agent.answer(prompt)["result"]["stopReason"] == "cancelled"
        assert agent.raw.count(b"agent_message_chunk") < CHUNKS


@pytest.mark.promise("P9")
def test_a_client_that_goes_without_reading_does_not_keep_the_server(tmp_path: Path) -> None:
    with agent_process(tmp_path, "--drain-s", "0.2") as agent:
        process, _, _ = prompt_and_do_not_read(agent, tmp_path)
        until_it_rests(process)
        agent.end_of_input()
        assert agent.popen.wait(1.8) == 0
