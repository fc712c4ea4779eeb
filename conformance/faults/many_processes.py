"""``python -m conformance.faults.many_processes --agent CMD``: several agents on one store at once.

Each of so many agents opens so many sessions, and then all sessions stream at once, several times. No request may fail;
what is measured is how long an agent that works is silent (the longest that one append, or anything else, can have kept
it), and how long the prompts of one further session of each, which does little, take meanwhile. With ``--beside CMD``
the same is done with another agent, for comparison: on a busy machine silence has many reasons.

With ``--traced`` the agents run under strace, which tells the longest single system call that a main thread made on the
store: how long one append, or the opening of a file, kept everybody waiting.

Then a further agent must list every session of all, on however many pages; it must be refused a session that another
one has (-32010, reason ``session_busy``, with the pid and the start of who has it), and have it as soon as that one is
killed, with everything that was seen of it.

Exit status: 0 all that held, 1 something did not, 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import select
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from conformance.bench.figures import percentile
from conformance.faults import strace
from conformance.faults.editor import Editor, Refused
from conformance.faults.raw_agent import Lost
from conformance.faults.seen import losses
from conformance.faults.story import SHORT, STREAM
from conformance.faults.subject import Subject, add_arguments, print_losses, subject, told

AGENTS: Final = 4
SESSIONS: Final = 64
ROUNDS: Final = 3
SETTLED_S: Final = 120.0
BUSY: Final = -32010


@dataclass
class Crowd:
    """What came of it. ``silences`` and ``answers``: seconds; ``lost``: what did not hold; ``takeover_s``: how long it
    took from a kill until the session was loaded elsewhere; ``longest_call``: on the store, by a main thread.
    """

    silences: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    seconds: float = 0.0
    updates: int = 0
    takeover_s: float | None = None
    longest_call: tuple[float, str] | None = None

    def told(self) -> str:
        """For people."""
        told = f"{self.updates} updates in {self.seconds:.1f} s"
        for what, values in (("silent while at work", self.silences), ("a short prompt beside it", self.answers)):
            if values:
                worst, middle, most = (1e3 * percentile(values, percent) for percent in (100, 50, 99))
                told += f"; {what}: median {middle:.1f}, 99 % {most:.1f}, worst {worst:.1f} ms"
        if self.takeover_s is not None:
            told += f"; taken over {1e3 * self.takeover_s:.0f} ms after a kill"
        if self.longest_call is not None:
            told += f"; longest call on the store {1e3 * self.longest_call[0]:.1f} ms ({self.longest_call[1]})"
        return told


class Driver:
    """Has all sessions of several agents stream, and looks how they do."""

    def __init__(self, editors: Sequence[Editor], workspace: Path, prompt: str) -> None:
        self._editors = editors
        self._workspace = workspace
        self._prompt = prompt
        self._probed: dict[int, tuple[int, float]] = {}
        self.probes = [editor.make(workspace) for editor in editors]
        self.crowd = Crowd()

    def stream(self) -> None:
        """One prompt for each session but the probes, and one after another for those.

        Raises:
            Lost: an agent went away, or is silent.
        """
        for editor, probe in zip(self._editors, self.probes, strict=True):
            for session_id in editor.seen:
                if session_id != probe:
                    editor.prompt(session_id, self._prompt)
        began = time.monotonic()
        heard = dict.fromkeys(range(len(self._editors)), began)
        while busy := [place for place, editor in enumerate(self._editors) if self._works(place, editor)]:
            self._probe(busy)
            by_output = {self._editors[place].output: place for place in busy}
            readable, _, _ = select.select(list(by_output), [], [], SETTLED_S)
            if not readable:
                raise Lost(f"no agent wrote anything for {SETTLED_S:g} s")
            for descriptor in readable:
                self._heard(by_output[descriptor], heard)
        self.crowd.seconds += time.monotonic() - began

    def _works(self, place: int, editor: Editor) -> bool:
        return any(session_id != self.probes[place] for session_id in editor.open_prompts.values())

    def _probe(self, busy: Sequence[int]) -> None:
        for place in busy:
            if place not in self._probed:
                sent = time.monotonic()
                self._probed[place] = (self._editors[place].prompt(self.probes[place], SHORT), sent)

    def _heard(self, place: int, heard: dict[int, float]) -> None:
        editor = self._editors[place]
        now = time.monotonic()
        self.crowd.silences.append(now - heard[place])
        editor.pump(0.0)
        heard[place] = now
        request_id, sent = self._probed.get(place, (0, 0.0))
        if request_id in editor.answers:
            self.crowd.answers.append(now - sent)
            del self._probed[place]


def run(
    agent: Subject | Sequence[str],
    agents: int,
    sessions: int,
    rounds: int,
    prompt: str = STREAM,
    *,
    traced: bool = False,
) -> Crowd:
    """So many agents with so many sessions each. A `Subject` shares a store; plain words have none to share.

    Raises:
        NotPossible: there is no strace, and it is asked for.
    """
    with tempfile.TemporaryDirectory(prefix="crowd-") as directory, ExitStack() as stack:
        store, workspace = Path(directory) / "store", Path(directory)
        command = agent.command(store) if isinstance(agent, Subject) else list(agent)
        logs = [Path(directory) / f"trace-{number}" for number in range(agents)] if traced else []
        commands = [[*strace.timing(log), *command] for log in logs] or [command] * agents
        editors = [stack.enter_context(Editor(each)) for each in commands]
        for editor in editors:
            editor.open()
        driver = Driver(editors, workspace, prompt)
        crowd = driver.crowd
        try:
            for editor in editors:
                for _ in range(sessions - 1):
                    editor.make(workspace)
            for editor, probe in zip(editors, driver.probes, strict=True):
                editor.turn(probe, SHORT)
            for _ in range(rounds):
                driver.stream()
            _settle(editors)
            crowd.updates = sum(editor.updates for editor in editors)
            answers = [answer for editor in editors for answer in editor.answers.values()]
            crowd.lost += [f"a request was refused: {answer['error']}" for answer in answers if "error" in answer]
            if isinstance(agent, Subject):
                _share(crowd, editors, stack.enter_context(Editor(command)), workspace)
            calls = [
                strace.longest_call(log, editor.pid, store) for log, editor in zip(logs, editors, strict=bool(logs))
            ]
            crowd.longest_call = max(calls, default=None)
        except (Lost, Refused) as trouble:
            crowd.lost.append(str(trouble))
    return crowd


def _settle(editors: Sequence[Editor]) -> None:
    for editor in editors:
        editor.until(lambda editor=editor: not editor.open_prompts, SETTLED_S)  # type: ignore[misc]


def _share(crowd: Crowd, editors: Sequence[Editor], newcomer: Editor, workspace: Path) -> None:
    """What another agent on the same store sees of the others' sessions."""
    newcomer.open()
    wanted = {session_id for editor in editors for session_id in editor.seen}
    rows = [row["sessionId"] for row in newcomer.listed()]
    if missing := len(wanted - set(rows)):
        crowd.lost.append(f"{missing} of {len(wanted)} sessions are not listed by another agent")
    if len(rows) > len(set(rows)):
        crowd.lost.append(f"{len(rows) - len(set(rows))} sessions are listed twice")
    owner = editors[0]
    session_id = next(iter(owner.seen))
    _refused(crowd, newcomer, owner, session_id, workspace)
    owner.kill()
    killed = time.monotonic()
    for one, seen in list(owner.seen.items()):
        try:
            replay = newcomer.load(one, workspace)
        except Refused as refused:
            crowd.lost.append(f"{one} was not given to another agent at once after a kill: {refused}")
            continue
        if crowd.takeover_s is None:
            crowd.takeover_s = time.monotonic() - killed
        crowd.lost += [f"{one}: {loss}" for loss in losses(seen, replay)]
    if newcomer.turn(session_id, SHORT) != "end_turn":
        crowd.lost.append("the next prompt of a session that was taken over did not end as it should")


