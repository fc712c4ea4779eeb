"""The connection-scoped methods of the agent side: one object per connection, from the answer to ``initialize`` on."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from agent_server.agent.extension_methods import ExtensionMethods
from agent_server.agent.features import Features, auth_methods
from agent_server.agent.history_methods import HistoryMethods
from agent_server.agent.left import LeftSession
from agent_server.agent.model_methods import ModelMethods
from agent_server.agent.session_handlers import AUTH_REQUIRED, AgentSession
from agent_server.agent.setup import check_setup, extras_of, invalid, system_prompt_of
from agent_server.agent.welcome import listed, load_result, new_session_result
from agent_server.connection.handlers import Deferred, SessionAway, answered, handles
from agent_server.connection.outcome import INTERNAL_ERROR
from agent_server.connection.router import METHOD_NOT_FOUND, Router
from agent_server.errors import RpcError, SessionNotFound
from agent_server.protocol.extensions import EXTENSION_AGENT_METHODS, SESSION_DETACH, SESSION_OPEN
from agent_server.protocol.v1.methods import (
    AGENT_METHODS,
    AUTHENTICATE,
    INITIALIZE,
    LOGOUT,
    SESSION_CLOSE,
    SESSION_DELETE,
    SESSION_LIST,
    SESSION_LOAD,
    SESSION_NEW,
    SESSION_RESUME,
)

if TYPE_CHECKING:
    from agent_server.agent.service import AgentService
    from agent_server.agent.setup import Setup
    from agent_server.connection.connection import Connection
    from agent_server.protocol.extensions.opening import (
        DetachSessionRequest,
        DetachSessionResponse,
        OpenSessionRequest,
        OpenSessionResponse,
    )
    from agent_server.protocol.v1.history import (
        DeleteSessionRequest,
        DeleteSessionResponse,
        ListSessionsRequest,
        ListSessionsResponse,
        LoadSessionRequest,
        LoadSessionResponse,
        ResumeSessionRequest,
        ResumeSessionResponse,
    )
    from agent_server.protocol.v1.initialize import (
        AuthenticateRequest,
        AuthenticateResponse,
        InitializeRequest,
        InitializeResponse,
        LogoutRequest,
        LogoutResponse,
    )
    from agent_server.protocol.v1.session import (
        CloseSessionRequest,
        CloseSessionResponse,
        NewSessionRequest,
        NewSessionResponse,
    )
    from agent_server.sessions.prompts import PromptStopped
    from agent_server.sessions.session import Session
    from agent_server.sessions.spec import SessionSpec

SESSIONS_PER_PAGE: Final = 50


class AgentMethods(ExtensionMethods, HistoryMethods, ModelMethods):
    """Answers for the connection: its sessions come and go here.

    Attributes:
        client_capabilities: what the client said that it can do, as it stood on the wire.
        ever_had_session: whether a session was ever made or reached on this connection.
        needs_login: whether a login can be asked for.
    """

    def __init__(
        self,
        connection: Connection,
        service: AgentService,
        features: Features,
        initialize: Callable[[InitializeRequest], Any],
    ) -> None:
        super().__init__(connection, service)
        self._features = features
        self._initialize = initialize
        self._sessions: dict[str, AgentSession] = {}
        self._left: dict[str, LeftSession] = {}
        self.client_capabilities: dict[str, Any] = {}
        self.ever_had_session = False
        self.needs_login = features.login is not None and features.login_gates
        self._unsubscribe = [
            service.supervisor.on_stopped.add(self._forget),
            service.supervisor.on_restarted.add(self._restarted),
        ]

    def find_session(self, session_id: str) -> AgentSession:
        """What answers for a live session of this connection.

        Raises:
            SessionNotFound: the connection did not make, load or resume it, or it lives no more.
            SessionAway: it crashed and is about to live again, or the client left it.
        """
        agent_session = self._sessions.get(session_id)
        if agent_session is None:
            if session_id in self._left:
                raise SessionAway(partial(self._come_back, session_id))
            raise SessionNotFound(session_id)
        supervisor = self._service.supervisor
        if not supervisor.lives(agent_session.session):
            if supervisor.restarts.pending(session_id) is not None:
                raise SessionAway(partial(supervisor.restarts.decided, session_id))
            raise SessionNotFound(session_id)
        return agent_session

    def detach(self) -> None:
        """The client has gone: its sessions live on without it."""
        self.stop_listening()
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        for agent_session in self._sessions.values():
            agent_session.leave()

    @handles(INITIALIZE)
    def initialize(self, params: InitializeRequest) -> Deferred[InitializeResponse]:
        """A repeat."""
        answer: Deferred[InitializeResponse] = self._initialize(params)
        return answer

    # Logins

    @handles(AUTHENTICATE)
    async def authenticate(self, params: AuthenticateRequest) -> AuthenticateResponse:
        """Log in by a method of ours; those of the terminal never come here. Spec: authentication."""
        await self._log_in(params.method_id)
        return AUTHENTICATE.encoded({})

    @handles(LOGOUT)
    async def logout(self, params: LogoutRequest) -> LogoutResponse:
        """Forget the login; open sessions refuse prompts from now on. Spec: authentication."""
        await self._log_out()
        return LOGOUT.encoded({})

    async def _log_in(self, method_id: str) -> None:
        login = self._features.login
        methods = () if login is None else login.methods
        if login is None or method_id not in {method.id for method in methods if method.terminal is None}:
            raise invalid("params.methodId is none of the methods that may be used here")
        await login.authenticate(method_id)

    async def _log_out(self) -> None:
        if self._features.login is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found", {"details": "there is nothing to log out of"})
        await self._features.login.logout()

    @property
    def login_offered(self) -> bool:
        """Whether the client knows a way to log in."""
        return bool(auth_methods(self._features.login, self.client_capabilities))

    def require_login(self) -> None:
        """Let pass who is logged in, or need not be.

        Raises:
            RpcError: -32000 where the client was offered a way to log in, else -32603.
        """
        login = self._features.login
        if login is None or login.logged_in or not self._features.login_gates:
            return
        if self.login_offered:
            raise RpcError(AUTH_REQUIRED, "Authentication required", {"details": "log in first"})
        details = "a login is needed, and none of its ways works in this client"
        raise RpcError(INTERNAL_ERROR, "Internal error", {"details": details})

    # Sessions

    @handles(SESSION_NEW)
    def new_session(self, params: NewSessionRequest) -> Deferred[NewSessionResponse]:
        """Start a session; what it has to say follows its response (Req: SM-02..SM-04, SM-21)."""
        spec = self._spec(params)
        session = self._service.supervisor.create(spec)
        if params.meta is not None and (mode := extras_of(params.meta).get("mode")) is not None:
            session.set_mode(mode)
        agent_session = self._enter(session, params)
        agent_session.attach()
        return answered(SESSION_NEW.encoded(new_session_result(session)), agent_session.announce)

    @handles(SESSION_LOAD)
    async def load_session(self, params: LoadSessionRequest) -> Deferred[LoadSessionResponse]:
        """Tell everything that happened in a session, then go on with it (Req: JR-22)."""
        from agent_server.agent.history import check_seat, tell_history

        spec = self._spec(params)
        session_id = params.session_id
        with check_seat(self._service, self.connection, session_id):
            before = self._sessions.get(session_id)
            agent_session = self._enter(await self._opened(params.session_id, spec, to_be_told=True), params)
            if agent_session is before:
                agent_session.see_anew()
            session = agent_session.session
            session.clients_coming += 1
            try:
                await tell_history(agent_session, self.connection)
            except BaseException:
                self._give_up(agent_session, before)
                raise
            finally:
                session.clients_coming -= 1
                session.log.pages.clear()
            agent_session.tell_settings()
            agent_session.attach()
        return answered(SESSION_LOAD.encoded(load_result(agent_session.session)), agent_session.go_on)

    @handles(SESSION_RESUME)
    async def resume_session(self, params: ResumeSessionRequest) -> Deferred[ResumeSessionResponse]:
        """Go on with a session whose history the client knows; what it has to say follows the response."""
        from agent_server.agent.history import check_seat

        spec = self._spec(params)
        with check_seat(self._service, self.connection, params.session_id):
            agent_session = self._enter(await self._opened(params.session_id, spec), params)
            agent_session.attach()
        return answered(SESSION_RESUME.encoded(load_result(agent_session.session)), agent_session.announce)

    @handles(SESSION_OPEN)
    async def open_session(self, params: OpenSessionRequest) -> Deferred[OpenSessionResponse]:
        """Be at a session, whether or not it is there already; what it has to say follows (Req: SM-05, SM-06)."""
        from agent_server.agent.history import check_seat
        from agent_server.agent.opening import opened_result, where

        self.require_login()
        session_id, cwd, roots = await where(params, self._service)
        extras = extras_of(params.meta)
        spec = self._service.spec(self.connection, cwd, roots, extras, None)
        with check_seat(self._service, self.connection, session_id):
            session = await self._opened(session_id, spec, may_create=True)
            agent_session = self._enter(session)
            agent_session.attach()
        if (mode := extras.get("mode")) is not None:
            session.set_mode(mode)
        return answered(SESSION_OPEN.encoded(opened_result(session)), agent_session.announce)

    @handles(SESSION_DETACH)
    def detach_session(self, params: DetachSessionRequest) -> DetachSessionResponse:
        """See and drive it no more; what runs goes on, and a later prompt leads back to it (Req: SM-19)."""
        agent_session = self._sessions.get(params.session_id)
        if agent_session is not None:
            self._left[params.session_id] = LeftSession.of(agent_session.session)
            self._leave(agent_session)
        elif params.session_id not in self._left:
            raise SessionNotFound(params.session_id)
        return SESSION_DETACH.encoded({})

    @handles(SESSION_LIST)
    async def list_sessions(self, params: ListSessionsRequest) -> ListSessionsResponse:
        """One page of all sessions there are, the newest first. Spec: session-list."""
        return SESSION_LIST.encoded(await self._page(params.cwd, params.cursor))

    @handles(SESSION_CLOSE)
    async def close_session(self, params: CloseSessionRequest) -> CloseSessionResponse:
        """Cancel its work, answer its prompts, free it; its log stays (Req: SM-07, SM-23)."""
        known = params.session_id in self._sessions or self._left.pop(params.session_id, None) is not None
        if not known:
            raise SessionNotFound(params.session_id)
        await self._service.supervisor.stop(params.session_id)
        return SESSION_CLOSE.encoded({})

    @handles(SESSION_DELETE)
    async def delete_session(self, params: DeleteSessionRequest) -> DeleteSessionResponse:
        """Close it if it lives, and forget it; whatever is not there is deleted already (Req: PE-09)."""
        await self._service.supervisor.delete(params.session_id)
        return SESSION_DELETE.encoded({})

    def prompt_result(self, outcome: PromptStopped) -> dict[str, Any]:
        """The answer to a prompt; says which id the prompt's own message has."""
        result: dict[str, Any] = {"stopReason": outcome.stop_reason}
        ours = {}
        if outcome.message_id is not None:
            ours["messageId"] = str(outcome.message_id)
        if outcome.limit is not None:
            ours["limit"] = outcome.limit
        if ours:
            result["_meta"] = {"agent_server": ours}
        return result

    def _spec(self, params: Setup) -> SessionSpec:
        """What the session is made from; nothing was made yet when this raises."""
        self.require_login()
        check_setup(params, self._features)
        extras = extras_of(params.meta)
        return self._service.spec(
            self.connection,
            params.cwd,
            params.additional_directories,
            extras,
            system_prompt_of(params),
        )

    async def _page(self, cwd: str | None, cursor: str | None, archived: str = "exclude") -> dict[str, Any]:
        if cwd is not None and (not os.path.isabs(cwd) or "\0" in cwd):
            raise invalid("params.cwd must be an absolute path")
        self._service.prune_once()
        return await listed(self._service, cwd, cursor, archived, SESSIONS_PER_PAGE)

    async def _opened(
        self, session_id: str, spec: SessionSpec, *, may_create: bool = False, to_be_told: bool = False
    ) -> Session:
        """The session, live, in the hands of this connection's client."""
        supervisor = self._service.supervisor
        try:
            session = await (supervisor.open_or_create if may_create else supervisor.open)(session_id, spec)
            if session.spec is not spec:  # it lived already
                session.adopt(spec.workspace)
            if not to_be_told:
                session.log.pages.clear()
        except ValueError:
            raise invalid("params.cwd must be the directory that the session works in") from None
        if spec.system_prompt is not None:
            session.set_system_prompt(spec.system_prompt)
        return session

    def _enter(self, session: Session, params: Setup | None = None) -> AgentSession:
        """The session is one of this connection's from now on."""
        self._service.bind(session)
        self.ever_had_session = True
        self._left.pop(session.id, None)
        agent_session = self._sessions.get(session.id)
        if agent_session is None or agent_session.session is not session:
            agent_session = AgentSession(self._service, self.connection, session, self)
            self._sessions[session.id] = agent_session
        if params is not None and params.mcp_servers:
            agent_session.unused_servers = [server.name for server in params.mcp_servers]
        return agent_session

    async def _come_back(self, session_id: str) -> None:
        """The client prompts a session that it left."""
        from agent_server.agent.history import check_seat

        self.require_login()
        supervisor = self._service.supervisor
        with check_seat(self._service, self.connection, session_id):
            await supervisor.restarts.decided(session_id)
            left = self._left.get(session_id)
            if left is None:  # it ended meanwhile, for good
                raise SessionNotFound(session_id)
            try:
                session = await self._opened(session_id, left.spec(self._service, self.connection))
            except SessionNotFound:
                self._left.pop(session_id, None)
                raise
            agent_session = self._enter(session)
            agent_session.attach()
        agent_session.go_on()

    def _forget(self, session: Session, reason: str) -> None:
        """The session ended, by whomever: nothing of it is kept here, unless it only left memory."""
        agent_session = self._sessions.get(session.id)
        if agent_session is not None and agent_session.session is session:
            self._leave(agent_session)
        if reason != "idle_timeout":
            self._left.pop(session.id, None)

    def _restarted(self, former: Session, session: Session, reason: str) -> None:
        agent_session = self._sessions.get(session.id)
        if agent_session is not None and agent_session.session is former:
            agent_session.succeeded(session)

    def _give_up(self, agent_session: AgentSession, before: AgentSession | None) -> None:
        """A load ended early: who had the session sees it again, and who had not does not have it now."""
        supervisor, session = self._service.supervisor, agent_session.session
        goes_on = supervisor.lives(session) or supervisor.restarts.pending(session.id) is not None
        if goes_on and agent_session is before and not self.connection.closed:
            agent_session.attach()
        else:
            self._leave(agent_session)
        agent_session.answer_settled()

    def _leave(self, agent_session: AgentSession) -> None:
        if self._sessions.get(agent_session.session.id) is agent_session:
            del self._sessions[agent_session.session.id]
        agent_session.leave()


def agent_router() -> Router:
    """Who answers what, once the connection is initialized."""
    return Router([*AGENT_METHODS, *EXTENSION_AGENT_METHODS], AgentMethods, AgentSession, plain=True)
