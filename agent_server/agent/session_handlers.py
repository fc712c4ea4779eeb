"""The session-scoped methods: one object per connection and session."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from agent_server.agent.attachment import AskingOnly, ClientAttachment
from agent_server.agent.content import parts_of
from agent_server.agent.options import config_options
from agent_server.agent.setup import invalid
from agent_server.connection.answering import REQUEST_CANCELLED
from agent_server.connection.handlers import Deferred, handles
from agent_server.connection.outcome import INTERNAL_ERROR
from agent_server.conversation.events import TurnFailure
from agent_server.conversation.visible import visible
from agent_server.errors import RpcError, SessionConflict, SessionNotFound
from agent_server.protocol.extensions import SESSION_CONTINUE
from agent_server.protocol.v1.methods import (
    SESSION_CANCEL,
    SESSION_PROMPT,
    SESSION_SET_CONFIG_OPTION,
    SESSION_SET_MODE,
)
from agent_server.protocol.v1.needs import UPDATE_CAPABILITIES
from agent_server.sessions.model_choice import set_level, set_model
from agent_server.sessions.prompts import Prompt, PromptFailed, PromptOutcome, PromptStopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent_server.agent.agent_methods import AgentMethods
    from agent_server.agent.service import AgentService
    from agent_server.connection.connection import Connection
    from agent_server.protocol.extensions.models import ContinueSessionRequest
    from agent_server.protocol.v1.prompt import CancelNotification, PromptRequest, PromptResponse
    from agent_server.protocol.v1.session import (
        SetSessionConfigOptionRequest,
        SetSessionConfigOptionResponse,
        SetSessionModeRequest,
        SetSessionModeResponse,
    )
    from agent_server.sessions.session import Session

MAX_LISTED_CHARS = 1000
AUTH_REQUIRED = -32000
MISSING_KEY = "missing_key"


class AgentSession:
    """Answers for one session on one connection. The connection's client is attached to the session through it."""

    def __init__(self, service: AgentService, connection: Connection, session: Session, methods: AgentMethods) -> None:
        self._service = service
        self._connection = connection
        self._methods = methods
        self.session = session
        self.attachment = ClientAttachment(connection, session, self._service.commands_update)
        self._stand_in: AskingOnly | None = None
        self._settled_meanwhile: list[Callable[[], None]] | None = None
        self.unused_servers: list[str] = []
        """The names of the MCP servers that the client wants used, which none are yet."""

    # Seeing the session

    def attach(self) -> None:
        """Let the client see what happens from now on. Of no effect while it does."""
        if self._stand_in is not None:
            self.session.detach(self._stand_in)
            self._stand_in = None
        if self.attachment not in self.session.log.attachments:
            self.session.attach(self.attachment)

    def leave(self) -> None:
        """The client has nothing to do with the session any more."""
        if self._stand_in is not None:
            self.session.detach(self._stand_in)
        self.session.detach(self.attachment)

    def succeeded(self, session: Session) -> None:
        """The session crashed and lives again as this instance."""
        self.session = session
        self.attachment.succeeded(session)

    def require_live(self) -> None:
        """Let pass while the session lives; a log that lives no more may be gone.

        Raises:
            SessionConflict: ``restart_pending``; it crashed.
            SessionNotFound: it ended.
        """
        supervisor = self._service.supervisor
        if supervisor.lives(self.session):
            return
        if supervisor.restarts.pending(self.session.id) is not None:
            raise SessionConflict("restart_pending", "the session crashed and is about to live again")
        raise SessionNotFound(self.session.id)

    def see_anew(self) -> None:
        """The client comes back to a session that it has: it sees nothing until it is attached again.

        A turn that runs meanwhile can ask it all the same, and ends behind its updates: prompts are answered when the
        client has been told.
        """
        self.session.log.flush()  # what was streamed to the old attachment leaves through it
        self.session.detach(self.attachment)
        self._stand_in = AskingOnly(self.attachment)
        self.session.attach(self._stand_in)
        self.attachment = self.attachment.successor()
        if self._settled_meanwhile is None:
            self._settled_meanwhile = []

    def tell_settings(self) -> None:
        """Say how the session is set now, and what it is called: the end of its history."""
        session = self.session
        self.attachment.tell_commands()
        self.attachment.tell({"sessionUpdate": "current_mode_update", "currentModeId": session.policy.mode})
        self.attachment.tell({"sessionUpdate": "config_option_update", "configOptions": config_options(session)})
        info = {"sessionUpdate": "session_info_update", "updatedAt": session.updated_at}
        if session.record.title is not None:
            info["title"] = session.record.title
        self.attachment.tell(info)
        self._tell_of_unused_servers()

    def announce(self) -> None:
        """Say what a session has to say once the client knows it: its commands, its status."""
        self.attachment.tell_commands()
        self._tell_of_unused_servers()
        self.go_on()

    def go_on(self) -> None:
        """The client knows the session: tell its status, and answer what was settled meanwhile."""
        self._methods.tell_status(self.session)
        self.answer_settled()

    def answer_settled(self) -> None:
        """Answer the prompts that were settled while the client was told."""
        settled, self._settled_meanwhile = self._settled_meanwhile, None
        for answer in settled or ():
            answer()

    def _tell_of_unused_servers(self) -> None:
        names, self.unused_servers = self.unused_servers, []
        if names and self._connection.offers(UPDATE_CAPABILITIES["notice"]):
            title = "MCP servers are not supported yet"
            listed = ", ".join(visible(name) for name in names)[:MAX_LISTED_CHARS]
            notice = {"severity": "warning", "title": title, "description": f"Not used in this session: {listed}."}
            self.attachment.tell({"sessionUpdate": "notice", **notice})

    @handles(SESSION_PROMPT)
    def prompt(self, params: PromptRequest) -> Deferred[PromptResponse]:
        """Queue the prompt; the answer comes when its turn has ended (Req: TN-01)."""
        if self._methods.needs_login:
            self._methods.require_login()
        if not params.prompt:
            raise invalid("params.prompt must hold at least one content block")
        answer: Deferred[PromptResponse] = Deferred()
        session = self.session
        trace = _trace_of(params.meta) if params.meta else None
        prompt = session.prompt(parts_of(params.prompt), partial(self._settled, answer), self.attachment, trace)
        answer.on_cancel = partial(self._withdrawn, prompt)
        self._service.supervisor.ensure_working(session)
        return answer

    @handles(SESSION_CONTINUE)
    def continue_session(self, params: ContinueSessionRequest) -> Deferred[PromptResponse]:
        """Let the model go on with the answer that broke off; answered like a prompt (Req: TN-10)."""
        if self._methods.needs_login:
            self._methods.require_login()
        answer: Deferred[PromptResponse] = Deferred()
        session = self.session
        prompt = session.go_on(partial(self._settled, answer), _trace_of(params.meta) if params.meta else None)
        answer.on_cancel = partial(self._withdrawn, prompt)
        self._service.supervisor.ensure_working(session)
        return answer

    def _settled(self, answer: Deferred[PromptResponse], outcome: PromptOutcome) -> None:
        if self._settled_meanwhile is not None:
            self._settled_meanwhile.append(partial(self._settled, answer, outcome))
        elif isinstance(outcome, PromptStopped):
            answer.resolve(SESSION_PROMPT.encoded(self._methods.prompt_result(outcome)))
        elif isinstance(outcome, PromptFailed):
            answer.fail(turn_error(outcome.failure, login_offered=self._methods.login_offered))
        else:
            answer.fail(RpcError(REQUEST_CANCELLED, "Request cancelled", {"details": "the prompt was withdrawn"}))

    def _withdrawn(self, prompt: Prompt) -> None:
        """The asker withdrew the prompt, or has gone.

        At the end of the connection all of its prompts are cancelled (promise P9), which none but its own may notice.
        """
        session = self.session
        if self._connection.closed and not self._service.is_driven(session.id, self._connection):
            session.cancel()
        else:
            session.withdraw(prompt)

    @handles(SESSION_CANCEL)
    def cancel(self, params: CancelNotification) -> None:
        """Cancel what runs and what waits; safe when idle (Req: TN-08, TN-09, JR-18)."""
        self.session.cancel()

    @handles(SESSION_SET_MODE)
    def set_mode(self, params: SetSessionModeRequest) -> SetSessionModeResponse:
        """Change the mode, also while a turn runs."""
        try:
            self.session.set_mode(params.mode_id)
        except ValueError:
            raise invalid("params.modeId is none of the session's modes") from None
        return SESSION_SET_MODE.encoded({})

    @handles(SESSION_SET_CONFIG_OPTION)
    def set_config_option(self, params: SetSessionConfigOptionRequest) -> SetSessionConfigOptionResponse:
        """Change one option; gives all of them back."""
        session = self.session
        setters: dict[str, Any] = {
            "mode": session.set_mode,
            "model": partial(set_model, session),
            "thought_level": partial(set_level, session),
        }
        setter = setters.get(params.config_id)
        if setter is None:
            raise invalid("params.configId is none of the session's options")
        if not isinstance(params.value, str):
            raise invalid("params.value must be a string, but a boolean was given")
        try:
            setter(params.value)
        except ValueError:
            raise invalid(f"params.value is none of the values of the option {params.config_id}") from None
        return SESSION_SET_CONFIG_OPTION.encoded({"configOptions": config_options(self.session)})


def turn_error(failure: TurnFailure, *, login_offered: bool = False) -> RpcError:
    """The error object of a failed turn: never a silent end of turn.

    It asks for a login where a key is missing or was refused, and the client was offered a way to give one.
    """
    data = {
        "details": failure.details,
        "errorKind": failure.kind,
        "retryable": failure.retryable,
        "httpStatus": failure.http_status,
        "provider": failure.provider or None,
        "requestId": failure.request_id,
        "retryAfterS": failure.retry_after_s,
        "reason": failure.reason,
        "interrupted": failure.interrupted or None,
    }
    told = {key: value for key, value in data.items() if value is not None}
    if login_offered and (failure.kind == "rejected_key" or failure.reason == MISSING_KEY):
        return RpcError(AUTH_REQUIRED, "Authentication required", told)
    return RpcError(INTERNAL_ERROR, "Internal error", told)


def _trace_of(meta: dict[str, Any]) -> dict[str, str] | None:
    """The W3C trace context of a request, for what is sent on its behalf. Spec: extensibility."""
    from agent_server.protocol.trace import TraceContext

    trace = TraceContext.from_meta(meta)
    return trace.to_meta() if trace is not None else None