def _refused(crowd: Crowd, newcomer: Editor, owner: Editor, session_id: str, workspace: Path) -> None:
    """Nobody else may load a session that an agent has, who must be named."""
    for method in ("session/load", "session/resume"):
        params = {"sessionId": session_id, "cwd": str(workspace), "mcpServers": []}
        if method == "session/resume" and not newcomer.can("resume"):
            continue
        try:
            newcomer.ask(method, params)
            crowd.lost.append(f"{method} gave a session to a second agent")
        except Refused as refused:
            data = refused.error.get("data") or {}
            named = (refused.error.get("code"), data.get("reason"), data.get("pid"))
            if named != (BUSY, "session_busy", owner.pid) or not isinstance(data.get("startedAt"), str):
                crowd.lost.append(f"{method} of another agent's session was refused with {refused.error}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0: all held, 1: something did not."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.faults.many_processes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    parser.add_argument("--agents", type=int, default=AGENTS, metavar="N", help="(%(default)s)")
    parser.add_argument("--sessions", type=int, default=SESSIONS, metavar="N", help="of each (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="how often all stream (%(default)s)")
    parser.add_argument("--prompt", default=STREAM, metavar="TEXT", help="makes a session stream (%(default)s)")
    parser.add_argument("--beside", metavar="CMD", help="another agent, to compare with; it gets no store")
    parser.add_argument("--worst-ms", type=float, metavar="MS", help="fail if one is silent for longer (never)")
    parser.add_argument("--traced", action="store_true", help="run the agents under strace")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="story-") as directory:
        agent = subject(given, Path(directory))
        crowd = run(agent, given.agents, given.sessions, given.rounds, given.prompt, traced=given.traced)
        print(f"one store: {crowd.told()}")
        if given.beside:
            beside = run(told(given.beside, Path(directory)), given.agents, given.sessions, given.rounds, given.prompt)
            print(f"beside it: {beside.told()}")
    if given.worst_ms is not None and 1e3 * max(crowd.silences) > given.worst_ms:
        crowd.lost.append(f"an agent at work was silent for more than {given.worst_ms:g} ms")
    print_losses(crowd.lost)
    print(f"{len(crowd.lost)} losses, {given.agents} agents with {given.sessions} sessions each")
    return 1 if crowd.lost else 0


if __name__ == "__main__":
    sys.exit(main())
