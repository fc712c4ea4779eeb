"""What is left of sessions that left memory, measured over the whole process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.agent.puppets import say

from .agent_process import AgentProcess, agent_process, scenario_file

AT_ONCE = 100
SESSIONS = 400
MOST_BYTES = 5 * 1024


def rss_bytes(agent: AgentProcess) -> int:
    pages = int(Path(f"/proc/{agent.popen.pid}/statm").read_text().split()[1])
    return pages * 4096


def reclaim(agent: AgentProcess, cwd: Path, count: int) -> None:
    """So many sessions are made, prompted, left, and leave memory."""
    names = []
    for _ in range(count):
        agent.raw.clear()  # what came is parsed again for each answer
        names.append(agent.call("session/new", cwd=str(cwd), mcpServers=[])["sessionId"])
        agent.answer(agent.prompt(names[-1], "hello there"))
    for name in names:
        agent.raw.clear()
        agent.call("_agent_server/session/detach", sessionId=name)
    agent.raw.clear()
    agent.call("_agent_server/test/clock", advanceS=5 * 3600)
    agent.read_until(lambda: agent.raw.count(b"idle_timeout") >= count)


@pytest.mark.req("EV-05")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_sessions_that_left_memory_cost_at_most_five_kilobytes_each(tmp_path: Path) -> None:
    model = scenario_file(tmp_path, [say("hi")])
    with agent_process(tmp_path, "--enable-test-faults", "--model", model) as agent:
        agent.call("initialize", protocolVersion=1, clientCapabilities={"_meta": {"agent_server": {}}})
        for _ in range(2):  # what so many live sessions need at once is there from now on
            reclaim(agent, tmp_path, AT_ONCE)
        before = rss_bytes(agent)
        for _ in range(SESSIONS // AT_ONCE):
            reclaim(agent, tmp_path, AT_ONCE)
        each = (rss_bytes(agent) - before) / SESSIONS
        print(f"{each:.0f} bytes for each session that left memory")
        assert each <= MOST_BYTES
        agent.raw.clear()
        assert agent.call("_agent_server/session/list_live")["sessions"] == []
