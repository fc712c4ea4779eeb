"""A conversation that was watched: every change of the store, and what the client had seen at each."""

from __future__ import annotations

import copy
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from conformance.faults import strace
from conformance.faults.editor import Editor
from conformance.faults.raw_agent import Lost
from conformance.faults.seen import Seen
from conformance.faults.story import LONG, SHORT
from conformance.faults.strace import Change, Watched
from conformance.faults.subject import Subject

QUIET_S: Final = 0.2
WATCHED_S: Final = 60.0
ACTS: Final = frozenset({"fs/write_text_file", "terminal/create"})


@dataclass
class Known:
    """What a client knows: its sessions, and those whose deletion was answered."""

    sessions: dict[str, Seen] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


@dataclass
class Recording:
    """A conversation. ``seen`` and ``safe``: from which change on the client knew what, and what must outlive a loss of
    power; in their order.
    """

    workspace: Path
    changes: list[Change] = field(default_factory=list)
    seen: list[tuple[int, Known]] = field(default_factory=list)
    safe: list[tuple[int, Known]] = field(default_factory=list)

    def seen_at(self, after: int) -> Known:
        """What the client had seen when so many changes were made."""
        return next((known for place, known in reversed(self.seen) if place <= after), Known())

    def safe_at(self, after: int) -> Known:
        """What had to be safe by then."""
        return next((known for place, known in reversed(self.safe) if place <= after), Known())

    def summary(self) -> str:
        """For people."""
        return ", ".join(f"{count} {kind}" for kind, count in Counter(change.kind for change in self.changes).items())


@dataclass
class _Script:
    """What was sent, and when the client had been quiet long enough that everything had to be synced."""

    asked: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    quiet: list[float] = field(default_factory=list)


def recorded(agent: Subject, directory: Path, prompts: Sequence[str]) -> Recording:
    """Hold the conversation.

    Raises:
        NotPossible: there is no strace, or the agent does what cannot be followed.
        Lost: the agent went away.
        Refused: it answered with an error.
    """
    store, workspace = directory / "store", directory / "workspace"
    store.mkdir(mode=0o700)
    workspace.mkdir()
    recording, watched, known = Recording(workspace), Watched(str(store)), Known()
    for number, life in enumerate((_first_life, _second_life)):
        log = directory / f"trace-{number}"
        with _WatchedEditor([*strace.command(log), *agent.command(store)]) as editor:
            script = _Script()
            life(editor, script, workspace, prompts, known)
            wire = editor.wire()
            editor.end()
            script.quiet.append(time.time())
        known = _fold(recording, watched.read(log, wire), script, known)
    return recording


class _WatchedEditor(Editor):
    """Under strace everything takes longer."""

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__(command, files=True)

    def wire(self) -> int:
        """The inode of the pipe that the agent writes to."""
        return os.fstat(self.output).st_ino

    def end(self) -> None:
        """Close the input and wait for the end."""
        self.close_input()
        self.drain_and_look()
        if self.exited(WATCHED_S) is None:
            raise Lost("it does not end with its input")


