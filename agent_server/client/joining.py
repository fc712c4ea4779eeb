"""Starting an agent, or joining one over any transport."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio

from agent_server.client.client import RemoteAgent
from agent_server.client.services import ClientServices
from agent_server.transport.port import Transport
from agent_server.transport.process import Stderr, spawn_agent
from agent_server.transport.tap import Observer, TapTransport

INITIALIZE_TIMEOUT_S: Final = 60.0


@asynccontextmanager
async def connect(
    transport: Transport,
    services: ClientServices | None = None,
    *,
    observer: Observer | None = None,
    timeout_s: float = INITIALIZE_TIMEOUT_S,
) -> AsyncIterator[RemoteAgent]:
    """Join an agent over a transport, which is closed at the end. ``observer`` sees every frame.

    Raises:
        UnsupportedAgent: it speaks another version.
        ConnectionClosed: it went away, or did not answer ``initialize`` within ``timeout_s`` seconds.
        RpcError: it refused.
    """
    agent = RemoteAgent(TapTransport(transport, observer) if observer else transport, services or ClientServices())
    running = asyncio.ensure_future(agent.connection.run(drain_s=0, cancel_s=0))
    running.add_done_callback(lambda _running: agent.stop_waiting())
    try:
        await agent.initialize(timeout_s)
        yield agent
    finally:
        with anyio.CancelScope(shield=True):
            agent.connection.end()
            if agent.services.terminals is not None:
                await agent.services.terminals.release_all()
            await asyncio.wait([running])


@asynccontextmanager
async def spawn(
    argv: Sequence[str],
    services: ClientServices | None = None,
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    stderr: Stderr = subprocess.DEVNULL,
    observer: Observer | None = None,
    timeout_s: float = INITIALIZE_TIMEOUT_S,
) -> AsyncIterator[RemoteAgent]:
    """Start an agent and join it; its whole process tree is gone at the end (at once if a cancel scope ends the block).

    Arguments are those of `spawn_agent` and `connect`.

    Raises:
        OSError: the program or ``cwd`` is missing or may not be used.
        AgentServerError: as for `connect`.
    """
    process = await spawn_agent(argv, cwd=cwd, env=env, stderr=stderr)
    try:
        async with connect(process.transport, services, observer=observer, timeout_s=timeout_s) as agent:
            yield agent
    finally:
        await process.stop()
