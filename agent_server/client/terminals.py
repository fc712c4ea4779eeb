"""Running commands for an agent and keeping what they print. Spec: terminals; Req: JR-04."""

from __future__ import annotations

import asyncio
import codecs
import os
import subprocess
from collections.abc import Sequence
from typing import Final, Protocol
from uuid import uuid4

from agent_server.client.paths import invalid, not_found
from agent_server.processes.child import Child, ChildExit, spawn
from agent_server.processes.environment import command_environment
from agent_server.processes.output import PipeReader
from agent_server.processes.tree import kill_tree
from agent_server.protocol.v1.client_services import (
    CreateTerminalRequest,
    CreateTerminalResponse,
    KillTerminalRequest,
    KillTerminalResponse,
    ReleaseTerminalRequest,
    ReleaseTerminalResponse,
    TerminalExitStatus,
    TerminalOutputRequest,
    TerminalOutputResponse,
    WaitForTerminalExitRequest,
    WaitForTerminalExitResponse,
)

MAX_OUTPUT_BYTES: Final = 1024 * 1024
"""What is kept of a command's output where the agent sets no limit, or a higher one."""

_SLACK_BYTES: Final = 64 * 1024

END_OF_OUTPUT_GRACE_S: Final = 0.2
"""How long the output of an ended command is awaited while something that it started holds the pipe open."""


class TerminalService(Protocol):
    """Answers ``terminal/*`` for every session of a connection. All may raise RpcError."""

    async def create(self, request: CreateTerminalRequest, cwd: str) -> CreateTerminalResponse:
        """Start a command, in ``cwd`` (the session's) unless the request says where."""

    async def output(self, request: TerminalOutputRequest) -> TerminalOutputResponse:
        """What it printed so far."""

    async def wait_for_exit(self, request: WaitForTerminalExitRequest) -> WaitForTerminalExitResponse:
        """Wait until it ends."""

    async def kill(self, request: KillTerminalRequest) -> KillTerminalResponse:
        """End it; its output stays."""

    async def release(self, request: ReleaseTerminalRequest) -> ReleaseTerminalResponse:
        """End it and forget it."""

    async def release_all(self, session_id: str | None = None) -> None:
        """End and forget every terminal, or those of one session."""


