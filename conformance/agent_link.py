"""The client's end of one conversation with an agent that runs as a child process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from conformance.programs import Program, Start, start_process
from conformance.transcript import Entry, Transcript
from conformance.verdicts import NotExercised

LINE_LIMIT_BYTES = 64 * 1024 * 1024
STDERR_SHOWN_BYTES = 2000

STARTING = 4
"""How many times as long the first answer may take: many agents are started side by side."""


class NoAnswer(NotExercised):
    """The agent did not answer in time, or went away before it did."""


class Errored(NotExercised):
    """The agent answered with an error. ``code`` is None if the error has no readable code."""

    def __init__(self, method: str, error: object) -> None:
        fields: Mapping[str, Any] = error if isinstance(error, dict) else {}
        self.code = fields.get("code") if isinstance(fields.get("code"), int) else None
        self.error_message = fields.get("message")
        self.data = fields.get("data")
        super().__init__(f"{method} was answered with the error {self.code}: {self.error_message}")


class Refusal(Exception):
    """Raised by what serves a request of the agent: it is answered with this error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


Serve = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Answers one request of the agent, given its params; never to return means never to answer."""


@dataclass(eq=False)
class Asked:
    """A request on its way. ``entry``: as it was sent."""

    link: AgentLink
    method: str
    entry: Entry
    _answered: asyncio.Future[Entry]

    @property
    def done(self) -> bool:
        return self._answered.done()

    async def answer(self, timeout_s: float | None = None) -> Entry:
        """The response, also if it is an error.

        Raises:
            NoAnswer: none came in time.
        """
        patience_s = timeout_s or self.link.patience_s
        try:
            return await asyncio.wait_for(asyncio.shield(self._answered), patience_s)
        except TimeoutError:
            raise NoAnswer(f"{self.method} was not answered within {patience_s:g} s") from None

    async def result(self, timeout_s: float | None = None) -> Mapping[str, Any]:
        """The result, null read as an empty object.

        Raises:
            Errored: the answer is an error.
            NoAnswer: none came in time.
        """
        entry = await self.answer(timeout_s)
        if entry.message.get("error") is not None:  # beside a result, null breaks another rule than that of this method
            raise Errored(self.method, entry.message["error"])
        return entry.result


class AgentLink:
    """Talks to one agent and records every line.

    Requests of the agent are answered by ``services`` (method -> what serves it); those without a service get -32601.
    Made by `spawn`.
    """

    def __init__(
        self,
        process: Program,
        transcript: Transcript,
        services: Mapping[str, Serve],
        timeout_s: float,
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.transcript = transcript
        self.services = dict(services)
        self.timeout_s = timeout_s
        self._stdin, self._stdout = process.stdin, process.stdout
        self._ids = 0
        self._asked: dict[Entry, asyncio.Future[Entry]] = {}
        self._heard = asyncio.Condition()
        self._serving: set[asyncio.Task[None]] = set()
        self._reading = asyncio.create_task(self._read())

    @property
    def patience_s(self) -> float:
        """How long an answer may take; longer while the agent has said nothing yet, for it may still be starting."""
        started = any(True for _ in self.transcript.sent_by("agent"))
        return self.timeout_s if started else self.timeout_s * STARTING

    # -- out

    async def write(self, data: bytes) -> None:
        """Bytes as they are, newlines included; what makes whole lines goes into the transcript."""
        for line in data.split(b"\n"):
            if line.strip():
                self.transcript.add("client", line)
        await self.write_unrecorded(data)

    async def write_unrecorded(self, data: bytes) -> None:
        """Bytes as they are. An agent that reads them no more answers no request from then on (`NoAnswer`)."""
        try:
            self._stdin.write(data)
            await asyncio.wait_for(self._stdin.drain(), self.timeout_s)
        except TimeoutError:
            self._fail_open("the agent stopped reading")
        except OSError:
            self._fail_open(f"the agent reads no more ({await self._how_it_ended()})")
        if self._reading.done():
            self._fail_open()

    async def ask(self, method: str, params: object = None, *, request_id: object = None) -> Asked:
        """Send a request; ``params`` of None sends none, ``request_id`` of None takes the next number."""
        return await self.ask_raw(method, self.request_line(method, params, request_id))

    def request_line(self, method: str, params: object = None, request_id: object = None) -> bytes:
        """A request as `ask` would write it, without its newline."""
        if request_id is None:
            self._ids += 1
            request_id = self._ids
        message: dict[str, object] = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            message["params"] = params
        return orjson.dumps(message)

    async def ask_raw(self, method: str, line: bytes) -> Asked:
        """Send a request that is written already, without its newline."""
        asked = self.expect(method, line)
        await self.write_unrecorded(line + b"\n")
        return asked

    def expect(self, method: str, line: bytes) -> Asked:
        """Record a request whose bytes the caller writes in a way of its own (`write_unrecorded`)."""
        entry = self.transcript.add("client", line)
        future: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._asked[entry] = future
        return Asked(self, method, entry, future)

    async def request(self, method: str, params: object = None, *, timeout_s: float | None = None) -> Mapping[str, Any]:
        """Send a request and wait for its result (`Asked.result`)."""
        return await (await self.ask(method, params)).result(timeout_s)

    async def notify(self, method: str, params: object = None) -> None:
        """Send a notification."""
        message: dict[str, object] = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        await self.write(orjson.dumps(message) + b"\n")

    # -- in

    async def heard(
        self, wanted: Callable[[Entry], bool], timeout_s: float | None = None, *, since: int = 0
    ) -> Entry | None:
        """The first line of the agent, from entry number ``since`` on, that is wanted; None if none comes in time."""
        position = since

        def found() -> Entry | None:
            nonlocal position
            entries = self.transcript.entries
            while position < len(entries):
                entry = entries[position]
                position += 1
                if entry.sender == "agent" and wanted(entry):
                    return entry
            return None

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s or self.timeout_s), self._heard:
                while (entry := found()) is None:
                    if self._reading.done():
                        return None
                    await self._heard.wait()
                return entry
        return found()

    async def quiet(self, seconds: float) -> list[Entry]:
        """Listen for so long; the lines of the agent that came meanwhile."""
        begin = len(self.transcript.entries)
        await asyncio.sleep(seconds)
        return [entry for entry in self.transcript.entries[begin:] if entry.sender == "agent"]

    async def _read(self) -> None:
        try:
            while True:
                try:
                    line = await self._stdout.readuntil(b"\n")
                except asyncio.IncompleteReadError as error:
                    if error.partial.strip():
                        self.transcript.add("agent", error.partial)
                    return
                except asyncio.LimitOverrunError:
                    self.transcript.note(f"the agent wrote a line of more than {LINE_LIMIT_BYTES} bytes")
                    return
                await self._take(self.transcript.add("agent", line[:-1]))
        finally:
            self._fail_open()
            async with self._heard:
                self._heard.notify_all()

    async def _take(self, entry: Entry) -> None:
        if entry.is_response and entry.asked is not None and not entry.repeated:
            future = self._asked.pop(entry.asked, None)
            if future is not None and not future.done():
                future.set_result(entry)
        elif entry.is_request:
            task = asyncio.create_task(self._serve(entry))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        async with self._heard:
            self._heard.notify_all()

    async def _serve(self, entry: Entry) -> None:
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": entry.message["id"]}
        service = self.services.get(entry.method or "")
        try:
            if service is None:
                raise Refusal(-32601, "Method not found")
            answer["result"] = await service(entry.params)
        except Refusal as refusal:
            answer["error"] = {"code": refusal.code, "message": refusal.message}
        await self.write(orjson.dumps(answer) + b"\n")

    def _fail_open(self, why: str = "the agent went away") -> None:
        for entry, future in self._asked.items():
            if not future.done():
                future.set_exception(NoAnswer(f"{entry.method} was not answered: {why}"))
                future.exception()  # nobody has to ask for it
        self._asked.clear()

    # -- the end

    async def close_input(self) -> None:
        """The end of the agent's input."""
        self.transcript.note("the client closed the agent's input")
        self._stdin.close()
        with contextlib.suppress(OSError):
            await self._stdin.wait_closed()

    async def exited(self, timeout_s: float) -> int | None:
        """The agent's exit status; None if it still runs after so long."""
        try:
            status = await asyncio.wait_for(self.process.wait(), timeout_s)
        except TimeoutError:
            return None
        self.transcript.note(f"the agent exited with {status}")
        return status

    async def stop(self) -> None:
        """Kill the agent and everything that it started, wherever it is."""
        for task in self._serving:
            task.cancel()
        if not self._stdin.is_closing():
            self._stdin.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, *self._serving, return_exceptions=True)

    async def _how_it_ended(self) -> str:
        status = await self.exited(0.5)
        return "it still runs" if status is None else f"it exited with {status}"


@contextlib.asynccontextmanager
async def spawned(
    command: Sequence[str],
    transcript: Transcript,
    services: Mapping[str, Serve],
    *,
    timeout_s: float,
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
    stderr: int | None = None,
    start: Start = start_process,
) -> Any:
    """An agent that runs as long as the block; its stderr goes to a file, or to the descriptor ``stderr``.

    Raises:
        NotExercised: it cannot be started.
    """
    with tempfile.TemporaryFile() as err:
        try:
            process = await start(
                command,
                limit=LINE_LIMIT_BYTES,
                stderr=err.fileno() if stderr is None else stderr,
                cwd=cwd,
                environment=environment,
            )
        except OSError as error:
            raise NotExercised(f"the agent cannot be started: {error}") from None
        link = AgentLink(process, transcript, services, timeout_s)
        try:
            yield link
        finally:
            await link.stop()
            err.seek(0, os.SEEK_END)
            err.seek(max(0, err.tell() - STDERR_SHOWN_BYTES))
            said = err.read().decode("utf-8", "backslashreplace").strip()
            if said:
                transcript.note(f"stderr: {said}")
