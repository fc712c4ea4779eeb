"""The results as a table: aligned for a terminal, and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from conformance.bench.figures import Figure
from conformance.bench.gates import Judged, Verdict
from conformance.bench.metrics import METRICS, Metric
from conformance.bench.record import Record

HEADLINE = "(xR): ours is R times better; below 1 it is worse. Medians of the rounds."
TEXT_LENGTH = 60


def shown(figure: Figure | None) -> str:
    """Return a figure with three digits, grouped in thousands."""
    if figure is None:
        return "-"
    if isinstance(figure, str):
        return figure if len(figure) <= TEXT_LENGTH else figure[: TEXT_LENGTH - 1] + "…"
    if figure == 0:
        return "0"
    size = abs(figure)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4
    return f"{figure:,.{digits}f}"


def times(ratio: float) -> str:
    """Return a ratio, with more digits the closer it is to 1."""
    return f"x{ratio:.0f}" if ratio >= 100 else f"x{ratio:.1f}" if ratio >= 10 else f"x{ratio:.2f}"


def header(record: Record) -> list[str]:
    """Return the heads of the columns."""
    return ["metric", record.ours, *record.peers, "gates"]


def rows(record: Record, judged: Sequence[Judged]) -> list[list[str]]:
    """Return one row for each metric of which anybody has a figure."""
    names = list(record.found)
    made: list[list[str]] = []
    for metric in METRICS.values():
        figures = [record.figure(name, metric.key) for name in names]
        if any(figure is not None for figure in figures):
            ours, *theirs = figures
            gates = " · ".join(of.text for of in judged if of.gate.metric is metric)
            made.append([metric.title, shown(ours), *(_beside(metric, ours, peer) for peer in theirs), gates])
    return made


def _beside(metric: Metric, ours: Figure | None, theirs: Figure | None) -> str:
    ratio = metric.times_better(ours, theirs)
    return shown(theirs) + (f" ({times(ratio)})" if ratio is not None else "")


def summary(record: Record, judged: Sequence[Judged]) -> list[str]:
    """Return what is to be said below the table: the gates, the failures, and what could not be measured."""
    counts = {verdict: sum(of.verdict is verdict for of in judged) for verdict in Verdict}
    said = f"gates: {counts[Verdict.MET]} met, {counts[Verdict.MISSED]} missed"
    if counts[Verdict.UNKNOWN]:
        said += f", {counts[Verdict.UNKNOWN]} not measured"
    lines = [said]
    lines += [f"missed: {of.gate.metric.title}: {of.text}" for of in judged if of.verdict is Verdict.MISSED]
    if not record.circumstances.get("proc", True):
        lines.append("CPU time, memory and wake-ups are left out: this system has no /proc")
    if busy := _busy(record):
        lines.append(busy)
    for name, found in record.found.items():
        for measurement, failures in found.failures.items():
            lines += [f"{name} failed {measurement} {_often(failures, why)}: {why}" for why in dict.fromkeys(failures)]
    lines += [f"{name} gave no figure at all" for name in record.broken]
    return lines


def _busy(record: Record) -> str | None:
    load, cpus = max(record.circumstances.get("load_average", ()), default=0.0), record.circumstances.get("cpus")
    # The run itself is one or two processes of the load.
    if not cpus or load <= max(cpus, 2):
        return None
    return f"the machine was busy (load average up to {load:.1f} on {cpus} CPUs): distrust every figure of elapsed time"


def _often(failures: Sequence[str], why: str) -> str:
    number = failures.count(why)
    return "once" if number == 1 else f"{number} times"


def as_text(record: Record, judged: Sequence[Judged]) -> str:
    """Return the table for a terminal."""
    table = [header(record), *rows(record, judged)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    *_, last = range(len(widths))

    def line(cells: Iterable[str]) -> str:
        placed = [
            cell if at == last else cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(placed).rstrip()

    return "\n".join([*map(line, table), "", HEADLINE, *summary(record, judged)]) + "\n"


def as_markdown(record: Record, judged: Sequence[Judged]) -> str:
    """Return the table in Markdown, with the circumstances."""
    table = [header(record), ["---"] * (len(record.found) + 2), *rows(record, judged)]
    lines = [f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |" for cells in table]
    below = [f"- {line}" for line in summary(record, judged)]
    return "\n".join([*_circumstances(record), "", *lines, "", HEADLINE, "", *below]) + "\n"


def _circumstances(record: Record) -> list[str]:
    of = record.circumstances
    versions = ", ".join(f"{name}: {version}" for name, version in of.get("versions", {}).items())
    where = f"{of.get('cpus')} CPUs ({of.get('processor')}), {of.get('machine')}, Python {of.get('python')}"
    return [f"{of.get('date')}, {of.get('rounds')} rounds, {where}." + (f" {versions}." if versions else "")]
