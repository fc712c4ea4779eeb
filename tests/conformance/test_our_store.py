"""Our agent's store under the kit: a small sample of what the programs try in full."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from conformance.bench import load
from conformance.bench.start import Start
from conformance.faults import crash_states, disk_full, kill, many_processes
from conformance.faults.subject import NotPossible, Subject, told

OURS = f"{sys.executable} -m agent_server"


@pytest.fixture
def ours(tmp_path: Path) -> Subject:
    return Subject(told(f"{OURS} --model scenario:{{scenario}}", tmp_path))


@pytest.mark.promise("P9")
def test_killed_at_random_instants_it_loses_nothing_that_was_seen(ours: Subject) -> None:
    tally = kill.run(ours, 6, 1)
    assert tally.lost == []
    assert tally.did["sessions compared"] > 10


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_whatever_a_crash_leaves_it_reads(ours: Subject) -> None:
    _, did, lost = crash_states.run(ours, 12, 1)
    assert lost == []
    assert did["states killed"] == 12


def found_without_space(ours: Subject, way: disk_full.Way, end: disk_full.End) -> list[str]:
    try:
        disk_full.possible([way])
    except NotPossible as why:
        pytest.skip(f"the space cannot be made to end here: {why}")
    return disk_full.run(ours, [disk_full.Trial(way, 5001, end)]).lost


@pytest.mark.parametrize("way", ["mount", "limit"])
def test_without_space_it_goes_on_says_so_and_saves_everything_later(ours: Subject, way: disk_full.Way) -> None:
    assert found_without_space(ours, way, "again") == []


def test_killed_without_space_it_has_what_was_there_before(ours: Subject) -> None:
    assert found_without_space(ours, "mount", "killed") == []


def test_several_processes_share_the_store(ours: Subject) -> None:
    crowd = many_processes.run(ours, 2, 8, 1)
    assert crowd.lost == []
    assert crowd.updates > 2 * 7 * 400


def test_a_long_session_is_loaded_beside_another_that_goes_on(tmp_path: Path) -> None:
    start = Start([*OURS.split(), "--store-dir", str(tmp_path / "store")], timeout_s=20)
    session_id = load.grow(start, tmp_path / "store", load.PROMPT, 200)
    found = load.measure(start, tmp_path / "store", session_id, load.PROBE)
    assert found.updates > 60
    assert found.probes
