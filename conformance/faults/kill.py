"""``python -m conformance.faults.kill --agent CMD --runs 200``: is anything lost when the agent is killed?

Each run starts the agent on a store, lists and loads every session that it should hold, compares what the replay shows
with what the client had seen, has all sessions work at once, and sends SIGKILL at a random instant. Every whole line
that the agent wrote until then counts as seen. Some kills come while the agent is still starting or loading. A store
serves several runs, so that what was recovered is killed again; deleted sessions must stay away.

Exit status: 0 nothing was lost, 1 something was, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from conformance.faults.editor import Editor, Refused
from conformance.faults.raw_agent import Lost
from conformance.faults.seen import Seen, losses
from conformance.faults.story import PROMPTS, SHORT
from conformance.faults.subject import Subject, add_arguments, print_losses, subject

RUNS_PER_STORE: Final = 6
SESSIONS: Final = 6
LONGEST_WORK_S: Final = 0.4
LONGEST_START_S: Final = 0.25
EARLY_KILLS: Final = 0.15
MORE_FILES: Final = 0.5
DELETIONS: Final = 0.3


@dataclass
class Tally:
    """What the runs did and found. ``lost``: a line for each loss."""

    did: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)


class Lives:
    """The runs on one store. ``prompts``: what they are begun with.

    ``known``: what the client saw of each session that must be there; ``gone``: those whose deletion was answered.
    """

    def __init__(self, agent: Subject, directory: Path, dice: random.Random, prompts: Sequence[str]) -> None:
        self._agent = agent
        self._store = directory / "store"
        self._workspace = directory
        self._dice = dice
        self._prompts = prompts
        self._number = 0
        self.known: dict[str, Seen] = {}
        self.gone: set[str] = set()

    def run(self, tally: Tally, *, last: bool = False) -> None:
        """Start, compare, work, kill; the ``last`` one of a store only compares."""
        dice = self._dice
        files = dice.random() < MORE_FILES
        with Editor(self._agent.command(self._store), files=files, choice=dice) as editor:
            if not last and dice.random() < EARLY_KILLS:
                with suppress(Lost, Refused):
                    self._come_back(editor, time.monotonic() + dice.random() * LONGEST_START_S)
                editor.kill()
                tally.did["kills while it started or loaded"] += 1
                return
            before = len(tally.lost)
            try:
                editor.open()
                self._compare(editor, tally)
                if not last:
                    self._work(editor, tally)
            except (Lost, Refused) as trouble:
                tally.lost.append(str(trouble))
            self._remember(editor)
            if len(tally.lost) > before:
                self._forget_all()

    def _forget_all(self) -> None:
        """Begin with fresh sessions, so that one loss is told once."""
        self.known.clear()
        self.gone.clear()

    def _come_back(self, editor: Editor, until: float) -> None:
        editor.put("initialize", {"protocolVersion": 1, "clientCapabilities": {}})
        editor.put("session/list", {})
        for session_id in self.known:
            params = {"sessionId": session_id, "cwd": str(self._workspace), "mcpServers": []}
            editor.put("session/load", params)
        while time.monotonic() < until:
            editor.pump(until - time.monotonic())

    def _compare(self, editor: Editor, tally: Tally) -> None:
        listed = {row["sessionId"]: row for row in editor.listed()}
        tally.lost += [f"{session_id} was deleted and is listed" for session_id in self.gone & listed.keys()]
        for session_id, seen in self.known.items():
            tally.did["sessions compared"] += 1
            if session_id not in listed:
                tally.lost.append(f"{session_id} is not listed")
            try:
                replay = editor.load(session_id, self._workspace)
            except Refused as refused:
                tally.lost.append(f"{session_id} cannot be read: {refused}")
                continue
            tally.lost += [f"{session_id}: {loss}" for loss in losses(seen, replay)]
            tally.did["messages and calls compared"] += len(seen.order)
            tally.did["calls that were interrupted"] += sum(not call.ended for call in seen.calls.values())
            if editor.turn(session_id, f"{SHORT} {self._next()}") != "end_turn":
                tally.lost.append(f"{session_id}: the next prompt did not end as it should")

    def _work(self, editor: Editor, tally: Tally) -> None:
        dice = self._dice
        if self.known and editor.can("delete") and dice.random() < DELETIONS:
            session_id = dice.choice(list(self.known))
            editor.ask("session/delete", {"sessionId": session_id})
            del self.known[session_id], editor.seen[session_id]
            self.gone.add(session_id)
        while len(editor.seen) < SESSIONS:
            editor.make(self._workspace)
        until = time.monotonic() + dice.random() ** 2 * LONGEST_WORK_S
        for session_id in editor.seen:
            self._prompt(editor, session_id)
        while time.monotonic() < until:
            editor.pump(until - time.monotonic())
            for session_id in set(editor.seen) - set(editor.open_prompts.values()):
                self._prompt(editor, session_id)
        tally.did[self._situation(editor)] += 1
        editor.kill()
        refused = [answer["error"] for answer in editor.answers.values() if "error" in answer]
        tally.lost += [f"a request was refused: {error}" for error in refused]

    def _prompt(self, editor: Editor, session_id: str) -> None:
        editor.prompt(session_id, f"{self._dice.choice(self._prompts)} {self._next()}")

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _situation(self, editor: Editor) -> str:
        running = any(not call.ended for seen in editor.seen.values() for call in seen.calls.values())
        return "kills while a tool call was open" if running else "kills while text was streamed"

    def _remember(self, editor: Editor) -> None:
        self.known = {session_id: seen for session_id, seen in editor.seen.items() if session_id not in self.gone}


def run(agent: Subject, runs: int, seed: int, prompts: Sequence[str] = PROMPTS) -> Tally:
    """Kill an agent so many times."""
    tally = Tally()
    done = 0
    while done < runs:
        dice = random.Random(f"{seed}/{done}")
        with tempfile.TemporaryDirectory(prefix="killed-") as directory:
            lives = Lives(agent, Path(directory), dice, prompts)
            before = len(tally.lost)
            for _ in range(min(RUNS_PER_STORE, runs - done)):
                lives.run(tally)
                done += 1
            lives.run(tally, last=True)
            tally.lost[before:] = [f"store of seed {seed}, run {done}: {loss}" for loss in tally.lost[before:]]
    tally.did["kills"] = done
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0: nothing was lost, 1: something was."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.faults.kill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    parser.add_argument("--runs", type=int, default=200, metavar="N", help="how many kills (%(default)s)")
    parser.add_argument(
        "--prompt", action="append", metavar="TEXT", help="what prompts begin with; repeatable (the story's)"
    )
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="story-") as directory:
        tally = run(subject(given, Path(directory)), given.runs, given.seed, given.prompt or PROMPTS)
    for what, count in sorted(tally.did.items()):
        print(f"{count:8} {what}")
    print_losses(tally.lost)
    print(f"{len(tally.lost)} losses in {given.runs} kills, {time.monotonic() - began:.1f} s")
    return 1 if tally.lost else 0


if __name__ == "__main__":
    sys.exit(main())
