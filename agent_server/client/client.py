"""Being a client: start an agent or join one over any transport, agree with it, and make sessions."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio

from agent_server import __version__
from agent_server.client.files import FileService
from agent_server.client.permissions import PermissionPolicy, reject_all
from agent_server.client.session import Listener, RemoteSession
from agent_server.client.terminals import TerminalService
from agent_server.connection.connection import Connection
from agent_server.connection.router import Router
from agent_server.errors import AgentServerError, ConnectionClosed, SessionNotFound
from agent_server.protocol.capabilities import offers
from agent_server.protocol.v1.initialize import (
    AgentCapabilities,
    AuthenticateRequest,
    ClientCapabilities,
    ClientSessionCapabilities,
    FileSystemCapabilities,
    Implementation,
    InitializeRequest,
    InitializeResponse,
    SessionConfigOptionsCapabilities,
    Supported,
)
from agent_server.protocol.v1.methods import AUTHENTICATE, CLIENT_METHODS, INITIALIZE, SESSION_NEW
from agent_server.protocol.v1.session import McpServer, NewSessionRequest
from agent_server.transport.port import Transport
from agent_server.transport.process import Stderr, spawn_agent
from agent_server.transport.tap import Observer, TapTransport

PROTOCOL_VERSION: Final = 1

INITIALIZE_TIMEOUT_S: Final = 60.0

MAX_EARLY_SESSIONS: Final = 16
"""Session ids that an agent may use before it has answered the request that creates them."""

_CLIENT_INFO: Final = Implementation(name="agent-server-client", title="agent-server client", version=__version__)


class UnsupportedAgent(AgentServerError):
    """The agent speaks no protocol version that we speak."""


@dataclass(frozen=True, slots=True)
class ClientServices:
    """What the client does for an agent; only what is here is advertised.

    Attributes:
        permissions: who answers when the agent asks.
        files: serves ``fs/*``, None for not at all.
        terminals: serves ``terminal/*``, None for not at all.
        notices: whether notices are shown to somebody.
        info: what we call ourselves.
    """

    permissions: PermissionPolicy = reject_all
    files: FileService | None = None
    terminals: TerminalService | None = None
    notices: bool = True
    info: Implementation = _CLIENT_INFO

    def capabilities(self) -> ClientCapabilities:
        """What we tell the agent that we can do."""
        fs = FileSystemCapabilities(
            read_text_file=self.files is not None and self.files.reads,
            write_text_file=self.files is not None and self.files.writes,
        )
        session = ClientSessionCapabilities(
            config_options=SessionConfigOptionsCapabilities(boolean=Supported()),
            notices=Supported() if self.notices else None,
        )
        return ClientCapabilities(fs=fs, terminal=self.terminals is not None, session=session)


class RemoteAgent:
    """An agent at the other end of a connection; made by `connect` or `spawn`.

    Attributes:
        connection: for methods that have no function here.
        services: what we do for it.
    """

    def __init__(self, transport: Transport, services: ClientServices) -> None:
        router = Router(CLIENT_METHODS, RemoteAgent, RemoteSession)
        self.connection = Connection(transport, router, self, self._find_session)
        self.services = services
        self._transport = transport
        self._answer: InitializeResponse | None = None
        self._offered: dict[str, Any] = {}
        self._sessions: dict[str, RemoteSession] = {}
        self._early: dict[str, RemoteSession] = {}
        self._opening = 0

    @property
    def answer(self) -> InitializeResponse:
        """Everything that it answered to ``initialize``."""
        if self._answer is None:
            raise ConnectionClosed("the agent has not answered initialize")
        return self._answer

    @property
    def info(self) -> Implementation | None:
        """Its name and version, if it says so."""
        return self.answer.agent_info

    @property
    def capabilities(self) -> AgentCapabilities:
        """What it can do."""
        return self.answer.agent_capabilities

    @property
    def sessions(self) -> Mapping[str, RemoteSession]:
        """The sessions that we made and did not close, by id."""
        return self._sessions

    def offers(self, path: str) -> bool:
        """Whether it advertised a capability, as a dotted path (``sessionCapabilities.close``)."""
        return offers(self._offered, path)

    async def initialize(self, timeout_s: float) -> None:
        """Agree on the version and on what both can do. `connect` does it.

        Raises:
            UnsupportedAgent: it answered another version.
            ConnectionClosed: it went away, or gave no answer in time.
            RpcError: it refused.
        """
        request = InitializeRequest(
            protocol_version=PROTOCOL_VERSION,
            client_capabilities=self.services.capabilities(),
            client_info=self.services.info,
        )
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self.connection.request(INITIALIZE, request)
        except TimeoutError:
            raise ConnectionClosed(f"the agent did not answer initialize within {timeout_s:g} s") from None
        if answer.protocol_version != PROTOCOL_VERSION:
            theirs, ours = answer.protocol_version, PROTOCOL_VERSION
            raise UnsupportedAgent(f"the agent speaks ACP version {theirs}, this client speaks version {ours}")
        self._answer = answer
        self._offered = answer.agent_capabilities.to_wire()
        self.connection.open(offered=self.offers)

    async def authenticate(self, method_id: str) -> None:
        """Log in by one of the agent's own methods (``answer.auth_methods``).

        Raises:
            RpcError: that failed.
        """
        await self.connection.request(AUTHENTICATE, AuthenticateRequest(method_id=method_id))

    async def new_session(
        self,
        cwd: str,
        *,
        additional_directories: Sequence[str] = (),
        mcp_servers: Sequence[McpServer] = (),
        listener: Listener | None = None,
    ) -> RemoteSession:
        """Start a session in a directory. ``listener`` hears all its updates, those before the answer too.

        Raises:
            RpcError: the agent could not; -32000 if it wants a login first.
            ConnectionClosed: it went away.
        """
        roots = tuple(os.path.abspath(path) for path in (cwd, *additional_directories))
        request = NewSessionRequest(
            cwd=roots[0], additional_directories=list(roots[1:]), mcp_servers=list(mcp_servers)
        )
        self._opening += 1
        try:
            answer = await self.connection.request(SESSION_NEW, request)
            session = self._early.pop(answer.session_id, None) or RemoteSession(self, answer.session_id)
        finally:
            self._opening -= 1
            self._drop_early()
        self._sessions[session.id] = session
        session.transcript.begin(answer.modes, answer.config_options)
        session.establish(roots, listener)
        return session

    def pause_reading(self) -> None:
        """Take nothing more from the agent, until `resume_reading`: for who cannot follow."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._transport.resume_reading()

    def forget(self, session_id: str) -> None:
        """That session is closed: what still comes for it is nobody's."""
        self._sessions.pop(session_id, None)

    def _find_session(self, session_id: str) -> RemoteSession:
        session = self._sessions.get(session_id)
        if session is not None:
            return session
        early = self._early.get(session_id)
        if early is not None:
            return early
        if not self._opening or len(self._early) >= MAX_EARLY_SESSIONS:
            raise SessionNotFound(session_id)
        early = self._early[session_id] = RemoteSession(self, session_id)
        return early

    def _drop_early(self) -> None:
        if self._opening == 0:
            for session in self._early.values():
                session.abandon()
            self._early.clear()


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
