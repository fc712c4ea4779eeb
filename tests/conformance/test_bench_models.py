"""The bench that measures how quickly an agent gets to its model."""

from __future__ import annotations

import sys

import pytest

from conformance.bench.models import Goal, main

OURS = f"{sys.executable} -P -m agent_server --model openai:bench"


def test_a_quick_run_measures_everything_and_says_it_in_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--agent", OURS, "--sdk-python", sys.executable, "--quick"]) == 0
    told = capsys.readouterr().out.splitlines()
    names = ("start to first request byte", "added latency", "crowd", "longest wait")
    assert len(told) == len(names)
    assert all(name in line for name, line in zip(names, told, strict=True))


def test_an_agent_that_cannot_be_run_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--agent", "/nonexistent/agent", "--quick"]) == 3
    assert "could not be measured" in capsys.readouterr().err


def test_a_goal_is_reached_at_its_limit_and_missed_beyond() -> None:
    assert Goal("x", 1.0, 1.0, "ms").reached
    assert str(Goal("x", 1.1, 1.0, "ms")).startswith("MISSED x: 1.1 ms, at most 1")
