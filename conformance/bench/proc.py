"""What Linux tells about a process and its descendants: CPU time, memory, wake-ups. Elsewhere everything is None."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

KNOWN: Final = os.path.exists("/proc/self/smaps_rollup")
"""Whether this system has what the rest of the module reads."""


def family(pid: int) -> Iterator[int]:
    """Yield the process and its descendants as they are now."""
    yield pid
    for task in _tasks(pid):
        for child in _read(f"/proc/{pid}/task/{task}/children").split():
            yield from family(int(child))


def cpu_s(pid: int) -> float | None:
    """Return the CPU seconds of the family, user and system, as exact as the clock of a process (nanoseconds)."""
    if not KNOWN:
        return None
    total = 0.0
    for member in family(pid):
        try:
            total += time.clock_gettime(~member << 3 | 2)  # CPUCLOCK_SCHED of another process, see clock_getcpuclockid
        except OSError:
            pass  # gone meanwhile
    return total


def spent_s(pid: int, before_s: float | None) -> float | None:
    """Return the CPU seconds of the family since it had ``before_s``."""
    now_s = cpu_s(pid)
    return None if now_s is None or before_s is None else now_s - before_s


def resident_kib(pid: int) -> int | None:
    """Return the resident memory of the family."""
    return _sum_of("VmRSS", pid)


def peak_kib(pid: int) -> int | None:
    """Return the highest resident memory since `forget_peak`, summed over the family."""
    return _sum_of("VmHWM", pid)


def forget_peak(pid: int) -> None:
    """Let the peak begin anew at what is resident now."""
    if KNOWN:
        for member in family(pid):
            try:
                with open(f"/proc/{member}/clear_refs", "w") as file:
                    file.write("5")
            except OSError:
                pass  # gone meanwhile


def grown_mib(before_kib: int | None, after_kib: int | None) -> float | None:
    """Return the difference of two amounts of memory."""
    return None if before_kib is None or after_kib is None else (after_kib - before_kib) / 1024


def wakeups(pid: int) -> int | None:
    """Return how often threads of the family waited for something and were woken."""
    if not KNOWN:
        return None
    paths = (f"/proc/{member}/task/{task}/status" for member in family(pid) for task in _tasks(member))
    return sum(_field("voluntary_ctxt_switches", _read(path)) for path in paths)


def _sum_of(field: str, pid: int) -> int | None:
    if not KNOWN:
        return None
    return sum(_field(field, _read(f"/proc/{member}/status")) for member in family(pid))


def _field(name: str, status: str) -> int:
    _, found, rest = status.partition(f"{name}:")
    return int(rest.split(maxsplit=1)[0]) if found else 0


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
