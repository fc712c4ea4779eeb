"""One agent, driven over raw pipes with as little of our own work in between as Python allows.

Reads are blocking, lines are counted and only sampled ones are parsed. A timer that kills the agent stands in for a
time limit on each read.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import IO, Any, Final, NoReturn, Self

import orjson

from conformance.bench import proc
from conformance.bench.counting import BLOCK_BYTES, CHUNK, AgentFailed, Count, expect_chunk
from conformance.bench.start import Start

WORKSPACE: Final = tempfile.gettempdir()
FILE_TEXT: Final = "hello\n"


@dataclass(frozen=True)
class Streamed:
    """A stream that came whole: how long it took, its bytes on the wire, and the CPU seconds of the agent."""

    seconds: float
    wire_bytes: int
    agent_cpu_s: float | None


class Agent:
    """A running agent; a context manager that leaves no process behind.

    Attributes:
        pid: its process.
        born: when it was started, on the clock of `time.perf_counter`.
        input: the file descriptor that it reads.
        output: the one that it writes.
        last_id: the id of the request that was written last.
        heard: when the last line came that `answer` looked at, on that clock.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the agent
        self._expired = False
        self._timer = threading.Timer(start.timeout_s, self._expire)
        self._timer.daemon = True
        self._timer.start()
        self.born = perf_counter()
        try:
            self.process = subprocess.Popen(
                start.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
                start_new_session=True,
                env={**os.environ, **(start.env or {})},
            )
        except OSError as error:
            self._timer.cancel()
            self._complaints.close()
            raise AgentFailed(f"it cannot be started: {error}") from None
        assert self.process.stdin is not None and self.process.stdout is not None
        self.pid = self.process.pid
        self.input = self.process.stdin.fileno()
        self.output = self.process.stdout.fileno()
        self.last_id = 0
        self.heard = 0.0
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()
        self._kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self._complaints):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()

    def _expire(self) -> None:
        self._expired = True
        self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # a session of its own: only what this agent started

    def fail(self, what: str) -> NoReturn:
        """Say that the agent failed, with how it ended and the last that it complained of.

        Raises:
            AgentFailed: always.
        """
        if self._expired:
            raise AgentFailed(f"no answer within {self._start.timeout_s:g} s") from None
        try:
            what += f" (exit status {self.process.wait(0.5)})"
        except subprocess.TimeoutExpired:
            pass
        self._complaints.seek(0)
        said = self._complaints.read()[-4096:].decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "")
        raise AgentFailed(what + (f"; stderr: {last[:200]}" if last else "")) from None

    # Bytes

    def send(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            AgentFailed: the agent does not read any more.
        """
        try:
            written = os.write(self.input, data)
            while written < len(data):
                data = memoryview(data)[written:]  # type: ignore[assignment]
                written = os.write(self.input, data)
        except OSError:
            self.fail("it closed its input")

    def read(self) -> bytes:
        """Return what there is, after waiting for something.

        Raises:
            AgentFailed: there is no more.
        """
        data = os.read(self.output, BLOCK_BYTES)
        if not data:
            self.fail("it closed its output")
        return data

    def line(self) -> bytes:
        """Return the next line.

        Raises:
            AgentFailed: there is no more.
        """
        data = self._rest or self.read()
        end = data.find(b"\n")
        while end < 0:
            data += self.read()
            end = data.find(b"\n")
        self._rest = data[end + 1 :]
        return data[:end]

    # Messages

    def request(self, method: str, params: Mapping[str, Any]) -> bytes:
        """Return a request with the next id, to be sent."""
        self.last_id += 1
        return orjson.dumps({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}) + b"\n"

    def prompt(self, session_id: str, command: str) -> bytes:
        """Return a prompt with one of the test commands, to be sent."""
        return self.prompt_text(session_id, self._start.prefix + command)

    def prompt_text(self, session_id: str, text: str) -> bytes:
        """Return a prompt with a text, to be sent."""
        params = {"sessionId": session_id, "prompt": [{"type": "text", "text": text}]}
        return self.request("session/prompt", params)

    def cancel(self, session_id: str) -> bytes:
        """Return the notification that cancels, to be sent."""
        message = {"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": session_id}}
        return orjson.dumps(message) + b"\n"

    def answer(self) -> dict[str, Any]:
        """Return the result of the request that was written last; what the agent asks meanwhile is answered.

        Raises:
            AgentFailed: it answered with an error, or went away.
        """
        while True:
            line = self.line()
            self.heard = perf_counter()
            if b'"id"' not in line:
                continue
            message = orjson.loads(line)
            if "method" in message:
                if "id" in message:
                    self.send(_our_answer(message))
            elif message.get("id") == self.last_id:
                return _result(message)

    def ask(self, data: bytes) -> float:
        """Send a request and return the seconds until its result was there. Raises what `answer` raises."""
        begun = perf_counter()
        self.send(data)
        self.answer()
        return self.heard - begun

    # What every measurement begins with

    def initialize(self) -> None:
        """Agree on the version and offer files and terminals. Raises what `answer` raises."""
        offered = {"fs": {"readTextFile": True, "writeTextFile": True}, "terminal": True}
        info = {"name": "conformance-bench", "version": "1"}
        self.ask(self.request("initialize", {"protocolVersion": 1, "clientCapabilities": offered, "clientInfo": info}))

    def new_session(self) -> str:
        """Open a session and return its id. Raises what `answer` raises."""
        self.send(self.new_session_request())
        return str(self.answer()["sessionId"])

    def new_session_request(self) -> bytes:
        """Return a ``session/new``, to be sent."""
        return self.request("session/new", {"cwd": WORKSPACE, "mcpServers": []})

    def ready(self) -> str:
        """Agree, open a session and return its id. Raises what `answer` raises."""
        self.initialize()
        return self.new_session()

    def turn(self, session_id: str, command: str) -> float:
        """Take one turn and return its seconds.

        Raises:
            AgentFailed: it did not end as it should.
        """
        data = self.prompt(session_id, command)
        begun = perf_counter()
        self.send(data)
        expect_end(self.answer())
        return self.heard - begun

    def next_chunk(self) -> None:
        """Read up to the next piece of what the agent says. Raises what `line` raises."""
        while CHUNK not in self.line():
            pass

    def stream(self, session_id: str, count: int, size: int, every: int = 0) -> Streamed:
        """Have the agent stream and count what comes. ``every``: after how many chunks it yields to its event loop.

        Raises:
            AgentFailed: what came is not what was asked for.
        """
        data = self.prompt(session_id, f"stream {count} {size}" + (f" {every}" if every else ""))
        cpu_s = proc.cpu_s(self.pid)
        begun = perf_counter()
        self.send(data)
        count_of = Count(count)
        while count_of.response is None:
            count_of.add(self.read())
        seconds = perf_counter() - begun
        spent_s = proc.spent_s(self.pid, cpu_s)
        expect_end(_result(count_of.response))
        if count_of.lines <= count:
            raise AgentFailed(f"{count_of.lines - 1} updates came instead of {count}")
        expect_chunk(count_of.sample, session_id, size)
        return Streamed(seconds, count_of.wire_bytes, spent_s)


def expect_end(result: Mapping[str, Any]) -> None:
    """Check that a turn came to its end.

    Raises:
        AgentFailed: it did not.
    """
    if result.get("stopReason") != "end_turn":
        raise AgentFailed(f"a turn ended with stopReason {result.get('stopReason')!r}")


def _result(message: Mapping[str, Any]) -> dict[str, Any]:
    if "error" in message:
        raise AgentFailed(f"it answered with an error: {json.dumps(message['error'])[:200]}")
    result: dict[str, Any] = message["result"]
    return result


def _our_answer(message: Mapping[str, Any]) -> bytes:
    method = message["method"]
    result: dict[str, Any] = {}
    if method == "fs/read_text_file":
        result = {"content": FILE_TEXT}
    elif method == "session/request_permission":
        option = next(option for option in message["params"]["options"] if option["kind"] == "allow_once")
        result = {"outcome": {"outcome": "selected", "optionId": option["optionId"]}}
    return orjson.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}) + b"\n"
