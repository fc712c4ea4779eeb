"""A disk that is full: the agent goes on, says so, and saves everything later; the kit sees it when it does not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from conformance.faults.disk_full import ENDS, Trial, Way, main, possible, run, trials
from conformance.faults.subject import NotPossible, Subject

AGENT = str(Path(__file__).with_name("agent_with_log.py"))
ALONE_S = 1.0


def logging_agent(broken: str = "") -> Subject:
    return Subject([sys.executable, "-I", "-S", AGENT, "--broken", broken])


def ways(*wanted: Way) -> Sequence[Way]:
    try:
        return possible(wanted)
    except NotPossible as why:
        pytest.skip(f"the space cannot be made to end here: {why}")


def test_trials_are_the_same_for_the_same_seed_and_try_every_way_and_end() -> None:
    made = trials(["mount", "limit"], 24, 1)
    assert made == trials(["mount", "limit"], 24, 1) != trials(["mount", "limit"], 24, 2)
    assert {(one.way, one.end) for one in made} == {(way, end) for way in ("mount", "limit") for end in ENDS}
    assert len({one.free for one in made}) == 24


@pytest.mark.parametrize("way", ["mount", "limit"])
def test_an_agent_that_keeps_and_retries_loses_nothing(way: Way) -> None:
    found = run(logging_agent(), trials(ways(way), 6, 1), ALONE_S)
    assert found.lost == []
    assert found.did["sessions compared"] > 12


@pytest.mark.parametrize("way", ["mount", "limit"])
@pytest.mark.parametrize(
    ("broken", "loss"), [("writes blindly", "the agent closed its output"), ("drops when full", "is missing")]
)
def test_an_agent_that_does_not_is_found_out(way: Way, broken: str, loss: str) -> None:
    found = run(logging_agent(broken), [Trial(one, 2001, "again") for one in ways(way)], ALONE_S)
    assert any(loss in lost for lost in found.lost)


def test_the_command_line_counts_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    ways("limit")
    command = f"{sys.executable} -I -S {AGENT}"
    assert main(["--agent", command, "--trials", "2", "--ways", "limit"]) == 0
    assert "0 losses in 2 trials" in capsys.readouterr().out
    assert main(["--agent", f"{command} --broken 'drops when full'", "--trials", "2", "--ways", "limit"]) == 1