def _first_life(editor: Editor, script: _Script, workspace: Path, prompts: Sequence[str], known: Known) -> None:
    editor.open()
    first, second = (_make(editor, script, workspace) for _ in range(2))
    for number, prompt in enumerate(prompts[: len(prompts) // 2 + 1]):
        _say(editor, script, {first: f"{prompt} {number}", second: f"{prompts[-1 - number]} {number}"})
    if editor.can("delete"):
        third = _make(editor, script, workspace)
        _say(editor, script, {third: SHORT})
        script.asked[editor.put("session/delete", {"sessionId": third})] = ("delete", third, "")
        _quiet(editor, script)


def _second_life(editor: Editor, script: _Script, workspace: Path, prompts: Sequence[str], known: Known) -> None:
    editor.open()
    editor.listed()
    for session_id in known.sessions:
        params = {"sessionId": session_id, "cwd": str(workspace), "mcpServers": []}
        request_id = editor.put("session/load", params)
        script.asked[request_id] = ("load", session_id, "")
        editor.until(lambda request_id=request_id: request_id in editor.answers, WATCHED_S)  # type: ignore[misc]
    _say(editor, script, dict.fromkeys(known.sessions, f"{prompts[0]} again"))
    new = _make(editor, script, workspace)
    _say(editor, script, {new: f"{prompts[-1]} new"})
    script.asked[editor.prompt(new, f"{LONG} to the end")] = ("prompt", new, f"{LONG} to the end")


def _make(editor: Editor, script: _Script, workspace: Path) -> str:
    request_id = editor.put("session/new", {"cwd": str(workspace), "mcpServers": []})
    script.asked[request_id] = ("new", "", "")
    editor.until(lambda: request_id in editor.answers, WATCHED_S)
    session_id = str(editor.answers[request_id]["result"]["sessionId"])
    editor.seen.setdefault(session_id, Seen())
    return session_id


def _say(editor: Editor, script: _Script, texts: dict[str, str]) -> None:
    """Prompts of several sessions at once, up to a quiet moment behind the last answer."""
    asked = {editor.prompt(session_id, text): (session_id, text) for session_id, text in texts.items()}
    script.asked.update({request_id: ("prompt", session_id, text) for request_id, (session_id, text) in asked.items()})
    editor.until(lambda: asked.keys() <= editor.answers.keys(), WATCHED_S)
    _quiet(editor, script)


def _quiet(editor: Editor, script: _Script) -> None:
    until = time.monotonic() + QUIET_S
    while time.monotonic() < until:
        editor.pump(until - time.monotonic())
    script.quiet.append(time.time())


def _fold(recording: Recording, changes: Sequence[Change], script: _Script, known: Known) -> Known:
    """Add the changes of one life, with what the client had seen at each; what it had seen in the end."""
    wire = _Wire(script, known)
    quiet = list(script.quiet)
    for change in changes:
        while quiet and quiet[0] < change.at:
            quiet.pop(0)
            recording.safe.append((len(recording.changes), copy.deepcopy(wire.known)))
        recording.changes.append(change)
        if change.kind == "told":
            acting = wire.take(change.data)
            recording.seen.append((len(recording.changes), copy.deepcopy(wire.known)))
            if acting:
                last = recording.safe[-1][1] if recording.safe else Known()
                safe = Known({**last.sessions, **copy.deepcopy(acting)}, last.gone)
                recording.safe.append((len(recording.changes), safe))
    recording.safe.append((len(recording.changes), copy.deepcopy(wire.known)))
    return wire.known


class _Wire:
    """Folds what the agent wrote."""

    def __init__(self, script: _Script, known: Known) -> None:
        self.known = known
        self._script = script
        self._partial = b""
        self._loading: dict[str, Seen] = {
            session_id: Seen() for what, session_id, _ in script.asked.values() if what == "load"
        }
        self._unanswered = set(script.asked)
        self._waiting = [request_id for request_id, (what, _, _) in script.asked.items() if what == "prompt"]

    def take(self, data: bytes) -> dict[str, Seen]:
        """Take what was written; of each session whose tool is about to act, what was seen of it before."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        acting: dict[str, Seen] = {}
        for line in lines:
            message = orjson.loads(line)
            params = message.get("params") or {}
            session_id = str(params.get("sessionId"))
            if message.get("method") == "session/update":
                self._update(session_id, params["update"])
            elif message.get("method") in ACTS and session_id in self.known.sessions:
                acting[session_id] = copy.deepcopy(self.known.sessions[session_id])
            elif "method" not in message and "result" in message:
                self._answered(message)
        return acting

    def _update(self, session_id: str, update: dict[str, Any]) -> None:
        seen = self._loading.get(session_id) or self.known.sessions.setdefault(session_id, Seen())
        if session_id not in self._loading:
            self._sent(session_id, seen)
        seen.take(update)

    def _sent(self, session_id: str, seen: Seen) -> None:
        """Note the prompt of the session that is being answered, when the first of its turn is told."""
        if seen.running:
            return
        for request_id in self._waiting:
            _, of, text = self._script.asked[request_id]
            if of == session_id:
                if seen.waiting is None:
                    seen.prompted(text)
                return

    def _answered(self, message: dict[str, Any]) -> None:
        what, session_id, _ = self._script.asked.get(message["id"], ("", "", ""))
        if what == "new":
            self.known.sessions.setdefault(str(message["result"]["sessionId"]), Seen())
        elif what == "load":
            self.known.sessions[session_id] = self._loading.pop(session_id)
        elif what == "delete":
            self.known.gone.add(session_id)
        elif what == "prompt":
            seen = self.known.sessions[session_id]
            self._sent(session_id, seen)
            seen.answered()
            self._waiting.remove(message["id"])
        self._unanswered.discard(message["id"])
        self._leave()

    def _leave(self) -> None:
        """Expect a session no more from when its deletion may have begun."""
        for request_id, (what, session_id, _) in self._script.asked.items():
            if what == "delete" and not any(earlier < request_id for earlier in self._unanswered):
                self.known.sessions.pop(session_id, None)
