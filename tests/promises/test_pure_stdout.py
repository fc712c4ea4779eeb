"""P2: only whole frames reach stdout, and nothing but the transport reads stdin."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from . import noisy_server
from .agent_process import agent_process, scenario_file

pytestmark = pytest.mark.promise("P2")
NOISY = (sys.executable, str(Path(noisy_server.__file__)))


@pytest.mark.spec("N-15")
@pytest.mark.req("JR-17", "TN-18")
@pytest.mark.parametrize("flags", [(), ("--log-stderr",)])
def test_models_and_tools_that_print_and_read_touch_neither_end_of_the_wire(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    with agent_process(tmp_path, *flags, command=NOISY) as agent:
        session_id = agent.new_session(tmp_path)
        prompt = agent.prompt(session_id, "go")
        assert agent.answer(prompt)["result"]["stopReason"] == "end_turn"
        assert agent.said("read b'' and ''")()
        assert agent.said("done")()
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
        assert noisy_server.NOISE.encode() not in agent.raw
        assert len(agent.frames()) > 5
        assert agent.popen.stderr is not None
        noise = noisy_server.NOISE.encode() in agent.popen.stderr.read()
        assert noise == bool(flags)


@pytest.mark.spec("N-15")
@pytest.mark.req("TL-07")
def test_a_command_that_writes_to_its_stdout_shows_it_in_its_call_and_gets_no_input(tmp_path: Path) -> None:
    command = "echo '{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}'; cat; cat <&0; echo over"
    model = scenario_file(tmp_path, [{"tool": "run_command", "arguments": {"command": command}}])
    with agent_process(tmp_path, "--model", model, "--max-turn-requests", "1") as agent:
        session_id = agent.new_session(tmp_path)
        prompt = agent.prompt(session_id, "go")
        question = agent.read_until(
            lambda: next((f for f in agent.frames() if f.get("method") == "session/request_permission"), None)
        )
        chosen = {"outcome": {"outcome": "selected", "optionId": "approve"}}
        agent.write({"id": question["id"], "result": chosen})
        assert agent.answer(prompt)["result"]["stopReason"] == "max_turn_requests"
        ends = [f for f in agent.frames() if f.get("params", {}).get("update", {}).get("status") == "completed"]
        assert "over" in ends[0]["params"]["update"]["content"][0]["content"]["text"]
