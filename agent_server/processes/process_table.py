"""Reading the process table of Linux: who is whose child, and is it still the same process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import NamedTuple


class ProcessEntry(NamedTuple):
    """One process at one instant. ``start_ticks`` tells it from a later process with the same pid."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start_ticks: int

    @property
    def is_zombie(self) -> bool:
        """Dead, but nobody has asked for its exit status yet."""
        return self.state in "ZX"


def is_available() -> bool:
    """Whether there is a process table to read."""
    return sys.platform == "linux" and os.path.exists("/proc/self/stat")


def read_entry(pid: int) -> ProcessEntry | None:
    """The entry of one process; None when it is gone."""
    stat = _read(f"/proc/{pid}/stat")
    if not stat:
        return None
    # The name, in brackets, may itself hold blanks and brackets: what counts starts behind the last one.
    fields = stat[stat.rindex(b")") + 2 :].split()
    parent, group, session = map(int, fields[1:4])
    return ProcessEntry(pid, fields[0].decode(), parent, group, session, int(fields[19]))


def children_of(pid: int) -> list[ProcessEntry]:
    """The direct children, zombies among them."""
    pids = _child_pids(pid)
    found = [read_entry(each) for each in (_pids_with_parent(pid) if pids is None else pids)]
    return [entry for entry in found if entry is not None and entry.parent == pid]


def youngest_child_of(pid: int) -> int | None:
    """The child or orphan that came to the main thread of a process last, dead or alive; None if there is none."""
    pids = _read(f"/proc/{pid}/task/{pid}/children").split()
    return int(pids[-1]) if pids else None


def stop_outside_session(pid: int) -> bool:
    """SIGSTOP to a child of ours that is not in our own session; False when it is, or is gone."""
    if sys.platform == "win32":
        return False
    try:
        if os.getsid(pid) == os.getsid(0):
            return False
        os.kill(pid, signal.SIGSTOP)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def descendants_of(pid: int) -> Iterator[ProcessEntry]:
    """Everything below a process, parents before their children."""
    waiting = [pid]
    while waiting:
        below = children_of(waiting.pop())
        yield from below
        waiting.extend(entry.pid for entry in below)


def environment_of(pid: int) -> bytes:
    """The environment that a process was started with, empty when it cannot be read (or is just being replaced)."""
    return _read(f"/proc/{pid}/environ")


def send_signal(entry: ProcessEntry, number: int) -> None:
    """Send a signal to exactly that process; nothing happens when it is gone or not ours to signal."""
    if sys.platform != "linux":
        return
    try:
        descriptor = os.pidfd_open(entry.pid)
    except ProcessLookupError:
        return
    except OSError:
        _send_by_number(entry, number)
        return
    try:
        if _is_current(entry):
            signal.pidfd_send_signal(descriptor, number)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        os.close(descriptor)


def _send_by_number(entry: ProcessEntry, number: int) -> None:
    """Without a pidfd (none left, or an old kernel): the pid might be reused between the look and the signal."""
    try:
        if _is_current(entry):
            os.kill(entry.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _is_current(entry: ProcessEntry) -> bool:
    now = read_entry(entry.pid)
    return now is not None and now.start_ticks == entry.start_ticks


def _child_pids(pid: int) -> list[int] | None:
    """From the kernel's own lists, one per thread; None where the kernel was built without them."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    if not os.path.exists("/proc/self/task/" + str(os.getpid()) + "/children"):
        return None
    lists = [_read(f"/proc/{pid}/task/{thread}/children") for thread in threads]
    return [int(each) for listed in lists for each in listed.split()]


def _pids_with_parent(pid: int) -> list[int]:
    entries = (read_entry(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [entry.pid for entry in entries if entry is not None and entry.parent == pid]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall() or b""
    except OSError:
        return b""
