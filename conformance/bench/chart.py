"""The results as a picture: how many times better than each peer, on a logarithmic scale, beside what is required."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from conformance.bench.gates import Judged
from conformance.bench.metrics import METRICS, Metric
from conformance.bench.record import Record
from conformance.bench.table import shown, times

CHARTED: Final = (
    "a.init_ms",
    "a.first_chunk_ms",
    "a.rss_mib",
    "b.warm_p50_us",
    "c.warm_p50_us",
    "c.cpu_us",
    "d.small_per_s",
    "d.yield_per_s",
    "d.large_per_s",
    "e.fs_per_s",
    "e.perm_per_s",
    "f.yield_total_ms",
    "f.yield_probe_p99_ms",
    "g.50mb_ms",
    "i.tight_p50_ms",
    "j.small_cpu_s",
    "j.large_cpu_s",
    "l.exit_ms",
    "m.received_per_s",
)
"""One metric for each thing that a user may notice; those without a figure are left out."""

LEFT: Final = 470.0
WIDTH: Final = 1080.0
RIGHT: Final = 40.0
TOP: Final = 84.0
ROW: Final = 26.0
BOTTOM: Final = 44.0

STYLE: Final = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.quiet { fill: #59636e }
.end { text-anchor: end }
.middle { text-anchor: middle }
.paper { fill: #ffffff }
.band { fill: #f3f5f7 }
.grid { stroke: #d5dade; stroke-width: 1 }
.one { stroke: #59636e; stroke-width: 1.5 }
.required { stroke-width: 2.5; fill: none }
circle { stroke-width: 2 }
.p0 { fill: #2563c4; stroke: #2563c4 }
.p1 { fill: #c2560c; stroke: #c2560c }
.p2 { fill: #4d7d30; stroke: #4d7d30 }
.p3 { fill: #8a4bb5; stroke: #8a4bb5 }
text.label { stroke: none }
circle.missed { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet { fill: #9aa4ae }
  .paper { fill: #0d1117 }
  .band { fill: #161b22 }
  .grid { stroke: #30363d }
  .one { stroke: #9aa4ae }
  .p0 { fill: #6ea8ff; stroke: #6ea8ff }
  .p1 { fill: #ff9d4d; stroke: #ff9d4d }
  .p2 { fill: #8fce6a; stroke: #8fce6a }
  .p3 { fill: #cf9bf2; stroke: #cf9bf2 }
  circle.missed { fill: #0d1117 }
}
"""


@dataclass(frozen=True)
class _Dot:
    """A peer's ratio in a row; None where the peer failed."""

    peer: int
    ratio: float | None
    required: float | None


@dataclass(frozen=True)
class _Row:
    metric: Metric
    ours: str
    dots: tuple[_Dot, ...]


class _Scale:
    """Powers of ten from the worst ratio to the best, at least from 1/2 to 10."""

    def __init__(self, ratios: Sequence[float]) -> None:
        self.low = min([0.5, *(ratio / 1.15 for ratio in ratios)])
        self.high = max([10.0, *(ratio * 1.3 for ratio in ratios)])

    def at(self, ratio: float) -> float:
        share = (math.log(ratio) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return LEFT + share * (WIDTH - RIGHT - LEFT)

    def ticks(self) -> list[float]:
        wanted = (step * 10.0**power for power in range(-4, 7) for step in (1, 2, 5))
        inside = [tick for tick in wanted if self.low <= tick <= self.high]
        few = [tick for tick in inside if f"{tick:e}"[0] == "1"]
        return inside if len(inside) <= 12 else few


def as_svg(record: Record, judged: Sequence[Judged]) -> str:
    """Return the picture; it follows the reader's preference for light or dark."""
    rows = _rows(record, judged)
    dots = [dot for row in rows for dot in row.dots]
    scale = _Scale([value for dot in dots for value in (dot.ratio, dot.required) if value])
    height = TOP + ROW * len(rows) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" width="{WIDTH:g}"'
        f' height="{height:g}" role="img">',
        f"<title>{escape(_title(record))}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH:g}" height="{height:g}"/>',
        _text(16, 28, _title(record), "title"),
        *_legend(record.peers, any(dot.required for dot in dots)),
        *(
            f'<rect class="band" x="8" y="{_top(at):g}" width="{WIDTH - 16:g}" height="{ROW:g}"/>'
            for at in range(0, len(rows), 2)
        ),
        *_grid(scale, _top(len(rows))),
    ]
    for at, row in enumerate(rows):
        parts += _drawn(row, _top(at) + ROW / 2, scale, record.peers)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _title(record: Record) -> str:
    return f"{record.ours}: how many times better than its peers"


