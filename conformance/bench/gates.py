"""What must be reached (``gates.toml``), and whether a run reached it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from conformance.bench.metrics import METRICS, Better, Metric
from conformance.bench.record import Record

GATES_FILE: Final = Path(__file__).with_name("gates.toml")
DIRECTIONS: Final = {better.value: better for better in (Better.LOWER, Better.HIGHER)}


class BadGates(Exception):
    """The file of gates says something that cannot be judged."""


@dataclass(frozen=True)
class Gate:
    """Ours must be at least ``factor`` times better than the peer's, or within ``limit`` where there is no peer."""

    metric: Metric
    peer: str | None
    number: float

    @property
    def text(self) -> str:
        """What must be reached, in few characters."""
        if self.peer is not None:
            return f"{self.peer} ≥ x{self.number:g}"
        return f"{'≤' if self.metric.better is Better.LOWER else '≥'} {self.number:g}"


class Verdict(Enum):
    """What became of a gate."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "not measured"


@dataclass(frozen=True)
class Judged:
    """A gate and what a run says to it. ``times``: how often the required is reached, below 1 if it was missed."""

    gate: Gate
    verdict: Verdict
    times: float | None
    note: str = ""

    @property
    def text(self) -> str:
        """The gate, the verdict, and by how much it was missed."""
        if self.verdict is Verdict.MISSED and self.times is not None:
            return f"{self.gate.text}: MISSED by {1 - self.times:.0%}"
        said = "MISSED" if self.verdict is Verdict.MISSED else self.verdict.value
        return f"{self.gate.text}: {said}" + (f" ({self.note})" if self.note else "")


def load_gates(path: Path = GATES_FILE) -> list[Gate]:
    """Read the gates.

    Raises:
        BadGates: the file is not there, or is not as it must be.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["gate"]
        return [_gate(table) for table in tables]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadGates(f"{path}: {error!r}") from None


def _gate(table: dict[str, Any]) -> Gate:
    metric = METRICS[table["metric"]]
    if DIRECTIONS[table["direction"]] is not metric.better:
        raise ValueError(f"of {metric.key}, {metric.better.value} is better")
    if set(table) == {"metric", "direction", "peer", "factor"}:
        return Gate(metric, table["peer"], float(table["factor"]))
    if set(table) == {"metric", "direction", "limit"}:
        return Gate(metric, None, float(table["limit"]))
    raise ValueError(f"a gate has metric, direction, and either peer and factor or limit, not {sorted(table)}")


def judge(gates: Sequence[Gate], record: Record) -> list[Judged]:
    """Judge the gates of the peers that the run had, in the order of the gates."""
    had = {None, *record.peers}
    return [_judge(gate, record) for gate in gates if gate.peer in had]


def all_met(judged: Sequence[Judged]) -> bool:
    """Whether no gate was missed; one that was not measured is not missed."""
    return all(of.verdict is not Verdict.MISSED for of in judged)


def _judge(gate: Gate, record: Record) -> Judged:
    ours = record.figure(record.ours, gate.metric.key)
    if ours is None:
        return Judged(gate, Verdict.UNKNOWN, None)
    if isinstance(ours, str):
        return Judged(gate, Verdict.MISSED, None, ours)
    if gate.peer is None:
        return _within(gate, ours)
    theirs = record.figure(gate.peer, gate.metric.key)
    if theirs is None:
        return Judged(gate, Verdict.UNKNOWN, None)
    if isinstance(theirs, str):
        return Judged(gate, Verdict.MET, None, f"{gate.peer} failed")
    return _against(gate, ours, theirs)


def _against(gate: Gate, ours: float, theirs: float) -> Judged:
    ratio = gate.metric.times_better(ours, theirs)
    if ratio is None:  # one of them is 0, and only less of something can be better than 0
        met = ours <= theirs if gate.metric.better is Better.LOWER else ours >= theirs
        return Judged(gate, Verdict.MET if met else Verdict.MISSED, None)
    return _reached(gate, ratio / gate.number)


def _within(gate: Gate, ours: float) -> Judged:
    lower = gate.metric.better is Better.LOWER
    if ours <= 0 or gate.number == 0:
        met = ours <= gate.number if lower else ours >= gate.number
        return Judged(gate, Verdict.MET if met else Verdict.MISSED, None)
    return _reached(gate, gate.number / ours if lower else ours / gate.number)


def _reached(gate: Gate, times: float) -> Judged:
    return Judged(gate, Verdict.MET if times >= 1 else Verdict.MISSED, times)
