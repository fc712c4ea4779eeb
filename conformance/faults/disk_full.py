"""``python -m conformance.faults.disk_full --agent CMD``: what does the agent do when its store cannot grow?

Each trial starts the agent on an empty store, takes some turns, lets the space end after so many bytes, and goes on:
every prompt must still be answered as before, and the client must be told once for each session that it cannot be
saved (``…/session/save_failed``, or a notice). Then, in turns:

* *again*: there is space again, the client says something more, and the agent ends with its input;
* *alone*: there is space again, nobody says anything for a while, and the agent is killed;
* *killed*: the agent is killed while there is no space;
* *ended*: the agent ends with its input while there is no space.

A new agent must read everything: all that was seen in the first two cases, and in the others all that was seen before
the space ended. The space ends in one of two ways: the store is a file system of its own, in memory and 1 MiB small
(*mount*, for root), or files may not become longer (*limit*), which ends it at any byte.

Exit status: 0 nothing was lost, 1 something was, 2 the command line is wrong, 3 this machine can do neither.
"""

from __future__ import annotations

import argparse
import copy
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from conformance.faults.editor import Editor, Refused
from conformance.faults.raw_agent import Lost
from conformance.faults.seen import Seen, losses
from conformance.faults.story import SHORT, STREAM, WRITE
from conformance.faults.subject import NotPossible, Subject, add_arguments, print_losses, subject

OK, LOST, IMPOSSIBLE = 0, 1, 3
TRIALS: Final = 120
ALONE_S: Final = 8.0
SIZE_BYTES: Final = 1 << 20
MOST_FREE_BYTES: Final = 24_000
MOST_TURNS: Final = 40
AT_ONCE: Final = 2
NOT_TOLD: Final = "nobody was told that nothing can be saved"
PROMPTS: Final = (STREAM, WRITE, SHORT)

Way = Literal["mount", "limit"]
End = Literal["again", "alone", "killed", "ended"]
ENDS: Final[tuple[End, ...]] = ("again", "killed", "ended", "again", "killed", "alone")


@dataclass(frozen=True)
class Trial:
    """One trial: how the space ends, after how many bytes, and what happens then."""

    way: Way
    free: int
    end: End

    def __str__(self) -> str:
        return f"{self.way}, {self.free} bytes left, {self.end}"


@dataclass
class Space:
    """The place of a store, which can be filled up. ``editor``: the agent whose files may not become longer."""

    way: Way
    place: Path
    editor: Editor | None = None

    @property
    def store(self) -> Path:
        return self.place / "store"

    def end(self, free: int) -> None:
        """Leave so many bytes: of the file system, or to the longest file."""
        if self.way == "limit":
            longest = max((file.stat().st_size for file in self.store.rglob("*") if file.is_file()), default=0)
            self._limit(longest + free)
            return
        with open(self.place / "ballast", "wb", buffering=0) as ballast:
            left = os.statvfs(self.place)
            ballast.write(bytes(max(0, left.f_bavail * left.f_frsize - free)))

    def give_back(self) -> None:
        """There is space again."""
        if self.way == "limit":
            self._limit(resource.RLIM_INFINITY)
        else:
            (self.place / "ballast").unlink()

    def _limit(self, size: int) -> None:
        assert self.editor is not None
        resource.prlimit(self.editor.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def space(way: Way) -> Iterator[Space]:
    """A place for a store.

    Raises:
        NotPossible: it cannot be made here.
    """
    with tempfile.TemporaryDirectory(prefix="full-") as directory:
        if way == "limit":
            yield Space(way, Path(directory))
            return
        _run("mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES},mode=700", "tmpfs", directory)
        try:
            yield Space(way, Path(directory))
        finally:
            _run("umount", "-l", directory)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotPossible(f"{command[0]}: {error}") from None
    if done.returncode:
        raise NotPossible(f"{' '.join(command[:3])}: {done.stderr.strip()}")


@dataclass
class Found:
    """What a trial found, and what it did."""

    lost: list[str] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)


