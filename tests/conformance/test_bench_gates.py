"""The gates of the benchmark: read from a file, judged on what a run found, told with what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.bench.contenders import CONTENDERS
from conformance.bench.figures import Figure
from conformance.bench.gates import BadGates, Gate, Judged, Verdict, all_met, judge, load_gates
from conformance.bench.metrics import METRICS
from conformance.bench.record import Found, Record

SLOWER = Gate(METRICS["c.warm_p50_us"], "pysdk", 1.5)
FASTER = Gate(METRICS["d.small_per_s"], "pysdk", 15)
MEMORY = Gate(METRICS["g.50mb_peak_ratio"], None, 2.5)
SILENCE = Gate(METRICS["k.wakeups_per_s"], None, 0)


def judged(gate: Gate, ours: Figure | None, theirs: Figure | None = None) -> Judged:
    found = {name: Found() for name in ("ours", "pysdk")}
    found["ours"].add({gate.metric.key: ours})
    found["pysdk"].add({gate.metric.key: theirs})
    [only] = judge([gate], Record(found, {}))
    return only


@pytest.mark.parametrize(
    ("gate", "ours", "theirs", "verdict"),
    [
        (SLOWER, 20, 30, Verdict.MET),
        (SLOWER, 21, 30, Verdict.MISSED),
        (FASTER, 1500, 100, Verdict.MET),
        (FASTER, 1499, 100, Verdict.MISSED),
        (MEMORY, 2.5, None, Verdict.MET),
        (MEMORY, 2.6, None, Verdict.MISSED),
        (SILENCE, 0, None, Verdict.MET),
        (SILENCE, 1, None, Verdict.MISSED),
        (SLOWER, 0, 30, Verdict.MET),
        (SLOWER, 20, 0, Verdict.MISSED),
    ],
)
def test_a_gate_is_met_from_its_number_on(gate: Gate, ours: Figure, theirs: Figure | None, verdict: Verdict) -> None:
    assert judged(gate, ours, theirs).verdict is verdict


def test_a_gate_says_by_how_much_it_was_missed() -> None:
    assert judged(SLOWER, 25, 30).text == "pysdk ≥ x1.5: MISSED by 20%"
    assert judged(FASTER, 750, 100).text == "pysdk ≥ x15: MISSED by 50%"
    assert judged(MEMORY, 5, None).text == "≤ 2.5: MISSED by 50%"


def test_a_peer_that_fails_is_beaten() -> None:
    of = judged(SLOWER, 20, "failed: it closed its input")
    assert of.verdict is Verdict.MET
    assert of.text == "pysdk ≥ x1.5: met (pysdk failed)"


def test_an_agent_that_fails_misses_its_gate_even_where_the_peer_fails_too() -> None:
    of = judged(SLOWER, "failed: no answer", "failed: no answer")
    assert of.verdict is Verdict.MISSED
    assert "no answer" in of.text


@pytest.mark.parametrize(("ours", "theirs"), [(None, 30), (20, None)])
def test_what_was_not_measured_is_neither_met_nor_missed(ours: Figure | None, theirs: Figure | None) -> None:
    of = judged(SLOWER, ours, theirs)
    assert of.verdict is Verdict.UNKNOWN
    assert all_met([of])


def test_one_missed_gate_is_enough() -> None:
    assert not all_met([judged(SLOWER, 20, 30), judged(SLOWER, 30, 30)])


def test_gates_against_peers_that_were_not_in_the_run_are_left_out() -> None:
    other = Gate(METRICS["c.warm_p50_us"], "tssdk", 1)
    assert judge([other], Record({"ours": Found({"c.warm_p50_us": [1.0]})}, {})) == []


def test_the_gates_of_the_repository_name_metrics_directions_and_peers_that_exist() -> None:
    gates = load_gates()
    assert {gate.peer for gate in gates} <= {None, *CONTENDERS}
    assert {gate.metric.section for gate in gates} == set("abcdefghijklm")
    assert len({(gate.metric.key, gate.peer) for gate in gates}) == len(gates)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[[gate",
        '[[gate]]\nmetric = "z.unknown"\ndirection = "lower"\nlimit = 1',
        '[[gate]]\nmetric = "a.init_ms"\ndirection = "higher"\nlimit = 1',
        '[[gate]]\nmetric = "l.statuses"\ndirection = "neither"\nlimit = 1',
        '[[gate]]\nmetric = "a.init_ms"\ndirection = "lower"\npeer = "pysdk"',
        '[[gate]]\nmetric = "a.init_ms"\ndirection = "lower"\npeer = "pysdk"\nfactor = "two"',
        '[[gate]]\nmetric = "a.init_ms"\ndirection = "lower"\nlimit = 1\nfactor = 2',
    ],
)
def test_a_file_that_cannot_be_judged_by_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(text)
    with pytest.raises(BadGates, match=r"gates\.toml"):
        load_gates(path)
