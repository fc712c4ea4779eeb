"""The connection-scoped methods of the agent side: one object per connection.

Importing this loads only what the answer to ``initialize`` needs. Everything else is loaded right after that answer
has been written, while the client is busy with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from agent_server import __version__
from agent_server.connection.connection import INVALID_REQUEST, Connection
from agent_server.connection.handlers import Deferred, answered, handles
from agent_server.connection.router import Router
from agent_server.errors import RpcError, SessionNotFound
from agent_server.protocol.capabilities import offers
from agent_server.protocol.v1.methods import AGENT_METHODS, AUTHENTICATE, INITIALIZE, SESSION_CLOSE, SESSION_NEW

if TYPE_CHECKING:
    from agent_server.agent.service import AgentService
    from agent_server.agent.session_handlers import AgentSession
    from agent_server.protocol.v1.initialize import (
        AuthenticateRequest,
        AuthenticateResponse,
        InitializeRequest,
        InitializeResponse,
    )
    from agent_server.protocol.v1.session import (
        CloseSessionRequest,
        CloseSessionResponse,
        NewSessionRequest,
        NewSessionResponse,
    )
    from agent_server.sessions.session import Session
    from agent_server.transport.port import Transport

PROTOCOL_VERSION: Final = 1
INVALID_PARAMS: Final = -32602

AGENT_INFO: Final = {"name": "agent-server", "title": "Agent Server", "version": __version__}
CAPABILITIES: Final = {
    "loadSession": False,
    "promptCapabilities": {"image": True, "audio": True, "embeddedContext": True},
    "mcpCapabilities": {"http": False, "sse": False},
    "sessionCapabilities": {"additionalDirectories": {}, "close": {}},
    "auth": {},
}


class AgentConnection:
    """Serves one client over one transport.

    A client reaches only the sessions that it created on this connection. ``load_service`` makes what all connections
    share; it is called once, after the first answer.
    """

    def __init__(self, transport: Transport, load_service: Callable[[], AgentService]) -> None:
        self._load_service = load_service
        self._service: AgentService | None = None
        self._sessions: dict[str, AgentSession] = {}
        self._client_capabilities: dict[str, Any] = {}
        self._requested_version: int | None = None
        self._ever_had_session = False
        router = Router(AGENT_METHODS, AgentConnection, plain=True)
        self.connection = Connection(transport, router, self, self._find_session, opened=False)

    async def run(self, *, drain_s: float = 1.0) -> None:
        """Serve until the client has gone; its sessions live on, detached."""
        try:
            await self.connection.run(drain_s=drain_s)
        finally:
            for agent_session in self._sessions.values():
                agent_session.session.detach(agent_session.attachment)

    def _load_behind_the_answer(self) -> None:
        self.connection.hurry()
        self._load()

    def _load(self) -> None:
        """Get everything else ready, once."""
        if self._service is None:
            from agent_server.agent.session_handlers import AgentSession

            self._service = self._load_service()
            self.connection.open(router=Router(AGENT_METHODS, AgentConnection, AgentSession, plain=True))

    @property
    def _ready_service(self) -> AgentService:
        self._load()
        assert self._service is not None
        return self._service

    def _find_session(self, session_id: str) -> AgentSession:
        agent_session = self._sessions.get(session_id)
        if agent_session is None:
            raise SessionNotFound(session_id)
        self._ready_service.supervisor.get(session_id)  # it may have crashed meanwhile
        return agent_session

    # Initialization

    @handles(INITIALIZE)
    def initialize(self, params: InitializeRequest) -> Deferred[InitializeResponse]:
        """Agree on version 1, whatever was asked for. A repeat is answered alike while no session is open."""
        if self._requested_version is not None and (
            self._ever_had_session or params.protocol_version != self._requested_version
        ):
            raise RpcError(INVALID_REQUEST, "Invalid request", {"details": "this connection is initialized already"})
        self._requested_version = params.protocol_version
        capabilities = params.client_capabilities.to_wire()
        self._client_capabilities = capabilities
        self.connection.open(offered=lambda path: offers(capabilities, path))
        return answered(INITIALIZE.encoded(initialize_result()), self._load_behind_the_answer)

    @handles(AUTHENTICATE)
    def authenticate(self, params: AuthenticateRequest) -> AuthenticateResponse:
        """Nothing needs a login, so no method was advertised and none is known."""
        raise invalid("params.methodId is none of the advertised authentication methods")

    # Sessions

    @handles(SESSION_NEW)
    def new_session(self, params: NewSessionRequest) -> Deferred[NewSessionResponse]:
        """Start a session; what it has to say follows its response (Req: SM-02..SM-04, SM-21)."""
        from agent_server.agent.session_handlers import AgentSession

        check_new_session(params)
        service = self._ready_service
        session = service.create_session(
            self.connection, params.cwd, params.additional_directories, self._client_capabilities, _extras(params.meta)
        )
        agent_session = AgentSession(service, self.connection, session)
        self._sessions[session.id] = agent_session
        self._ever_had_session = True
        return answered(SESSION_NEW.encoded(new_session_result(session)), agent_session.announce)

    @handles(SESSION_CLOSE)
    async def close_session(self, params: CloseSessionRequest) -> CloseSessionResponse:
        """Cancel its work, answer its prompts, free it; its log stays (Req: SM-07, SM-23)."""
        agent_session = self._find_session(params.session_id)
        await self._ready_service.supervisor.stop(params.session_id)
        self._sessions.pop(params.session_id, None)
        agent_session.session.detach(agent_session.attachment)
        return SESSION_CLOSE.encoded({})


def initialize_result() -> dict[str, Any]:
    """Who we are and what we can do. Spec: initialization."""
    return {
        "protocolVersion": PROTOCOL_VERSION,
        "agentCapabilities": CAPABILITIES,
        "authMethods": [],
        "agentInfo": AGENT_INFO,
    }


def new_session_result(session: Session) -> dict[str, Any]:
    """The new session's id and what can be set in it. Spec: session-setup."""
    from agent_server.agent.options import config_options, mode_state

    return {
        "sessionId": session.id,
        "modes": mode_state(session),
        "configOptions": config_options(session),
        "_meta": {"agent_server": {"alias": session.alias, "instanceId": session.instance_id}},
    }


