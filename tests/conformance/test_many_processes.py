"""Several agents on one store: each session has one owner, every list has all, and the kit sees it when not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conformance.faults.many_processes import Crowd, main, run
from conformance.faults.subject import Subject

AGENT = str(Path(__file__).with_name("agent_with_log.py"))
COMMAND = f"{sys.executable} -I -S {AGENT}"


def logging_agent(broken: str = "") -> Subject:
    return Subject([sys.executable, "-I", "-S", AGENT, "--broken", broken])


def test_agents_that_lock_their_sessions_share_a_store() -> None:
    crowd = run(logging_agent(), 3, 20, 1)
    assert crowd.lost == []
    assert crowd.updates > 3 * 19 * 60
    assert len(crowd.answers) >= 3 and crowd.silences and crowd.takeover_s is not None


def test_agents_that_do_not_are_found_out() -> None:
    assert run(logging_agent("no lock"), 2, 3, 1).lost == ["session/load gave a session to a second agent"]


def test_a_list_that_ends_too_soon_is_found_out() -> None:
    [loss] = run(logging_agent("one page"), 2, 30, 1).lost
    assert loss == "10 of 60 sessions are not listed by another agent"


def test_what_was_measured_is_told() -> None:
    crowd = Crowd(silences=[0.001, 0.02], answers=[0.003], seconds=1.5, updates=7, takeover_s=0.004)
    told = "7 updates in 1.5 s; silent while at work: median 1.0, 99 % 20.0, worst 20.0 ms"
    assert crowd.told().startswith(told)
    assert crowd.told().endswith("taken over 4 ms after a kill")


def test_the_command_line_compares_and_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    few = ["--agents", "2", "--sessions", "2", "--rounds", "1"]
    assert main(["--agent", COMMAND, *few, "--beside", f"{COMMAND} --store-dir {tmp_path}"]) == 0
    assert "beside it: " in capsys.readouterr().out
    assert main(["--agent", COMMAND, *few, "--worst-ms", "0"]) == 1
