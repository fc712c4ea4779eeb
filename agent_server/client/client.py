"""An agent at the other end of a connection: agree with it, log in, and find, make and remove sessions."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from agent_server.client.errors import AgentMisbehaved, LoginUnavailable, UnsupportedAgent
from agent_server.client.extensions import AgentExtensions
from agent_server.client.hearing import Hearing, HearingRouter
from agent_server.client.instructions import system_prompt_of
from agent_server.client.questions import Questions
from agent_server.client.receiving import ClientConnection
from agent_server.client.registry import SessionRegistry
from agent_server.client.services import ClientServices
from agent_server.client.session import Listener, RemoteSession
from agent_server.connection.connection import Connection
from agent_server.connection.handlers import handles
from agent_server.errors import ConnectionClosed, RpcError
from agent_server.protocol.capabilities import offers
from agent_server.protocol.errors import ErrorCode
from agent_server.protocol.method import NotificationMethod, RequestMethod
from agent_server.protocol.model import Model
from agent_server.protocol.v1.initialize import (
    AgentCapabilities,
    AuthenticateRequest,
    AuthMethodTerminal,
    Implementation,
    InitializeRequest,
    InitializeResponse,
    LogoutRequest,
)
from agent_server.protocol.v1.methods import (
    AUTHENTICATE,
    CLIENT_METHODS,
    ELICITATION_COMPLETE,
    ELICITATION_CREATE,
    INITIALIZE,
    LOGOUT,
    SESSION_DELETE,
    SESSION_LIST,
    SESSION_LOAD,
    SESSION_NEW,
    SESSION_RESUME,
)
from agent_server.protocol.v1.session import McpServer, NewSessionRequest
from agent_server.protocol.v1.system_prompt import SystemPrompt
from agent_server.transport.port import Transport

if TYPE_CHECKING:  # imported where used: most clients never need them
    from agent_server.client.elicitation import Answer, Elicitations
    from agent_server.protocol.v1.elicitation import (
        CompleteElicitationNotification,
        CreateElicitationRequest,
        CreateElicitationResponse,
    )
    from agent_server.protocol.v1.history import (
        ListSessionsResponse,
        LoadSessionResponse,
        ResumeSessionResponse,
        SessionInfo,
    )

P = TypeVar("P", bound=Model)
R = TypeVar("R", bound=Model)

PROTOCOL_VERSION: Final = 1


class RemoteAgent:
    """An agent at the other end of a connection; made by `connect` or `spawn`.

    Attributes:
        connection: for what has no function here.
        services: what we do for it.
    """

    def __init__(self, transport: Transport, services: ClientServices) -> None:
        self._router = HearingRouter(CLIENT_METHODS, RemoteAgent, RemoteSession)
        self._registry = SessionRegistry(lambda session_id: RemoteSession(self, session_id))
        self.connection: Connection = ClientConnection(transport, self._router, self, self._registry.find)
        self.services = services
        self._transport = transport
        self._answer: InitializeResponse | None = None
        self._offered: dict[str, Any] = {}
        self._elicitations: Elicitations | None = None
        self._questions = Questions()

    # What it is

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
    def extensions(self) -> AgentExtensions | None:
        """What it offers beyond ACP if it is an agent-server, else None."""
        return AgentExtensions.from_meta(self.capabilities.meta)

    @property
    def sessions(self) -> Mapping[str, RemoteSession]:
        """The sessions that we opened and did not close, by id."""
        return self._registry.live

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

    # Logging in and out

    async def authenticate(self, method_id: str) -> None:
        """Log in by one of the agent's own methods (``answer.auth_methods``).

        Raises:
            LoginUnavailable: it did not advertise that one, or it is for a terminal; nothing was sent.
            RpcError: that failed.
        """
        method = next((method for method in self.answer.auth_methods if method.id == method_id), None)
        if method is None:
            raise LoginUnavailable(f"the agent offers no login {method_id!r}")
        if isinstance(method, AuthMethodTerminal):
            raise LoginUnavailable(f"the login {method_id!r} happens in a terminal: run the agent's program there")
        await self.connection.request(AUTHENTICATE, AuthenticateRequest(method_id=method_id))

    async def logout(self) -> None:
        """Forget the login; sessions may fail from then on, with -32000.

        Raises:
            CapabilityMissing: the agent does not offer that; nothing was sent.
            RpcError: it could not.
        """
        await self.connection.request(LOGOUT, LogoutRequest())

    # Sessions

    async def new_session(
        self,
        cwd: str,
        *,
        additional_directories: Sequence[str] = (),
        mcp_servers: Sequence[McpServer] = (),
        system_prompt: SystemPrompt | str | None = None,
        listener: Listener | None = None,
    ) -> RemoteSession:
        """Start a session in a directory. ``listener`` hears all its updates, those before the answer too.

        ``system_prompt`` are instructions for the model; a plain text is put behind the agent's own.

        Raises:
            CapabilityMissing: the agent offers no further directories, no such MCP servers or no system prompts;
                nothing was sent.
            ValueError: the system prompt is empty or holds more than text.
            RpcError: the agent could not; -32000 if it wants a login first.
            ConnectionClosed: it went away.
        """
        roots = _roots(cwd, additional_directories)
        request = NewSessionRequest(
            cwd=roots[0],
            additional_directories=list(roots[1:]),
            mcp_servers=list(mcp_servers),
            system_prompt=system_prompt_of(system_prompt),
        )
        with self._registry.opening():
            answer = await self.connection.request(SESSION_NEW, request)
            session = self._registry.opened(answer.session_id)
        session.transcript.begin(answer.modes, answer.config_options, newer=False)
        session.establish(roots, listener)
        return session

    async def load_session(
        self,
        session_id: str,
        cwd: str,
        *,
        additional_directories: Sequence[str] = (),
        mcp_servers: Sequence[McpServer] = (),
        system_prompt: SystemPrompt | str | None = None,
        listener: Listener | None = None,
    ) -> RemoteSession:
        """Come back to a session; all that happened in it stands in the transcript, and ``listener`` has heard it.

        The directories and instructions of before are not remembered: name them again. ``cwd`` is the session's own.
        An object that stood for the session on this connection hears nothing more.

        Raises:
            CapabilityMissing, ValueError, ConnectionClosed: as for `new_session`.
            RpcError: the agent could not; -32002 if it knows no such session.
            SessionConflict: it is being opened already.
        """
        from agent_server.protocol.v1.history import LoadSessionRequest

        roots = _roots(cwd, additional_directories)
        request = LoadSessionRequest(
            session_id=session_id,
            cwd=roots[0],
            additional_directories=list(roots[1:]),
            mcp_servers=list(mcp_servers),
            system_prompt=system_prompt_of(system_prompt),
        )
        before = self.sessions.get(session_id)
        session = RemoteSession(self, session_id, before)
        session.establish(roots, listener)
        session.await_replay(before)
        told = session.stop_replay
        answer = await self._reopen(session, lambda: self.connection.request(SESSION_LOAD, request, on_answer=told))
        session.end_replay()
        session.transcript.begin(answer.modes, answer.config_options, newer=True)
        return session

    async def resume_session(
        self,
        session_id: str,
        cwd: str,
        *,
        additional_directories: Sequence[str] = (),
        mcp_servers: Sequence[McpServer] = (),
        system_prompt: SystemPrompt | str | None = None,
        listener: Listener | None = None,
    ) -> RemoteSession:
        """As `load_session`, without being told what happened: the transcript begins here.

        Raises:
            AgentServerError, ValueError: as for `load_session`.
        """
        from agent_server.protocol.v1.history import ResumeSessionRequest

        roots = _roots(cwd, additional_directories)
        request = ResumeSessionRequest(
            session_id=session_id,
            cwd=roots[0],
            additional_directories=list(roots[1:]),
            mcp_servers=list(mcp_servers),
            system_prompt=system_prompt_of(system_prompt),
        )
        session = RemoteSession(self, session_id, self.sessions.get(session_id))
        session.establish(roots, listener)
        answer = await self._reopen(session, lambda: self.connection.request(SESSION_RESUME, request))
        session.transcript.begin(answer.modes, answer.config_options, newer=False)
        return session

    async def list_sessions(self, cwd: str | None = None) -> AsyncIterator[SessionInfo]:
        """All sessions that the agent has, or those of one directory, page by page as they are asked for.

        What it says of a session is the whole of it; it is not to be merged with what was known before.

        Raises:
            CapabilityMissing: the agent does not offer that; nothing was sent.
            RpcError: it could not.
            AgentMisbehaved: it gave a cursor for the second time, so there would be no end.
        """
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            page = await self.list_page(cwd, cursor)
            for info in page.sessions:
                yield info
            cursor = page.next_cursor
            if cursor is None:
                return
            if cursor in seen:
                raise AgentMisbehaved("the list of sessions has no end: the agent repeats a cursor")
            seen.add(cursor)

    async def list_page(self, cwd: str | None = None, cursor: str | None = None) -> ListSessionsResponse:
        """One page of the sessions. ``cursor`` is the ``next_cursor`` of the page before, as it came.

        Raises:
            CapabilityMissing, RpcError: as for `list_sessions`.
        """
        from agent_server.protocol.v1.history import ListSessionsRequest

        where = None if cwd is None else os.path.abspath(cwd)
        return await self.connection.request(SESSION_LIST, ListSessionsRequest(cwd=where, cursor=cursor))

    async def delete_session(self, session_id: str) -> None:
        """Remove a session for good. One that the agent does not know is removed already.

        Raises:
            CapabilityMissing: the agent does not offer that; nothing was sent.
            RpcError: it could not.
        """
        from agent_server.protocol.v1.history import DeleteSessionRequest

        session = self.sessions.get(session_id)
        if session is not None and self.offers("sessionCapabilities.delete"):
            session.stop_asking()
        try:
            await self.connection.request(SESSION_DELETE, DeleteSessionRequest(session_id=session_id))
        except RpcError as error:
            if error.code != ErrorCode.RESOURCE_NOT_FOUND:
                raise
        session = self.sessions.get(session_id)  # it may have been loaded meanwhile
        if session is not None:
            await self.release(session)

    # Beyond

    async def call(self, method: RequestMethod[P, R], params: P) -> R:
        """Ask it anything that there is a constant for.

        Raises:
            CapabilityMissing: it does not offer that; nothing was sent.
            RpcError: it could not.
            ConnectionClosed: it went away.
        """
        return await self.connection.request(method, params)

    def on(self, method: NotificationMethod[P], handler: Hearing[P]) -> Callable[[], None]:
        """Hear a kind of notification that the client has no use for itself, until the returned function is called.

        Raises:
            ValueError: it has a handler already, or never comes from an agent.
        """
        return self._router.hear(method, handler)

    def pause_reading(self) -> None:
        """Take nothing more from the agent, until `resume_reading`: for who cannot follow."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._transport.resume_reading()

    # What it asks

    @handles(ELICITATION_CREATE)
    async def elicit(self, params: CreateElicitationRequest) -> CreateElicitationResponse:
        """Put a question to the user, in its session or outside of any."""
        from agent_server.client.elicitation import CANCELLED, Elicitations

        if self._elicitations is None:
            self._elicitations = Elicitations(self.services.elicitation)
        self._elicitations.check(params)
        session = None if params.session_id is None else self._registry.find(params.session_id)

        def deciding(decide: Callable[[], Answer | Awaitable[Answer]]) -> Awaitable[Answer]:
            if session is not None:
                return session.ask_user(decide, CANCELLED)
            return self._questions.ask(decide, CANCELLED)

        return await self._elicitations.answer(params, self.info, session, deciding)

    @handles(ELICITATION_COMPLETE)
    def complete_elicitation(self, params: CompleteElicitationNotification) -> None:
        """A page that the user was sent to has done its work."""
        if self._elicitations is not None:
            self._elicitations.complete(params.elicitation_id)

    # For sessions and for `connect`

    async def release(self, session: RemoteSession) -> None:
        """We are done with that session: what still comes for it is nobody's, and its terminals are freed."""
        if not self._registry.drop(session):
            return  # it was loaded again, and what it had belongs to the new object
        if self._elicitations is not None:
            self._elicitations.end(session.id)
        if self.services.terminals is not None:
            with anyio.CancelScope(shield=True):
                await self.services.terminals.release_all(session.id)

    def stop_waiting(self) -> None:
        """The connection is over: nothing that anybody waits for will come."""
        if self._elicitations is not None:
            self._elicitations.end()
        self._registry.abandon_all()

    async def _reopen(self, session: RemoteSession, ask: Callable[[], Awaitable[_Reopened]]) -> _Reopened:
        try:
            with self._registry.reopening(session):
                return await ask()
        except BaseException:
            await self.release(session)
            raise


_Reopened = TypeVar("_Reopened", bound="LoadSessionResponse | ResumeSessionResponse")


def _roots(cwd: str, additional_directories: Sequence[str]) -> tuple[str, ...]:
    return tuple(os.path.abspath(path) for path in (cwd, *additional_directories))