class BoundedOutput:
    """The newest part of what a command printed, as valid UTF-8 of at most ``limit_bytes`` bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._kept = bytearray()
        self._dropped = False

    def write(self, data: bytes) -> None:
        """The command printed this; what is no UTF-8 becomes U+FFFD."""
        self._append(self._decoder.decode(data))

    def end(self) -> None:
        """Nothing more comes."""
        self._append(self._decoder.decode(b"", final=True))

    def read(self) -> tuple[str, bool]:
        """The text that is kept, and whether older text was dropped."""
        self._trim()
        return self._kept.decode(), self._dropped

    def _append(self, text: str) -> None:
        self._kept += text.encode()
        if len(self._kept) > 2 * self._limit_bytes + _SLACK_BYTES:  # seldom, because cutting moves what is kept
            self._trim()

    def _trim(self) -> None:
        start = len(self._kept) - self._limit_bytes
        if start <= 0:
            return
        while start < len(self._kept) and self._kept[start] & 0xC0 == 0x80:
            start += 1
        del self._kept[:start]
        self._dropped = True


class _Terminal:
    """One command: what it prints, and how it ends."""

    def __init__(self, child: Child, limit_bytes: int) -> None:
        assert child.stdout is not None
        self._child = child
        self.output = BoundedOutput(limit_bytes)
        self._reader = PipeReader(child.stdout, self.output.write)
        self._ended = asyncio.ensure_future(self._wait())

    @property
    def exit(self) -> ChildExit | None:
        """How it ended, once its output is complete too."""
        return self._ended.result() if self._ended.done() and not self._ended.cancelled() else None

    async def wait(self) -> ChildExit:
        """Wait for its end; the wait may be given up."""
        return await asyncio.shield(self._ended)

    async def kill(self) -> None:
        """End the whole tree; returns when its end is known to `exit` too."""
        await kill_tree(self._child)
        if self._child.exit is not None:
            await asyncio.wait([self._ended])

    async def release(self) -> None:
        """End the whole tree, what an ended command left running too, and give the pipe back."""
        try:
            await self.kill()
        finally:
            self._reader.close()
            self._child.close_pipes()
            if self._child.exit is None:
                self._ended.cancel()

    async def _wait(self) -> ChildExit:
        ended = await self._child.wait()
        if await self._reader.ended_within(END_OF_OUTPUT_GRACE_S):
            self.output.end()
        return ended


class LocalTerminals:
    """Commands on this machine, without a shell, with a clean environment and no input."""

    def __init__(self) -> None:
        self._terminals: dict[tuple[str, str], _Terminal] = {}

    async def create(self, request: CreateTerminalRequest, cwd: str) -> CreateTerminalResponse:
        """Start a command. Variables that the request names itself are passed whatever they are called.

        Raises:
            RpcError: -32602 if the program or the directory is missing or may not be used.
        """
        where = request.cwd or cwd
        if not os.path.isabs(where):
            raise invalid(f"{where!r} is not an absolute path")
        extra = {variable.name: variable.value for variable in request.env}
        argv = [request.command, *request.args]
        child = _spawn(argv, where, command_environment(extra, allow=extra.keys()))
        limit = MAX_OUTPUT_BYTES if request.output_byte_limit is None else request.output_byte_limit
        terminal_id = f"terminal_{uuid4().hex}"
        self._terminals[request.session_id, terminal_id] = _Terminal(child, min(limit, MAX_OUTPUT_BYTES))
        return CreateTerminalResponse(terminal_id=terminal_id)

    async def output(self, request: TerminalOutputRequest) -> TerminalOutputResponse:
        """What it printed so far, cut at the start at a character boundary.

        Raises:
            RpcError: -32002 if there is no such terminal in this session; likewise below.
        """
        terminal = self._find(request.session_id, request.terminal_id)
        text, truncated = terminal.output.read()
        ended = terminal.exit
        status = None if ended is None else TerminalExitStatus(exit_code=ended.exit_code, signal=ended.signal)
        return TerminalOutputResponse(output=text, truncated=truncated, exit_status=status)

    async def wait_for_exit(self, request: WaitForTerminalExitRequest) -> WaitForTerminalExitResponse:
        """Wait until it ends by itself or is killed."""
        ended = await self._find(request.session_id, request.terminal_id).wait()
        return WaitForTerminalExitResponse(exit_code=ended.exit_code, signal=ended.signal)

    async def kill(self, request: KillTerminalRequest) -> KillTerminalResponse:
        """End its whole tree; the terminal and its output stay."""
        await self._find(request.session_id, request.terminal_id).kill()
        return KillTerminalResponse()

    async def release(self, request: ReleaseTerminalRequest) -> ReleaseTerminalResponse:
        """End its whole tree; its id is unknown from now on."""
        terminal = self._find(request.session_id, request.terminal_id)
        del self._terminals[request.session_id, request.terminal_id]
        await terminal.release()
        return ReleaseTerminalResponse()

    async def release_all(self, session_id: str | None = None) -> None:
        """End and forget every terminal, or those of one session, all at the same time."""
        keys = [key for key in self._terminals if session_id is None or key[0] == session_id]
        terminals = [self._terminals.pop(key) for key in keys]
        await asyncio.gather(*(terminal.release() for terminal in terminals))

    def _find(self, session_id: str, terminal_id: str) -> _Terminal:
        try:
            return self._terminals[session_id, terminal_id]
        except KeyError:
            raise not_found(f"there is no terminal {terminal_id[:100]!r} in this session") from None


def _spawn(argv: Sequence[str], cwd: str, env: dict[str, str]) -> Child:
    try:
        return spawn(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        raise invalid(f"{argv[0]!r} cannot be run in {cwd!r}: {error.strerror}") from None
    except ValueError:
        raise invalid("the command holds characters that no program can be given") from None
