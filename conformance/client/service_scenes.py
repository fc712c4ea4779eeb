"""The scenes about files, terminals, forms and pages: what a client does for an agent. Standard library only."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.client.scene import SESSION_ID, Scene
from conformance.client.wire import Message, Wire

FILE_TEXT = "first line\nsecond line\nthird line\n"
WRITTEN_TEXT = "written by the agent: ä€😀\n"
EXIT_CODE = 3
LIMIT_BYTES = 51
POLL_S = 0.05
LONG_TEXT = "ä" * 100 + "END"


def offers(wire: Wire, *path: str) -> bool:
    """Whether the client offered it: true, or an object."""
    value: Any = wire.client_capabilities
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value is True or isinstance(value, dict)


class Files(Scene):
    """Files of the session's directory are read and written, as far as the client offers it."""

    name = "files"

    def before(self, wire: Wire) -> None:
        directory = Path(self.cwd)
        if not directory.is_absolute() or not os.access(directory, os.W_OK):
            wire.record.note("the session's directory cannot be used")
            return
        names = ("there", "written", "fresh", "missing")
        there, written, fresh, missing = (directory / f"conformance-{name}-{os.getpid()}.txt" for name in names)
        try:
            there.write_text(FILE_TEXT, encoding="utf-8")
            written.write_text("what was there before\n", encoding="utf-8")
            if offers(wire, "fs", "readTextFile"):
                self.read(wire, there, "read")
                self.read(wire, there, "read-lines", line=2, limit=1)
                self.read(wire, missing, "read-missing")
            if offers(wire, "fs", "writeTextFile"):
                self.write(wire, written, "write")
                self.write(wire, fresh, "write-new")
        finally:
            for path in (there, written, fresh):
                with contextlib.suppress(OSError):
                    path.unlink()

    def read(self, wire: Wire, path: Path, label: str, **how: int) -> None:
        wire.ask("fs/read_text_file", {"sessionId": SESSION_ID, "path": str(path), **how}, label)

    def write(self, wire: Wire, path: Path, label: str) -> None:
        """Write, and note down whether the file has the text then."""
        params = {"sessionId": SESSION_ID, "path": str(path), "content": WRITTEN_TEXT}
        wire.ask("fs/write_text_file", params, label)
        with contextlib.suppress(OSError):
            if path.read_text(encoding="utf-8") == WRITTEN_TEXT:
                wire.record.note(f"{label}: the file holds the text")


class Terminals(Scene):
    """Commands run in terminals, if the client offers some."""

    def before(self, wire: Wire) -> None:
        if offers(wire, "terminal"):
            self.use(wire)

    def use(self, wire: Wire) -> None:
        """What is done with a terminal."""

    def create(self, wire: Wire, code: str, **more: Any) -> str | None:
        """Run this Python program; the terminal's id, None if there is none."""
        params = {"sessionId": SESSION_ID, "command": sys.executable, "args": ["-I", "-S", "-c", code], **more}
        result = wire.ask("terminal/create", params, "create").get("result")
        terminal_id = result.get("terminalId") if isinstance(result, dict) else None
        return terminal_id if isinstance(terminal_id, str) else None

    def about(self, wire: Wire, method: str, terminal_id: str, label: str) -> Message:
        """Ask something about the terminal."""
        return wire.ask(f"terminal/{method}", {"sessionId": SESSION_ID, "terminalId": terminal_id}, label)


class TerminalRuns(Terminals):
    """A command that says something and ends with a status of its own."""

    name = "terminal-runs"

    def use(self, wire: Wire) -> None:
        terminal_id = self.create(wire, f"import sys; print('hello, terminal', flush=True); sys.exit({EXIT_CODE})")
        if terminal_id is not None:
            self.about(wire, "wait_for_exit", terminal_id, "wait")
            self.about(wire, "output", terminal_id, "output")
            self.about(wire, "release", terminal_id, "release")


class TerminalTruncates(Terminals):
    """A command that says more than is to be kept."""

    name = "terminal-truncates"

    def use(self, wire: Wire) -> None:
        code = f"import sys; sys.stdout.buffer.write({LONG_TEXT!a}.encode()); sys.stdout.flush()"
        terminal_id = self.create(wire, code, outputByteLimit=LIMIT_BYTES)
        if terminal_id is not None:
            self.about(wire, "wait_for_exit", terminal_id, "wait")
            self.about(wire, "output", terminal_id, "output")
            self.about(wire, "release", terminal_id, "release")


class TerminalKill(Terminals):
    """A command that never ends by itself is killed, and asked for its output afterwards."""

    name = "terminal-kill"

    def use(self, wire: Wire) -> None:
        terminal_id = self.create(wire, "import time; print('started', flush=True); time.sleep(600)")
        if terminal_id is None:
            return
        deadline = time.monotonic() + wire.timeout_s
        while "started" not in _output(self.about(wire, "output", terminal_id, "before")):
            if time.monotonic() > deadline:
                return
            time.sleep(POLL_S)
        self.about(wire, "kill", terminal_id, "kill")
        self.about(wire, "wait_for_exit", terminal_id, "wait")
        self.about(wire, "output", terminal_id, "output")
        self.about(wire, "release", terminal_id, "release")


class UnofferedServices(Scene):
    """The agent asks for the files and terminals that the client does not offer."""

    name = "unoffered-services"

    def before(self, wire: Wire) -> None:
        path = {"sessionId": SESSION_ID, "path": str(Path(self.cwd) / "conformance-unoffered.txt")}
        if not offers(wire, "fs", "readTextFile"):
            wire.ask("fs/read_text_file", path, "unoffered-read")
        if not offers(wire, "fs", "writeTextFile"):
            wire.ask("fs/write_text_file", {**path, "content": ""}, "unoffered-write")
        if not offers(wire, "terminal"):
            params = {"sessionId": SESSION_ID, "command": sys.executable, "args": ["--version"]}
            wire.ask("terminal/create", params, "unoffered-terminal")


class UnofferedForms(Scene):
    """The agent shows a form or a page that the client does not offer to show."""

    name = "unoffered-forms"

    def before(self, wire: Wire) -> None:
        question: Mapping[str, Any] = {"sessionId": SESSION_ID, "message": "What is your name?"}
        if not offers(wire, "elicitation", "form"):
            schema = {"type": "object", "properties": {"name": {"type": "string"}}}
            wire.ask("elicitation/create", {**question, "mode": "form", "requestedSchema": schema}, "unoffered-form")
        if not offers(wire, "elicitation", "url"):
            page = {"mode": "url", "elicitationId": "conformance-page", "url": "https://example.com/"}
            wire.ask("elicitation/create", {**question, **page}, "unoffered-url")


def _output(answer: Message) -> str:
    result = answer.get("result")
    return str(result.get("output")) if isinstance(result, dict) else "started"  # an error ends the wait
