"""The session-scoped methods: one object per connection and session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_server.agent.attachment import ClientAttachment
from agent_server.agent.connection_handlers import invalid
from agent_server.agent.content import parts_of
from agent_server.agent.options import config_options
from agent_server.connection.handlers import Deferred, handles
from agent_server.conversation.events import TurnFailure
from agent_server.errors import RpcError
from agent_server.protocol.v1.methods import (
    SESSION_CANCEL,
    SESSION_PROMPT,
    SESSION_SET_CONFIG_OPTION,
    SESSION_SET_MODE,
)
from agent_server.sessions.prompts import PromptFailed, PromptOutcome, PromptStopped

if TYPE_CHECKING:
    from agent_server.agent.service import AgentService
    from agent_server.connection.connection import Connection
    from agent_server.protocol.v1.prompt import CancelNotification, PromptRequest, PromptResponse
    from agent_server.protocol.v1.session import (
        SetSessionConfigOptionRequest,
        SetSessionConfigOptionResponse,
        SetSessionModeRequest,
        SetSessionModeResponse,
    )
    from agent_server.sessions.session import Session

AUTH_REQUIRED = -32000
INTERNAL_ERROR = -32603
REQUEST_CANCELLED = -32800


class AgentSession:
    """Answers for one session on one connection. The connection's client is attached to the session through it."""

    def __init__(self, service: AgentService, connection: Connection, session: Session) -> None:
        self._service = service
        self._connection = connection
        self.session = session
        self.attachment = ClientAttachment(connection, session.id, lambda: config_options(session))
        session.attach(self.attachment)

    def announce(self) -> None:
        """Say what a new session has to say, once the client knows it: its commands."""
        commands = self._service.commands_update()
        if commands is not None:
            self.attachment.tell(commands)

    @handles(SESSION_PROMPT)
    def prompt(self, params: PromptRequest) -> Deferred[PromptResponse]:
        """Queue the prompt; the answer comes when its turn has ended (Req: TN-01)."""
        if not params.prompt:
            raise invalid("params.prompt must hold at least one content block")
        answer: Deferred[PromptResponse] = Deferred()

        def settled(outcome: PromptOutcome) -> None:
            if isinstance(outcome, PromptStopped):
                answer.resolve(SESSION_PROMPT.encoded(prompt_result(outcome)))
            elif isinstance(outcome, PromptFailed):
                answer.fail(turn_error(outcome.failure))
            else:
                answer.fail(RpcError(REQUEST_CANCELLED, "Request cancelled", {"details": "the prompt was withdrawn"}))

        session = self.session
        prompt = session.prompt(parts_of(params.prompt), settled, self.attachment)
        # At the end of the connection nobody withdraws a prompt: all of them are cancelled (promise P9).
        answer.on_cancel = lambda: session.cancel() if self._connection.closed else session.withdraw(prompt)
        self._service.supervisor.ensure_working(session)
        return answer

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
        setters: dict[str, Any] = {"mode": self.session.set_mode, "model": self.session.set_model}
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


def turn_error(failure: TurnFailure) -> RpcError:
    """The error object of a failed turn: never a silent end of turn."""
    data = {
        "details": failure.details,
        "errorKind": failure.kind,
        "retryable": failure.retryable,
        "httpStatus": failure.http_status,
        "provider": failure.provider or None,
        "requestId": failure.request_id,
        "retryAfterS": failure.retry_after_s,
    }
    return RpcError(INTERNAL_ERROR, "Internal error", {key: value for key, value in data.items() if value is not None})


def prompt_result(outcome: PromptStopped) -> dict[str, Any]:
    """The answer to a prompt; says which id the prompt's own message has."""
    result: dict[str, Any] = {"stopReason": outcome.stop_reason}
    if outcome.message_id is not None:
        result["_meta"] = {"agent_server": {"messageId": str(outcome.message_id)}}
    return result
