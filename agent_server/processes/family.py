"""Who belongs to a child of ours, wherever it went: other groups and sessions, orphans, daemons.

On Linux this process becomes a subreaper: orphans below it become its own children instead of init's. Each family
carries a mark in its environment, so that an orphan can be told from those of another family. A process that leaves
its session, loses its parents and drops its environment, all three, is not found. Elsewhere a family is its group.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping

from agent_server.processes import process_table
from agent_server.processes.process_table import ProcessEntry
from agent_server.processes.withholding import withhold

MARK_VARIABLE = "AGENT_SERVER_FAMILY"
"""The marks of all families that a process belongs to, outermost first: an agent of ours may have its own."""

STRANGER_ZOMBIE_S = 2.0
"""Whoever started a process reads its exit status long before; a zombie of unknown origin that old is an orphan."""

_PR_SET_CHILD_SUBREAPER = 36
_FREEZE_LOOKS = 50
_RUNNER_TRIES = 60
_roots: set[int] = set()
_stranger_zombies: dict[ProcessEntry, float] = {}
_subreaper_of_pid = 0


def adopt_orphans() -> None:
    """Make this process the subreaper of what it starts (Linux; elsewhere, or if refused, nothing happens)."""
    global _subreaper_of_pid
    if sys.platform != "linux" or _subreaper_of_pid == os.getpid():
        return
    withhold()
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _subreaper_of_pid = os.getpid()


def new_mark() -> str:
    """A mark that no other family has."""
    return os.urandom(12).hex()


def marked(environment: Mapping[str, str], mark: str) -> dict[str, str]:
    """The environment with this mark added to those which this process carries itself."""
    return {**environment, MARK_VARIABLE: ":".join(filter(None, (os.environ.get(MARK_VARIABLE), mark)))}


class Family:
    """A child of ours and all that descends from it.

    ``is_doubtful`` after a look: it met an orphan that it could not judge and had not met before. One had just died,
    perhaps after starting another one that the look missed; or one showed no environment, as it is for a moment in
    every exec. Whoever needs to be sure looks again a little later.
    """

    def __init__(self, root: int, mark: str) -> None:
        self.root = root
        self._mark = mark.encode()
        self._known: set[tuple[int, int]] = set()
        self._asked_to_end: set[int] = set()
        self._is_ending = False
        self._doubts: set[tuple[int, int]] = set()
        self.is_doubtful = False
        _roots.add(root)

    def living(self) -> list[ProcessEntry]:
        """Every living member, and reap the dead ones that became ours. Remembers whom it saw.

        Linux only: empty where there is no process table.
        """
        found: dict[int, ProcessEntry] = {}
        for entry in self._top_entries():
            found[entry.pid] = entry
            found.update((below.pid, below) for below in process_table.descendants_of(entry.pid))
        self._known.update((entry.pid, entry.start_ticks) for entry in found.values())
        return [entry for entry in found.values() if not entry.is_zombie]

    def terminate(self) -> None:
        """SIGTERM to every member, once each; call it again for those that have just been started."""
        # The look comes before the first of them dies: its zombies come to us then, and show no mark.
        new = {entry.pid: entry for entry in self.living() if entry.pid not in self._asked_to_end}
        if not self._is_ending:
            self._signal_group(signal.SIGTERM)
        for entry in new.values():
            if self._is_ending or entry.group != self.root:
                process_table.send_signal(entry, signal.SIGTERM)
        self._asked_to_end |= new.keys()
        self._is_ending = True

    def kill(self) -> None:
        """SIGKILL all members, frozen first, so that none starts another one while we look for them."""
        if sys.platform == "win32":
            return
        frozen: dict[int, ProcessEntry] = {}
        for _ in range(_FREEZE_LOOKS):
            new = [entry for entry in self.living() if entry.pid not in frozen]
            if not new:
                if not self.is_doubtful:
                    break
                self._stop_a_runner()
            for entry in new:
                process_table.send_signal(entry, signal.SIGSTOP)
                frozen[entry.pid] = entry
        self._signal_group(signal.SIGKILL)
        for entry in frozen.values():
            process_table.send_signal(entry, signal.SIGKILL)

    def _stop_a_runner(self) -> None:
        """Stop the youngest orphan before asking whose it is: what forks and exits at once is dead by the answer."""
        passed: set[int] = set()
        for _ in range(_RUNNER_TRIES):
            pid = process_table.youngest_child_of(os.getpid())
            if pid is None or pid in _roots or pid in passed or not process_table.stop_outside_session(pid):
                continue
            entry = process_table.read_entry(pid)
            if entry is not None and not entry.is_zombie and not self._owns(entry):
                process_table.send_signal(entry, signal.SIGCONT)
                passed.add(pid)

    def group_exists(self) -> bool:
        """Whether the group of the child has members, as far as a signal can tell (a zombie counts)."""
        if sys.platform == "win32":
            return False
        try:
            os.killpg(self.root, 0)
        except (ProcessLookupError, PermissionError):  # macOS: PermissionError when only zombies are left
            return False
        return True

    def forget(self) -> None:
        """The exit status of the child has been read: its pid means nothing any more."""
        _roots.discard(self.root)

    def _signal_group(self, number: int) -> None:
        if sys.platform == "win32" or self.root not in _roots:
            return
        try:
            os.killpg(self.root, number)
        except (ProcessLookupError, PermissionError):
            pass

    def _top_entries(self) -> list[ProcessEntry]:
        """The child itself, and the members that were orphaned and adopted."""
        if not process_table.is_available():
            return []
        mine = process_table.children_of(os.getpid())
        adopted = [entry for entry in mine if entry.pid not in _roots]
        owned: list[ProcessEntry] = []
        doubts: set[tuple[int, int]] = set()
        for orphan in adopted:
            if orphan.is_zombie:
                doubts.add((orphan.pid, -1))
                if self._is_known(orphan) or _is_orphan(orphan):
                    _reap(orphan)
            elif owns := self._owns(orphan):
                owned.append(orphan)
            elif owns is None:
                doubts.add((orphan.pid, orphan.start_ticks))
        self.is_doubtful = not doubts <= self._doubts
        self._doubts = doubts
        return [entry for entry in mine if entry.pid == self.root] + owned

    def _owns(self, orphan: ProcessEntry) -> bool | None:
        """Whether it is a member; None: it cannot be told."""
        if self._is_known(orphan) or orphan.session == self.root:
            return True
        if orphan.session == os.getsid(0):
            return False
        environment = process_table.environment_of(orphan.pid)
        return self._mark in environment if environment else None

    def _is_known(self, entry: ProcessEntry) -> bool:
        return (entry.pid, entry.start_ticks) in self._known


def reap_strangers() -> bool:
    """Reap the zombies of unknown origin that are old by now. True: younger ones are left."""
    zombies = [entry for entry in process_table.children_of(os.getpid()) if entry in _stranger_zombies]
    for gone in _stranger_zombies.keys() - zombies:
        del _stranger_zombies[gone]
    for zombie in zombies:
        if zombie.pid not in _roots and _is_orphan(zombie):
            _reap(zombie)
    return bool(_stranger_zombies)


def _is_orphan(zombie: ProcessEntry) -> bool:
    """Whether it came to us as an orphan; not what somebody else in this program started and may still wait for."""
    if zombie.session == os.getsid(0):
        return False
    # What was started here is in our session or leads one of its own.
    if zombie.session != zombie.pid:
        return True
    first_seen_s = _stranger_zombies.setdefault(zombie, time.monotonic())
    return time.monotonic() - first_seen_s >= STRANGER_ZOMBIE_S


def _reap(zombie: ProcessEntry) -> None:
    _stranger_zombies.pop(zombie, None)
    try:
        os.waitpid(zombie.pid, os.WNOHANG)
    except ChildProcessError:
        pass
