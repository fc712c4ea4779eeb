"""The server as a process: raw lines in, raw lines out, every wait bounded."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

Frame = dict[str, Any]
LIMIT_S = 10.0
SERVER = (sys.executable, "-m", "agent_server")
NO_LOCAL_MODELS = {"AGENT_SERVER_LOCAL_MODELS": "false"}
"""Whoever runs the tests may have models on their machine; the server is not to find them."""


class AgentProcess:
    """A running server. ``raw`` is everything that came from its stdout."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        assert popen.stdin is not None
        assert popen.stdout is not None
        self.popen = popen
        self.stdin, self.stdout = popen.stdin, popen.stdout
        self.raw = bytearray()
        self._ids = 0

    def frames(self) -> list[Frame]:
        """What came so far; every line must be a JSON-RPC frame."""
        frames = [json.loads(line) for line in bytes(self.raw).split(b"\n")[:-1]]
        assert all(frame["jsonrpc"] == "2.0" for frame in frames)
        return frames

    def send(self, method: str, **params: Any) -> int:
        """Send a request; its id."""
        request_id = self.next_id()
        self.write({"id": request_id, "method": method, "params": params})
        return request_id

    def next_id(self) -> int:
        """An id that no request had yet."""
        self._ids += 1
        return self._ids

    def write(self, frame: Frame) -> None:
        self.send_line(json.dumps({"jsonrpc": "2.0", **frame}).encode())

    def send_line(self, line: bytes) -> None:
        """Send whatever this is."""
        self.stdin.write(line + b"\n")
        self.stdin.flush()

    def read_until(self, condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
        """Read until the condition holds; what it gave."""
        deadline_s = time.monotonic() + limit_s
        while not (value := condition()):
            left_s = deadline_s - time.monotonic()
            ready, _, _ = select.select([self.stdout], [], [], max(left_s, 0))
            assert ready, f"nothing more came after {bytes(self.raw[-500:])!r}"
            data = os.read(self.stdout.fileno(), 1 << 20)
            assert data, "the server closed its stdout"
            self.raw += data
        return value

    def answer(self, request_id: int) -> Frame:
        def find() -> Frame | None:
            mark = b'"id":%d,' % request_id
            if mark not in self.raw:
                return None
            return next((f for f in self.frames() if f.get("id") == request_id and "method" not in f), None)

        found: Frame = self.read_until(find)
        return found

    def call(self, method: str, **params: Any) -> Any:
        frame = self.answer(self.send(method, **params))
        assert "result" in frame, frame
        return frame["result"]

    def new_session(self, cwd: Path) -> str:
        self.call("initialize", protocolVersion=1, clientCapabilities={})
        session_id: str = self.call("session/new", cwd=str(cwd), mcpServers=[])["sessionId"]
        return session_id

    def prompt(self, session_id: str, text: str) -> int:
        return self.send("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": text}])

    def said(self, text: str) -> Callable[[], bool]:
        return lambda: text.encode() in self.raw

    def end_of_input(self) -> None:
        self.stdin.close()

    def exit_code(self, within_s: float) -> int:
        """How it ended, in time; what it still said is in ``raw``."""
        start_s = time.monotonic()
        try:
            self.raw += self.stdout.read()
            return self.popen.wait(timeout=max(within_s - (time.monotonic() - start_s), 0.01))
        finally:
            assert time.monotonic() - start_s < within_s


@contextmanager
def agent_process(
    tmp_path: Path,
    *arguments: str,
    command: tuple[str, ...] = SERVER,
    said: bytes = b"",
    environment: Mapping[str, str] = MappingProxyType({}),
    inherited: Sequence[int] = (),
) -> Iterator[AgentProcess]:
    """A server with a home of its own; it is gone at the end of the block.

    ``said`` stands in its stdin before it starts. It inherits the descriptors ``inherited``.
    """
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    usual = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CONFIG_HOME": str(home), **NO_LOCAL_MODELS}
    if "PYTHONPATH" in os.environ:
        usual["PYTHONPATH"] = os.environ["PYTHONPATH"]
    their_stdin, our_end = os.pipe()
    os.write(our_end, said)
    with subprocess.Popen(
        [*command, *arguments],
        stdin=their_stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**usual, **environment},
        pass_fds=inherited,
    ) as popen:
        os.close(their_stdin)
        popen.stdin = os.fdopen(our_end, "wb")
        try:
            yield AgentProcess(popen)
        finally:
            popen.kill()
            if popen.stdin is not None and not popen.stdin.closed:
                try:
                    popen.stdin.close()
                except BrokenPipeError:
                    pass


def scenario_file(tmp_path: Path, *turns: list[Frame]) -> str:
    """A model to start a server with."""
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"turns": [{"steps": steps, "repeat": True} for steps in turns]}))
    return f"scenario:{path}"
