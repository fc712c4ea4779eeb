"""On which CPUs the driver and the agent run.

Two processes that take turns spend most of their time waking each other where they sit on different CPUs, and whether
they do is the scheduler's whim. So they share one CPU where they take turns, and are free elsewhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_cpu(wanted: bool, round_number: int) -> Iterator[None]:
    """Keep this thread, and what it starts, on one CPU, another one each round; do nothing where not wanted."""
    if not wanted or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    cpus = sorted(before)
    os.sched_setaffinity(0, {cpus[round_number % len(cpus)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
