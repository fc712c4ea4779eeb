"""An agent at the other end of two plain pipes, with control over every byte and over whether anybody reads."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import orjson

READ_BYTES = 65536
ANSWER_S = 10.0
PROBE = "_conformance/probe"
KIB = 1024


class Lost(Exception):
    """The agent went away, or stopped answering."""


class RawAgent:
    """A running agent. A context manager; kills what it started.

    Lines that came are in ``lines``, parsed where they are JSON, as bytes where not. ``stream_prompt`` is for those who
    attack it: the text of a prompt that streams for long.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        os.set_blocking(self._in.fileno(), False)
        self._partial = bytearray()
        self._ids = 0
        self.lines: list[Any] = []
        self.stream_prompt = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill the agent and its process group."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._process.wait()
        self.close_input()
        self._out.close()

    # -- out

    def send(self, data: bytes, *, reading: bool = True, deadline_s: float = ANSWER_S) -> int:
        """Write it all, reading meanwhile (or not); how many bytes went out before the agent stopped taking them.

        Raises:
            Lost: the agent reads no more.
        """
        sent, view, end = 0, memoryview(data), time.monotonic() + deadline_s
        outputs = [self._in.fileno()]
        while sent < len(data) and time.monotonic() < end:
            inputs = [self._out.fileno()] if reading else []
            readable, writable, _ = select.select(inputs, outputs, [], max(0.0, min(1.0, end - time.monotonic())))
            if readable:
                self._take()
            if writable:
                try:
                    sent += os.write(self._in.fileno(), view[sent : sent + READ_BYTES])
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise Lost(f"the agent reads no more ({error.strerror}; {self.how_it_ended()})") from None
        return sent

    def next_id(self) -> int:
        """An id that was not used yet."""
        self._ids += 1
        return 1_000_000 + self._ids

    def request(self, method: str, params: object, *, deadline_s: float = ANSWER_S) -> dict[str, Any]:
        """Ask and wait for the answer.

        Raises:
            Lost: none came.
        """
        request_id = self.next_id()
        line = orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        self.send(line + b"\n")
        return self.answer(request_id, deadline_s=deadline_s)

    def initialize(self) -> dict[str, Any]:
        """Open the connection as a client that offers nothing."""
        params = {"protocolVersion": 1, "clientCapabilities": {}, "clientInfo": {"name": "faults", "version": "1"}}
        return self.request("initialize", params)

    def new_session(self) -> str:
        """A session in the temporary directory.

        Raises:
            Lost: none was made.
        """
        answer = self.request("session/new", {"cwd": "/tmp", "mcpServers": []})
        try:
            return str(answer["result"]["sessionId"])
        except (KeyError, TypeError):
            raise Lost("no session was made") from None

    def probe(self) -> None:
        """Make sure that the agent still answers.

        Raises:
            Lost: it does not.
        """
        self.request(PROBE, {})

    # -- in

    def answer(self, request_id: object, *, deadline_s: float = ANSWER_S) -> dict[str, Any]:
        """The answer to a request, now or later.

        Raises:
            Lost: none came in time.
        """
        looked_at = 0
        found: dict[str, Any] | None = None

        def met() -> bool:
            nonlocal looked_at, found
            for line in self.lines[looked_at:]:
                if isinstance(line, dict) and "method" not in line and line.get("id", "") == request_id:
                    found = line
            looked_at = len(self.lines)
            return found is not None

        self.wait(met, deadline_s)
        assert found is not None
        return found

    def wait(self, met: Callable[[], bool], deadline_s: float) -> None:
        """Read until the condition is met.

        Raises:
            Lost: the agent went away, or the time is over.
        """
        end = time.monotonic() + deadline_s
        while not met():
            left = end - time.monotonic()
            if left <= 0:
                raise Lost(f"no answer within {deadline_s:g} s")
            if not self._take(left) and not met():
                raise Lost(f"the agent closed its output ({self.how_it_ended()})")

    def _take(self, wait_s: float = 0.0) -> bool:
        """Read what is there, waiting so long for it; False at the end of the output."""
        readable, _, _ = select.select([self._out.fileno()], [], [], wait_s)
        if not readable:
            return True
        data = os.read(self._out.fileno(), READ_BYTES)
        self._partial += data
        if b"\n" in data:
            *lines, rest = bytes(self._partial).split(b"\n")
            self._partial = bytearray(rest)
            self.lines += [_read(line) for line in lines]
        return bool(data)

    def drain(self, deadline_s: float = ANSWER_S) -> None:
        """Read to the end of the output, or for so long."""
        end = time.monotonic() + deadline_s
        while (left := end - time.monotonic()) > 0 and self._take(left):
            pass

    # -- the process

    def close_input(self) -> None:
        if not self._in.closed:
            self._in.close()

    def close_output(self) -> None:
        """Hang up the reading end: whatever the agent writes from now on breaks its pipe."""
        self._out.close()

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def exited(self, within_s: float) -> int | None:
        """The exit status; None if it still runs. Reads nothing meanwhile."""
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> int:
        """The descriptor that it writes to."""
        return self._out.fileno()

    def how_it_ended(self) -> str:
        """For people."""
        status = self.exited(0.5)
        return "it still runs" if status is None else f"it exited with {status}"

    def memory_kib(self, which: str = "VmHWM") -> int | None:
        """The peak of resident memory (or ``VmRSS``: the memory now); None where the system does not tell."""
        try:
            with open(f"/proc/{self._process.pid}/status", encoding="ascii", errors="replace") as status:
                for line in status:
                    if line.startswith(f"{which}:"):
                        return int(line.split()[1])
        except OSError:
            pass
        return None

    def cpu_s(self) -> float | None:
        """The processor time used so far; None where the system does not tell."""
        try:
            return time.clock_gettime(((~self._process.pid) << 3) | 2)
        except (OSError, AttributeError):
            return None


def _read(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
