"""What a durable log costs, and how long a long session takes to load."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from conformance.bench import load
from conformance.bench.durable import GATES, main, with_store
from conformance.bench.gates import load_gates
from conformance.bench.load import Load, grow, logs, plain_read_s, told
from conformance.bench.record import Record
from conformance.bench.start import Start

OURS = f"{sys.executable} -m agent_server"
LOGGING = [sys.executable, "-I", "-S", str(Path(__file__).with_name("agent_with_log.py"))]


def test_the_gates_hold_the_log_against_memory_and_the_sdks() -> None:
    assert {gate.peer for gate in load_gates(GATES)} == {"memory", "pysdk", "tssdk", None}


@pytest.mark.parametrize("variable", [None, "STORE"])
def test_every_process_gets_a_store_of_its_own(tmp_path: Path, variable: str | None) -> None:
    shows = f"{sys.executable} -c 'import os, sys; print(os.environ.get(\"STORE\"), sys.argv[1:])'"
    command = shlex.split(with_store(shows, str(tmp_path), "--store-dir", variable))
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    stores = sorted(tmp_path.iterdir())
    assert len(stores) == 2
    for line in said:
        [store] = [store for store in stores if str(store) in line]
        assert line == (f"{store} []\n" if variable else f"None ['--store-dir', '{store}']\n")


def test_a_quick_run_puts_memory_beside_the_log(tmp_path: Path) -> None:
    what = ["--only", "l", "--quick", "--rounds", "1", "--against", "", "--store-root", str(tmp_path)]
    assert main(["--agent", OURS, "--memory", f"{OURS} --store memory", *what, "--out", str(tmp_path / "out")]) == 0
    record = Record.load(tmp_path / "out" / "results.json")
    assert list(record.found) == ["durable", "memory"]
    assert [found.failures for found in record.found.values()] == [{}, {}]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_plain_reading_takes_lines_with_and_without_a_checksum(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b'00000000 {"a":1}\n{"b":2}\n')
    (tmp_path / "index").write_bytes(b"SQLite format 3\0")
    (tmp_path / "empty").touch()
    assert [path.name for path in logs(tmp_path)] == ["a.log"]
    assert plain_read_s(logs(tmp_path))[1] == 2


def test_a_session_grows_to_its_size_and_is_loaded_whole(tmp_path: Path) -> None:
    start = Start([*LOGGING, "--store-dir", str(tmp_path)], timeout_s=20)
    session_id = grow(start, tmp_path, "short", 60)
    lines = plain_read_s(logs(tmp_path))[1]
    assert 60 <= lines < 150
    found = load.measure(start, tmp_path, session_id, "short")
    assert found.updates >= lines
    assert orjson.loads(orjson.dumps([found.load_s, found.read_s, found.write_s])) and found.probes


def test_a_slow_load_and_a_long_wait_miss() -> None:
    fast, slow = (Load(seconds, 0.1, 0.01, 1000, 10, [0.001], 1.0) for seconds in (0.2, 0.22))
    assert told([fast]) == (told([fast])[0], True)
    assert "load 220.0 ms, allowed 210.0 ms: MISSED" in told([slow])[0]
    assert not told([slow])[1]
    assert not told([Load(0.2, 0.1, 0.01, 1000, 10, [0.06], None)])[1]
