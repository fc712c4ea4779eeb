"""The methods that ACP is trying out, as far as there are rooms for them; served only where ``unstable`` is set.

Not served, and so unknown: ``providers/*`` and ``mcp/message``, whose rooms do not exist yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_server.agent.agent_methods import AgentMethods
from agent_server.agent.session_handlers import AgentSession
from agent_server.agent.setup import invalid, message_id_of
from agent_server.agent.welcome import new_session_result
from agent_server.connection.handlers import Deferred, answered, handles
from agent_server.connection.router import Router
from agent_server.errors import SessionNotFound
from agent_server.protocol.extensions import EXTENSION_AGENT_METHODS
from agent_server.protocol.v1.methods import AUTHENTICATE, LOGOUT
from agent_server.protocol.v1.unstable.methods import (
    ALL_AGENT_METHODS,
    AUTH_STATUS,
    AUTH_STATUS_UPDATE,
    SESSION_ARCHIVE,
    SESSION_FORK,
    SESSION_LIST_BY_ARCHIVE,
    SESSION_SET_TITLE,
    SESSION_STATUS,
    SESSION_UNARCHIVE,
)

if TYPE_CHECKING:
    from agent_server.conversation.usage import UsageTotals
    from agent_server.protocol.v1.history import ListSessionsResponse
    from agent_server.protocol.v1.initialize import (
        AuthenticateRequest,
        AuthenticateResponse,
        LogoutRequest,
        LogoutResponse,
    )
    from agent_server.protocol.v1.unstable.archive import (
        ArchiveSessionRequest,
        ArchiveSessionResponse,
        ListSessionsByArchiveRequest,
        UnarchiveSessionRequest,
        UnarchiveSessionResponse,
    )
    from agent_server.protocol.v1.unstable.auth_status import AuthStatusRequest, AuthStatusResponse
    from agent_server.protocol.v1.unstable.fork import ForkSessionRequest, ForkSessionResponse
    from agent_server.protocol.v1.unstable.status import SessionStatusRequest, SessionStatusResponse
    from agent_server.protocol.v1.unstable.title import SetSessionTitleRequest, SetSessionTitleResponse
    from agent_server.sessions.prompts import PromptStopped


class UnstableMethods(AgentMethods):
    """As `AgentMethods`, and more."""

    _asked_auth_status = False

    def prompt_result(self, outcome: PromptStopped) -> dict[str, Any]:
        """With the tokens of the turn, where the provider told any. Spec (unstable): end-turn-token-usage."""
        result = super().prompt_result(outcome)
        return {**result, "usage": _usage(outcome.usage)} if outcome.usage is not None else result

    @handles(SESSION_FORK)
    async def fork_session(self, params: ForkSessionRequest) -> Deferred[ForkSessionResponse]:
        """A new session that goes on from where this one is; what it has to say follows its response.

        With ``_meta.agent_server.messageId`` it ends with that message, or before it if the user said it.
        """
        spec = self._spec(params)
        message_id = message_id_of(params.meta)
        try:
            session = await self._service.supervisor.fork(params.session_id, spec, message_id)
        except ValueError as error:  # of all that is checked here only the message can be wrong yet
            if message_id is None:
                raise
            raise invalid(f"params._meta.agent_server.messageId: {error}") from None
        agent_session = self._enter(session, params)
        agent_session.attach()
        return answered(SESSION_FORK.encoded(new_session_result(session)), agent_session.announce)

    @handles(SESSION_ARCHIVE)
    async def archive_session(self, params: ArchiveSessionRequest) -> ArchiveSessionResponse:
        """Take a session out of the usual lists; one that lives is closed first."""
        await self._service.supervisor.set_archived(params.session_id, True)
        return SESSION_ARCHIVE.encoded({})

    @handles(SESSION_UNARCHIVE)
    async def unarchive_session(self, params: UnarchiveSessionRequest) -> UnarchiveSessionResponse:
        """Put a session back into the usual lists."""
        await self._service.supervisor.set_archived(params.session_id, False)
        return SESSION_UNARCHIVE.encoded({})

    @handles(SESSION_LIST_BY_ARCHIVE)
    async def list_sessions(self, params: ListSessionsByArchiveRequest) -> ListSessionsResponse:  # type: ignore[override]
        """As the stable method, with a filter for archived sessions."""
        page = await self._page(params.cwd, params.cursor, params.archived or "exclude")
        return SESSION_LIST_BY_ARCHIVE.encoded(page)

    @handles(SESSION_STATUS)
    async def status_of_session(self, params: SessionStatusRequest) -> SessionStatusResponse:
        """Whether a session is in memory; asking changes nothing. Spec (unstable): session-status."""
        supervisor = self._service.supervisor
        if any(session.id == params.session_id for session in supervisor.live()):
            return SESSION_STATUS.encoded({"status": "open"})
        if await supervisor.entries.get(params.session_id) is None:
            raise SessionNotFound(params.session_id)
        return SESSION_STATUS.encoded({"status": "saved"})

    @handles(SESSION_SET_TITLE)
    async def set_title(self, params: SetSessionTitleRequest) -> SetSessionTitleResponse:
        """Name a session, live or not; answered when the name is kept. Spec (unstable): session-set-title."""
        try:
            title = await self._service.supervisor.set_title(params.session_id, params.title)
        except ValueError as error:
            raise invalid(f"params.title: {error}") from None
        return SESSION_SET_TITLE.encoded({"title": title})

    @handles(AUTH_STATUS)
    def auth_status(self, params: AuthStatusRequest) -> AuthStatusResponse:
        """Whether a login is needed. Spec (unstable): auth-status."""
        self._asked_auth_status = True
        return AUTH_STATUS.encoded(self._auth_state())

    @handles(AUTHENTICATE)
    async def authenticate(self, params: AuthenticateRequest) -> AuthenticateResponse:
        """As the stable method; a client that asked for the state is told of the new one."""
        await self._log_in(params.method_id)
        self._tell_auth_state()
        return AUTHENTICATE.encoded({})

    @handles(LOGOUT)
    async def logout(self, params: LogoutRequest) -> LogoutResponse:
        """Likewise."""
        await self._log_out()
        self._tell_auth_state()
        return LOGOUT.encoded({})

    def _auth_state(self) -> dict[str, Any]:
        login = self._features.login
        if login is None:
            return {"state": "not_required", "accounts": []}
        return {"state": "authenticated" if login.logged_in else "unauthenticated", "accounts": []}

    def _tell_auth_state(self) -> None:
        if self._asked_auth_status:
            self.connection.notify_wire(AUTH_STATUS_UPDATE, self._auth_state())


def unstable_router() -> Router:
    """Who answers what."""
    return Router([*ALL_AGENT_METHODS, *EXTENSION_AGENT_METHODS], UnstableMethods, AgentSession, plain=True)


def _usage(usage: UsageTotals) -> dict[str, int]:
    return {
        "totalTokens": usage.tokens,  # the others are parts of these
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "thoughtTokens": usage.thought_tokens,
        "cachedReadTokens": usage.cached_read_tokens,
        "cachedWriteTokens": usage.cached_write_tokens,
    }
