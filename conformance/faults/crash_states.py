"""``python -m conformance.faults.crash_states --agent CMD``: what does the agent make of every state a crash can leave?

The agent holds a conversation under strace, ends, and comes back to it. Then its store directory is rebuilt as it was
after each of its system calls and in the middle of its writes (*killed*), and as it may be when the power fails there:
of what was not synced only some 512-byte sectors are left, some of them torn (*power*; with ``--names`` unsynced names
of files may be lost too). Each state is given to the agent: it must start, list and load, end what was interrupted,
take a new prompt, and show:

* killed: everything that it had written to its client by then;
* power: everything that the client had seen by the end of the last turn, and, for a session whose tool was about to act
  on the world, what it had seen of that session before.

Exit status: 0 nothing was lost, 1 something was, 2 the command line is wrong, 3 this machine has no strace.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from conformance.faults.disk import Disk, lay_out
from conformance.faults.editor import Editor, Refused
from conformance.faults.raw_agent import Lost
from conformance.faults.recording import Recording, recorded
from conformance.faults.seen import losses
from conformance.faults.story import PROMPTS, SHORT
from conformance.faults.subject import NotPossible, Subject, add_arguments, print_losses, subject

OK, LOST, IMPOSSIBLE = 0, 1, 3
STATES: Final = 1200
FAST: Final = Path("/dev/shm")
READERS: Final = 2

Model = Literal["killed", "power"]


@dataclass(frozen=True)
class State:
    """One state: after so many changes, the last write cut, or what ``seed`` leaves without power."""

    model: Model
    after: int
    cut: int | None = None
    seed: int = 0

    def __str__(self) -> str:
        how = f"cut at byte {self.cut}" if self.cut is not None else f"seed {self.seed}" if self.seed else "whole"
        return f"{self.model} after change {self.after}, {how}"


def states(recording: Recording, number: int, seed: int) -> list[State]:
    """So many states in which the process was killed, and half as many without power; fewer where there are no more."""
    dice = random.Random(seed)
    changes = recording.changes
    disk = [place for place, change in enumerate(changes, 1) if change.kind != "told"]
    told = [place for place, change in enumerate(changes, 1) if change.kind == "told"]
    whole = [State("killed", place) for place in disk + told]
    cuts_each = number // len(disk) + 2
    torn = [
        State("killed", place, cut)
        for place in disk
        for cut in sorted(_cuts(len(changes[place - 1].data), dice, cuts_each))
    ]
    killed = dice.sample(whole, min(len(whole), number // 2))
    killed += dice.sample(torn, min(len(torn), number - len(killed)))
    power = [State("power", disk[turn % len(disk)], seed=1 + turn) for turn in range(max(number // 2, 1))]
    if len(power) < len(disk):
        power = [State("power", place, seed=1 + place) for place in dice.sample(disk, len(power))]
    return killed + power


def _cuts(length: int, dice: random.Random, number: int) -> set[int]:
    """Places inside a write."""
    if length < 2:
        return set()
    return {1, length - 1, length // 2, *(dice.randrange(1, length) for _ in range(number))}


class Tried:
    """Gives states to an agent. ``keep``: where those are left behind that it loses something of."""

    def __init__(
        self, agent: Subject, recording: Recording, directory: Path, *, names: bool = False, keep: Path | None = None
    ) -> None:
        self._agent = agent
        self._recording = recording
        self._directory = directory
        self._names = names
        self._keep = keep

    def losses(self, state: State) -> list[str]:
        """What is wrong when the agent is started on a state."""
        place = self._directory / f"{state.model}-{state.after}-{state.cut}-{state.seed}"
        disk = Disk()
        changes = self._recording.changes[: state.after]
        for change in changes[:-1]:
            disk.take(change)
        disk.take(changes[-1], state.cut)
        killed = state.model == "killed"
        dice = random.Random(f"{state.after}/{state.seed}")
        lay_out(disk.killed() if killed else disk.without_power(dice, names=self._names), disk.directories(), place)
        if self._keep is not None:
            kept = self._keep / place.name
            shutil.copytree(place, kept, dirs_exist_ok=True)
        found = self._read(state, place)
        shutil.rmtree(place)
        if self._keep is not None and not found:
            shutil.rmtree(kept)
        return [f"{state} ({changes[-1]}): {loss}" for loss in found]

    def _read(self, state: State, place: Path) -> list[str]:
        found: list[str] = []
        killed = state.model == "killed"
        expected = self._recording.seen_at(state.after) if killed else self._recording.safe_at(state.after)
        with Editor(self._agent.command(place)) as editor:
            try:
                editor.open()
                listed = {row["sessionId"] for row in editor.listed()}
            except (Lost, Refused) as trouble:
                return [f"it does not start: {trouble}"]
            found += [f"{session_id} is not listed" for session_id in expected.sessions.keys() - listed]
            if not (self._names and not killed):
                found += [f"{session_id} was deleted and is listed" for session_id in expected.gone & listed]
            for session_id in sorted(expected.sessions.keys() | listed):
                try:
                    replay = editor.load(session_id, self._recording.workspace)
                    if session_id in expected.sessions:
                        lost = losses(expected.sessions[session_id], replay, settled=killed)
                        found += [f"{session_id}: {loss}" for loss in lost]
                    if editor.turn(session_id, SHORT) != "end_turn":
                        found.append(f"{session_id}: the next prompt did not end as it should")
                except (Lost, Refused) as trouble:
                    found.append(f"{session_id} cannot be read: {trouble}")
        return found


def run(
    agent: Subject,
    number: int,
    seed: int,
    prompts: Sequence[str] = PROMPTS,
    *,
    names: bool = False,
    keep: Path | None = None,
) -> tuple[Recording, Counter[str], list[str]]:
    """Watch an agent and try so many states; what was recorded, what was tried, what was lost.

    Raises:
        NotPossible: there is no strace, or the agent does something that cannot be followed.
    """
    did: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="crashes-", dir=FAST if FAST.is_dir() else None) as place:
        directory = Path(place)
        recording = recorded(agent, directory, prompts)
        tried = Tried(agent, recording, directory / "states", names=names, keep=keep)
        wanted = states(recording, number, seed)
        with ThreadPoolExecutor(READERS) as readers:
            found = list(readers.map(tried.losses, wanted))
    for state, lost in zip(wanted, found, strict=True):
        did[f"states {state.model}"] += 1
        did[f"states {state.model} with losses"] += bool(lost)
    return recording, did, [loss for lost in found for loss in lost]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status is said above."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.faults.crash_states",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    parser.add_argument("--states", type=int, default=STATES, metavar="N", help="killed; half as many without power")
    parser.add_argument("--names", action="store_true", help="names of files may be lost too when the power fails")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the states there of which something is lost")
    parser.add_argument("--prompt", action="append", metavar="TEXT", help="what is said; repeatable (the story's)")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="story-") as directory:
        agent = subject(given, Path(directory))
        try:
            recording, did, lost = run(
                agent, given.states, given.seed, given.prompt or PROMPTS, names=given.names, keep=given.keep
            )
        except NotPossible as why:
            print(f"not possible here: {why}", file=sys.stderr)
            return IMPOSSIBLE
    print(f"{len(recording.changes):8} changes of the store and frames to the client, {recording.summary()}")
    for what, count in sorted(did.items()):
        print(f"{count:8} {what}")
    print_losses(lost)
    print(f"{len(lost)} losses, {time.monotonic() - began:.1f} s")
    return LOST if lost else OK


if __name__ == "__main__":
    sys.exit(main())
