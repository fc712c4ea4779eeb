"""An agent as a child process: frames over its stdin and stdout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import anyio

from agent_server.processes.child import Child, ChildExit, spawn
from agent_server.processes.output import PipeReader
from agent_server.processes.tree import kill_tree
from agent_server.transport.fds import FdTransport

STOP_GRACE_S: Final = 2.0
"""How long an agent may take to end by itself once its stdin is closed."""

Stderr: TypeAlias = int | Callable[[bytes], object] | None
"""Where the agent's stderr goes: a descriptor or ``subprocess.DEVNULL``, None for ours, or who hears it."""


class AgentProcess:
    """A running agent. Whoever holds one must call `stop` or `kill`.

    Attributes:
        transport: the frames; the connection that uses it closes it.
        child: the process.
    """

    def __init__(self, child: Child, stderr: Callable[[bytes], object] | None) -> None:
        assert child.stdin is not None and child.stdout is not None
        self.child = child
        # Our own end of its stdout stays open after the transport is closed: what the agent says while it ends goes
        # nowhere, but does not break its pipe.
        self.transport = FdTransport(os.dup(child.stdout.fileno()), os.dup(child.stdin.fileno()))
        child.stdin.close()
        self._stderr = None if stderr is None or child.stderr is None else PipeReader(child.stderr, stderr)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.child.pid

    async def stop(self, grace_s: float = STOP_GRACE_S) -> ChildExit | None:
        """Close its stdin, wait for at most ``grace_s`` seconds, then end its whole tree.

        A cancellation ends the tree at once and is then let through. Returns how it ended; None if it is stuck inside
        the kernel. May be called again.
        """
        self.transport.close()
        try:
            if not self.child.is_reaped:
                await self._ends_within(grace_s)
        finally:
            await self.kill()
        return self.child.exit

    async def kill(self) -> None:
        """End its whole tree now; also what an ended agent left running."""
        self.transport.close()
        try:
            await kill_tree(self.child)
        finally:
            if self._stderr is not None:
                reader, self._stderr = self._stderr, None
                reader.close()
            self.child.close_pipes()

    async def _ends_within(self, grace_s: float) -> None:
        assert self.child.stdout is not None
        drain = PipeReader(self.child.stdout, lambda _data: None)
        try:
            with anyio.move_on_after(grace_s):
                await self.child.wait()
        finally:
            drain.close()


async def spawn_agent(
    argv: Sequence[str],
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    stderr: Stderr = subprocess.DEVNULL,
) -> AgentProcess:
    """Start an agent. ``env`` is laid over our whole environment: an agent is the user's own and needs its keys.

    Raises:
        OSError: the program or ``cwd`` is missing or may not be used.
        ValueError: an argument cannot be passed to a program.
    """
    heard = stderr if callable(stderr) else None
    child = spawn(
        argv,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if callable(stderr) else stderr,
    )
    return AgentProcess(child, heard)
