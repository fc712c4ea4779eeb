"""Every metric by its key: the section, what it says to a reader, its unit, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from conformance.bench.figures import Figure


class Better(Enum):
    """Which way is better."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


@dataclass(frozen=True)
class Metric:
    """One row of the table. The letter in front of the key is the section's."""

    key: str
    label: str
    unit: str
    better: Better = Better.LOWER

    @property
    def section(self) -> str:
        """The letter under which it is reported."""
        return self.key[0]

    @property
    def title(self) -> str:
        """Section, label and unit."""
        return f"({self.section}) {self.label}" + (f", {self.unit}" if self.unit else "")

    def times_better(self, ours: Figure | None, theirs: Figure | None) -> float | None:
        """Return how many times better ours is than theirs, below 1 if it is worse; None where that says nothing."""
        if not isinstance(ours, (int, float)) or not isinstance(theirs, (int, float)):
            return None
        if self.better is Better.NEITHER or ours <= 0 or theirs <= 0:
            return None
        return ours / theirs if self.better is Better.HIGHER else theirs / ours


def _all() -> list[Metric]:
    higher = Better.HIGHER
    return [
        Metric("a.init_ms", "start of the process to the answer to initialize", "ms"),
        Metric("a.first_chunk_ms", "start of the process to the first chunk of a first prompt", "ms"),
        Metric("a.cpu_ms", "CPU up to the answer to initialize", "ms"),
        Metric("a.rss_mib", "memory after initialize", "MiB"),
        Metric("b.cold_p50_us", "session/new, median of the first 1000", "us"),
        Metric("b.cold_p99_us", "session/new, 99th percentile of the first 1000", "us"),
        Metric("b.warm_p50_us", "session/new, median, steady", "us"),
        Metric("b.warm_p99_us", "session/new, 99th percentile, steady", "us"),
        Metric("b.cold_cpu_us", "session/new, CPU, first 1000", "us"),
        Metric("b.warm_cpu_us", "session/new, CPU, steady", "us"),
        Metric("b.rss_first_mib", "memory with 1 session", "MiB"),
        Metric("b.rss_all_mib", "memory with 1000 sessions", "MiB"),
        Metric("b.kib_per_session", "memory per idle session", "KiB"),
        Metric("c.cold_p50_us", "prompt round trip, median of the first 1000", "us"),
        Metric("c.cold_p99_us", "prompt round trip, 99th percentile of the first 1000", "us"),
        Metric("c.warm_p50_us", "prompt round trip, median, steady", "us"),
        Metric("c.warm_p99_us", "prompt round trip, 99th percentile, steady", "us"),
        Metric("c.cpu_us", "CPU per prompt, steady", "us"),
        Metric("c.first_chunk_us", "prompt to its first chunk, median, steady", "us"),
        Metric("d.small_cold_per_s", "first stream of 32 B chunks", "updates/s", higher),
        Metric("d.small_per_s", "stream of 32 B chunks", "updates/s", higher),
        Metric("d.small_mb_per_s", "stream of 32 B chunks, on the wire", "MB/s", higher),
        Metric("d.large_cold_per_s", "first stream of 4 KiB chunks", "updates/s", higher),
        Metric("d.large_per_s", "stream of 4 KiB chunks", "updates/s", higher),
        Metric("d.large_mb_per_s", "stream of 4 KiB chunks, on the wire", "MB/s", higher),
        Metric("d.yield_cold_per_s", "first stream of 32 B chunks, yielding after each", "updates/s", higher),
        Metric("d.yield_per_s", "stream of 32 B chunks, yielding after each", "updates/s", higher),
        Metric("d.small_driver_share", "driver's share of its CPU, 32 B chunks", "", Better.NEITHER),
        Metric("d.large_driver_share", "driver's share of its CPU, 4 KiB chunks", "", Better.NEITHER),
        Metric("e.fs_cold_per_s", "fs/read_text_file, first 1000", "per s", higher),
        Metric("e.fs_per_s", "fs/read_text_file, steady", "per s", higher),
        Metric("e.fs_cpu_us", "CPU per fs/read_text_file", "us"),
        Metric("e.perm_cold_per_s", "session/request_permission, first 1000", "per s", higher),
        Metric("e.perm_per_s", "session/request_permission, steady", "per s", higher),
        Metric("e.perm_cpu_us", "CPU per session/request_permission", "us"),
        *(metric for name, which in (("yield", "yielding"), ("tight", "tight")) for metric in _crowd(name, which)),
        *(metric for megabytes in (1, 10, 50) for metric in _big(megabytes)),
        Metric("h.growth_mib", "client stops reading: growth of the peak of memory", "MiB"),
        Metric("h.cpu_ms", "client stops reading: CPU meanwhile", "ms"),
        Metric("h.backlog", "client stops reading: updates that it still gets after its cancel", ""),
        Metric("h.recover_ms", "client stops reading: cancel to response, with the backlog", "ms"),
        Metric("h.reason", "client stops reading: stopReason", "", Better.NEITHER),
        *(metric for name, which in (("tight", "tight"), ("yield", "yielding")) for metric in _cancel(name, which)),
        Metric("j.small_cpu_s", "CPU per 100,000 updates of 32 B", "s"),
        Metric("j.large_cpu_s", "CPU per 100,000 updates of 4 KiB", "s"),
        Metric("j.yield_cpu_s", "CPU per 100,000 yielding updates", "s"),
        Metric("k.cpu_ms_per_s", "CPU while idle", "ms/s"),
        Metric("k.wakeups_per_s", "wake-ups while idle", "per s"),
        Metric("l.exit_ms", "end of the input to the exit", "ms"),
        Metric("l.statuses", "exit statuses", "", Better.NEITHER),
        Metric("m.received_per_s", "client library: updates received", "per s", higher),
    ]


def _crowd(name: str, which: str) -> list[Metric]:
    return [
        Metric(f"f.{name}_total_ms", f"100 {which} streams of 100 chunks at once", "ms"),
        Metric(f"f.{name}_unfairness", f"100 {which} streams: last end / first end", ""),
        Metric(f"f.{name}_probe_p50_ms", f"a prompt beside 100 {which} streams, median", "ms"),
        Metric(f"f.{name}_probe_p99_ms", f"a prompt beside 100 {which} streams, 99th percentile", "ms"),
    ]


def _big(megabytes: int) -> list[Metric]:
    what = f"prompt of {megabytes} MB"
    return [
        Metric(f"g.{megabytes}mb_ms", what, "ms"),
        Metric(f"g.{megabytes}mb_cpu_ms", f"{what}: CPU", "ms"),
        Metric(f"g.{megabytes}mb_peak_mib", f"{what}: growth of the peak of memory", "MiB"),
        Metric(f"g.{megabytes}mb_peak_ratio", f"{what}: growth of the peak over the size", ""),
    ]


def _cancel(name: str, which: str) -> list[Metric]:
    return [
        Metric(f"i.{name}_p50_ms", f"cancel of a {which} stream, median", "ms"),
        Metric(f"i.{name}_max_ms", f"cancel of a {which} stream, longest", "ms"),
        Metric(f"i.{name}_late", f"cancel of a {which} stream: updates after it, median", ""),
    ]


METRICS: Final[Mapping[str, Metric]] = {metric.key: metric for metric in _all()}
"""In the order of the table."""