def _rows(record: Record, judged: Sequence[Judged]) -> list[_Row]:
    required = {(of.gate.metric.key, of.gate.peer): of.gate.number for of in judged}
    rows: list[_Row] = []
    for metric in (METRICS[key] for key in CHARTED):
        ours = record.figure(record.ours, metric.key)
        if isinstance(ours, str) or ours is None:
            continue
        dots: list[_Dot] = []
        for number, peer in enumerate(record.peers):
            theirs = record.figure(peer, metric.key)
            ratio = metric.times_better(ours, theirs)
            if ratio is not None or isinstance(theirs, str):
                dots.append(_Dot(number, ratio, required.get((metric.key, peer))))
        if dots:
            rows.append(_Row(metric, f"{shown(ours)} {metric.unit}".strip(), tuple(dots)))
    return rows


def _top(at: int) -> float:
    return TOP + ROW * at


def _text(x: float, y: float, text: str, classes: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{classes}">{escape(text)}</text>'


def _legend(peers: Sequence[str], gates: bool) -> list[str]:
    parts: list[str] = []
    x = 22.0
    for number, peer in enumerate(peers):
        parts += [_dot(x, 50, number), _text(x + 10, 54.5, f"than {peer}")]
        x += 40 + 8 * len(f"than {peer}")
    if gates:
        parts += [_line("required grid one", x, 43, x, 57), _text(x + 10, 54.5, "required", "quiet")]
        x += 92
        parts += [f'<circle class="one missed" cx="{x:g}" cy="50" r="5"/>', _text(x + 10, 54.5, "missed", "quiet")]
        x += 82
    parts.append(_text(x, 54.5, "right of x1: better", "quiet"))
    return parts


def _grid(scale: _Scale, bottom: float) -> list[str]:
    parts: list[str] = []
    for tick in scale.ticks():
        x = scale.at(tick)
        parts.append(_line("one" if tick == 1 else "grid", x, TOP - 4, x, bottom))
        parts.append(_text(x, bottom + 20, f"x{tick:g}", "quiet middle"))
    return parts


def _drawn(row: _Row, y: float, scale: _Scale, peers: Sequence[str]) -> list[str]:
    parts = [
        _text(16, y + 4.5, row.metric.label),
        _text(LEFT - 14, y + 4.5, row.ours, "quiet end"),
    ]
    for dot in row.dots:
        if dot.required:
            x = scale.at(dot.required)
            above = dot.peer % 2 == 0  # so that two peers' marks at the same place are both seen
            parts.append(_line(f"required p{dot.peer % 4}", x, y - 10 if above else y, x, y if above else y + 10))
    for dot in row.dots:
        if dot.ratio is None:
            parts.append(_text(WIDTH - RIGHT, y + 4.5, f"{peers[dot.peer]} failed", f"label end p{dot.peer % 4}"))
        else:
            hint = f"{times(dot.ratio)} better than {peers[dot.peer]}"
            missed = dot.required is not None and dot.ratio < dot.required
            parts.append(_dot(scale.at(dot.ratio), y, dot.peer, hint, missed))
    return parts


def _dot(x: float, y: float, peer: int, hint: str = "", missed: bool = False) -> str:
    title = f"<title>{escape(hint)}</title>" if hint else ""
    return f'<circle class="p{peer % 4}{" missed" if missed else ""}" cx="{x:.1f}" cy="{y:g}" r="5">{title}</circle>'


def _line(classes: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{classes}" x1="{x1:.1f}" y1="{y1:g}" x2="{x2:.1f}" y2="{y2:g}"/>'