class Player:
    """Plays one trial with an agent."""

    def __init__(self, agent: Subject, trial: Trial, alone_s: float) -> None:
        self._agent = agent
        self._trial = trial
        self._alone_s = alone_s
        self._turns = 0
        self.found = Found()

    def play(self) -> Found:
        """The trial, and what a new agent reads afterwards.

        Raises:
            NotPossible: the space cannot be made to end here.
        """
        with tempfile.TemporaryDirectory(prefix="workspace-") as directory, space(self._trial.way) as place:
            workspace = Path(directory)
            place.store.mkdir(mode=0o700)
            try:
                with Editor(self._agent.command(place.store), files=True) as editor:
                    expected, settled = self._without_space(editor, place, workspace)
                self._read(place, workspace, expected, settled=settled)
            except (Lost, Refused) as trouble:
                self.found.lost.append(str(trouble))
        self.found.lost = [f"{self._trial}: {loss}" for loss in self.found.lost]
        return self.found

    def _without_space(self, editor: Editor, place: Space, workspace: Path) -> tuple[dict[str, Seen], bool]:
        """What must be there afterwards, and whether that is all."""
        place.editor = editor
        editor.open()
        sessions = [editor.make(workspace) for _ in range(2)]
        for session_id in sessions:
            self._turn(editor, session_id)
        before = copy.deepcopy(editor.seen)
        editor.notices.clear()
        place.end(self._trial.free)
        while not self._told(editor) and self._turns < MOST_TURNS:
            for session_id in sessions:
                self._turn(editor, session_id)
        self._more(editor, sessions, workspace)
        if not self._told(editor):
            self.found.lost.append(NOT_TOLD)
        return self._end(editor, place, sessions, before)

    def _more(self, editor: Editor, sessions: Sequence[str], workspace: Path) -> None:
        """Go on without space, with a session that is begun without it too."""
        for session_id in sessions:
            self._turn(editor, session_id)
        try:
            self._turn(editor, editor.make(workspace))
        except Refused:
            self.found.did["sessions that were not begun without space"] += 1
        for session_id, count in self._told(editor).items():
            if count > 1:
                self.found.lost.append(f"{session_id}: told {count} times that it cannot be saved")

    def _end(
        self, editor: Editor, place: Space, sessions: Sequence[str], before: dict[str, Seen]
    ) -> tuple[dict[str, Seen], bool]:
        if self._trial.end == "killed":
            editor.kill()
        elif self._trial.end == "ended":
            self._end_input(editor)
        if self._trial.way == "mount" or self._trial.end in ("again", "alone"):
            place.give_back()
        if self._trial.end == "again":
            for session_id in sessions:
                self._turn(editor, session_id)
            self._end_input(editor)
        elif self._trial.end == "alone":
            until = time.monotonic() + self._alone_s
            while time.monotonic() < until:
                editor.pump(until - time.monotonic())
            editor.kill()
        else:
            return before, False
        return editor.seen, True

    def _end_input(self, editor: Editor) -> None:
        editor.close_input()
        editor.drain_and_look()
        status = editor.exited(5.0)
        if status != 0:
            self.found.lost.append(f"it ended with {status}")

    def _turn(self, editor: Editor, session_id: str) -> None:
        self._turns += 1
        reason = editor.turn(session_id, f"{PROMPTS[self._turns % len(PROMPTS)]} {self._turns}")
        self.found.did["turns"] += 1
        if reason != "end_turn":
            self.found.lost.append(f"a turn without space ended with {reason}")

    def _told(self, editor: Editor) -> Counter[str]:
        """How often each session was said not to be saved; by a notification or by a notice, which count once."""
        ways = [
            Counter(str(params.get("sessionId")) for kind, params in editor.notices if kind.endswith("/save_failed")),
            Counter(str(params.get("sessionId")) for kind, params in editor.notices if _warns(kind, params)),
        ]
        return ways[0] | ways[1]

    def _read(self, place: Space, workspace: Path, expected: dict[str, Seen], *, settled: bool) -> None:
        with Editor(self._agent.command(place.store), files=True) as editor:
            editor.open()
            listed = {row["sessionId"] for row in editor.listed()}
            for session_id, seen in expected.items():
                if session_id not in listed:
                    self.found.lost.append(f"{session_id} is not listed")
                replay = editor.load(session_id, workspace)
                self.found.lost += [f"{session_id}: {loss}" for loss in losses(seen, replay, settled=settled)]
                self.found.did["sessions compared"] += 1
            for session_id in listed:
                self._turn(editor, session_id) if session_id in expected else editor.load(session_id, workspace)


def _warns(kind: str, params: Mapping[str, Any]) -> bool:
    return kind == "notice" and (params.get("update") or {}).get("severity") in ("warning", "error")


def trials(ways: Sequence[Way], number: int, seed: int) -> list[Trial]:
    """So many trials: bytes at random, spread evenly, and each way and end in turns."""
    dice = random.Random(seed)
    free = [int((place + dice.random()) * MOST_FREE_BYTES / number) for place in range(number)]
    dice.shuffle(free)
    return [
        Trial(ways[place % len(ways)], left, ENDS[place // len(ways) % len(ENDS)]) for place, left in enumerate(free)
    ]


def possible(ways: Sequence[Way]) -> list[Way]:
    """Those ways that this machine allows.

    Raises:
        NotPossible: it allows none.
    """
    allowed: list[Way] = []
    why = "this system cannot limit the files of another process"
    for way in ways:
        try:
            if way == "limit" and not hasattr(resource, "prlimit"):
                continue
            with space(way):
                allowed.append(way)
        except NotPossible as not_possible:
            why = str(not_possible)
    if not allowed:
        raise NotPossible(why)
    return allowed


def run(agent: Subject, wanted: Sequence[Trial], alone_s: float = ALONE_S) -> Found:
    """Play the trials, some at once. Raises `NotPossible`."""
    with ThreadPoolExecutor(AT_ONCE) as players:
        results = list(players.map(lambda trial: Player(agent, trial, alone_s).play(), wanted))
    whole = Found()
    for trial, found in zip(wanted, results, strict=True):
        whole.lost += found.lost
        whole.did += found.did
        whole.did[f"trials {trial.way}, {trial.end}"] += 1
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status is said above."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.faults.disk_full",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    parser.add_argument("--trials", type=int, default=TRIALS, metavar="N", help="(%(default)s)")
    parser.add_argument("--ways", nargs="+", choices=("mount", "limit"), default=("mount", "limit"), help="(both)")
    parser.add_argument("--alone-s", type=float, default=ALONE_S, metavar="S", help="for *alone* (%(default)s)")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="story-") as directory:
        try:
            wanted = trials(possible(given.ways), given.trials, given.seed)
            found = run(subject(given, Path(directory)), wanted, given.alone_s)
        except NotPossible as why:
            print(f"not possible here: {why}", file=sys.stderr)
            return IMPOSSIBLE
    for what, count in sorted(found.did.items()):
        print(f"{count:8} {what}")
    print_losses(found.lost)
    print(f"{len(found.lost)} losses in {len(wanted)} trials, {time.monotonic() - began:.1f} s")
    return LOST if found.lost else OK


if __name__ == "__main__":
    sys.exit(main())
