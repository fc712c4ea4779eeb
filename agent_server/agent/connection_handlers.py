"""The agent's side of one connection, up to the answer to ``initialize``.

Importing this loads only what that answer needs. Everything else is loaded right after it has been written, while the
client is busy with it; from then on `AgentMethods` answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from agent_server.agent.features import UNSTABLE_CLIENT_CAPABILITIES, Features, initialize_result
from agent_server.connection.connection import INVALID_REQUEST, Connection
from agent_server.connection.handlers import Deferred, answered, handles, run_hook
from agent_server.connection.router import Router
from agent_server.errors import RpcError, SessionNotFound
from agent_server.protocol.capabilities import offers
from agent_server.protocol.v1.methods import AGENT_METHODS, INITIALIZE

if TYPE_CHECKING:
    from agent_server.agent.agent_methods import AgentMethods
    from agent_server.agent.service import AgentService
    from agent_server.protocol.v1.initialize import InitializeRequest, InitializeResponse
    from agent_server.protocol.v1.opening import PlainInitialize
    from agent_server.transport.port import Transport


class AgentConnection:
    """Serves one client over one transport.

    A client reaches only the sessions that it created, loaded or resumed on this connection. ``load_service`` makes
    what all connections share; it is called once, after the first answer.
    """

    def __init__(
        self, transport: Transport, load_service: Callable[[], AgentService], features: Features | None = None
    ) -> None:
        self._load_service = load_service
        self._features = features or Features()
        self._methods: AgentMethods | None = None
        self._client_capabilities: dict[str, Any] = {}
        self._offers: dict[str, bool] = {}
        self._requested_version: int | None = None
        router = Router(AGENT_METHODS, AgentConnection, plain=True)
        self.connection = Connection(transport, router, self, self._find_session, opened=False)

    async def run(self, *, drain_s: float = 1.0) -> None:
        """Serve until the client has gone; its sessions live on, detached."""
        try:
            await self.connection.run(drain_s=drain_s)
        finally:
            if self._methods is not None:
                self._methods.detach()

    @handles(INITIALIZE)
    def initialize(self, params: InitializeRequest) -> Deferred[InitializeResponse]:
        """Agree on version 1, whatever was asked for. A repeat is answered alike while no session is open."""
        if self._requested_version is not None and (
            (self._methods is not None and self._methods.ever_had_session)
            or params.protocol_version != self._requested_version
        ):
            raise RpcError(INVALID_REQUEST, "Invalid request", {"details": "this connection is initialized already"})
        self._requested_version = params.protocol_version
        capabilities = params.client_capabilities.to_wire()
        self._client_capabilities = capabilities
        self._offers.clear()
        self.connection.open(offered=self._offered)
        result = initialize_result(self._features, capabilities)
        return answered(INITIALIZE.encoded(result), self._load_behind_the_answer)

    def resume_initialized(self, params: PlainInitialize) -> None:
        """Go on behind an ``initialize`` with these params that was answered before this was loaded."""
        answer = cast("Deferred[InitializeResponse]", self.initialize(cast("InitializeRequest", params)))
        run_hook(answer.after)

    def _offered(self, path: str) -> bool:
        """Whether the client advertised it; what is no part of the protocol yet counts only where we serve such."""
        offered = self._offers.get(path)
        if offered is None:
            known = self._features.unstable or path not in UNSTABLE_CLIENT_CAPABILITIES
            offered = self._offers[path] = known and offers(self._client_capabilities, path)
        return offered

    def _load_behind_the_answer(self) -> None:
        self.connection.hurry()
        if self._methods is None:
            methods_class, router = self._answering()
            methods = methods_class(self.connection, self._load_service(), self._features, self.initialize)
            self._methods = methods
            self.connection.open(router, methods, find_session=methods.find_session)
        self._methods.client_capabilities = self._client_capabilities

    def _answering(self) -> tuple[type[AgentMethods], Router]:
        if self._features.test_faults:
            from agent_server.agent.fault_methods import with_faults

            return with_faults(unstable=self._features.unstable)
        if self._features.unstable:
            from agent_server.agent.unstable_methods import UnstableMethods, unstable_router

            return UnstableMethods, unstable_router()
        from agent_server.agent.agent_methods import AgentMethods, agent_router

        return AgentMethods, agent_router()

    def _find_session(self, session_id: str) -> object:
        raise SessionNotFound(session_id)  # there are none yet; from then on the methods are asked
