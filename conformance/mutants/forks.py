"""The quick way to start the agent of the mutants: a fork of a process that has read it already."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from conformance.programs import Program

SERVER = Path(__file__).with_name("fork_server.py")
ANSWER_BYTES = 64


class Forks:
    """Starts agents while the block runs; `start` is a `programs.Start`, its command the agent's arguments alone."""

    def __enter__(self) -> Forks:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", "-S", str(SERVER)]
        self._server = subprocess.Popen(command, stdin=theirs.fileno(), start_new_session=True)
        theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._control.close()
        self._server.wait()

    async def start(
        self,
        command: Sequence[str],
        *,
        limit: int,
        stderr: int,
        cwd: str | None,
        environment: Mapping[str, str] | None,
    ) -> Program:
        """An agent; its stdin, stdout and status are pipes, as those of any child are."""
        (stdin, to_agent), (from_agent, stdout), (told, status) = os.pipe(), os.pipe(), os.pipe()
        wanted = {"arguments": list(command), "cwd": cwd, "environment": dict(environment or {})}
        socket.send_fds(self._control, [json.dumps(wanted).encode()], [stdin, stdout, stderr, status])
        for descriptor in (stdin, stdout, status):
            os.close(descriptor)
        pid = int(self._control.recv(ANSWER_BYTES))
        return Forked(pid, await _writer(to_agent), await _reader(from_agent, limit), await _reader(told, limit))


class Forked:
    """An agent that was forked."""

    def __init__(
        self, pid: int, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader, status: asyncio.StreamReader
    ) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self._ended = asyncio.ensure_future(status.read())

    async def wait(self) -> int:
        """Its exit status, negative if a signal ended it."""
        return int(await asyncio.shield(self._ended))


async def _reader(descriptor: int, limit: int) -> asyncio.StreamReader:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit)
    protocol = asyncio.StreamReaderProtocol(reader)
    await loop.connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb", buffering=0))
    return reader


async def _writer(descriptor: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(descriptor, "wb", buffering=0))
    return asyncio.StreamWriter(transport, protocol, None, loop)