def check_new_session(params: NewSessionRequest) -> None:
    """What a model cannot check: paths, transports that were not advertised.

    Raises:
        RpcError: -32602; nothing was created.
    """
    _check_directory("params.cwd", params.cwd)
    for index, path in enumerate(params.additional_directories):
        _check_directory(f"params.additionalDirectories[{index}]", path)
    for index, server in enumerate(params.mcp_servers):
        if not getattr(server, "is_stdio", False):
            raise invalid(f"params.mcpServers[{index}].type names a transport that was not advertised")
    if params.system_prompt is not None:
        raise invalid("params.systemPrompt is not supported, as the capabilities say")


def _check_directory(field: str, path: str) -> None:
    if not os.path.isabs(path) or "\0" in path:
        raise invalid(f"{field} must be an absolute path")
    if not os.path.isdir(path):
        raise invalid(f"{field} names no directory")


def _extras(meta: dict[str, Any] | None) -> dict[str, Any]:
    """Our own part of a request's ``_meta``; unknown keys are ignored, wrong types are not (Req: ST-17)."""
    extras = (meta or {}).get("agent_server")
    if extras is None:
        return {}
    if type(extras) is not dict:
        raise invalid("params._meta.agent_server must be an object")
    for key in ("metadata", "llmConfig"):
        if extras.get(key) is not None and type(extras[key]) is not dict:
            raise invalid(f"params._meta.agent_server.{key} must be an object")
    return extras


def invalid(details: str) -> RpcError:
    """The error for params that fit their model and are wrong all the same."""
    return RpcError(INVALID_PARAMS, "Invalid params", {"details": details})
