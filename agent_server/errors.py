"""Every exception that agent-server raises on purpose.

    AgentServerError
    ├── ConnectionClosed        the far end went away before answering
    ├── RpcError                an error object sent or received: code, message, data
    ├── CapabilityMissing       we were about to use what the far end never offered
    ├── SessionNotFound         → -32002, data.sessionId
    ├── SessionConflict         → -32010, data.reason
    ├── ProviderError           a language model could not answer; errorKind says why
    └── ToolError               text that the model should read; the turn goes on
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

ErrorKind: TypeAlias = Literal[
    "rejected_key", "auth_failed", "rate_limited", "overloaded", "unreachable", "context_overflow", "raw"
]
"""Why a language model could not answer (Req: CR-05..CR-10)."""


class AgentServerError(Exception):
    """The root of the tree above."""


class ConnectionClosed(AgentServerError):
    """The far end went away before it answered."""


class RpcError(AgentServerError):
    """An error that travels as a JSON-RPC error object, in either direction.

    Attributes:
        code: the JSON-RPC or ACP error code.
        message: one short sentence.
        data: any JSON value; ours always hold a human sentence under ``details``.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        details = self.data.get("details") if isinstance(self.data, dict) else None
        return f"{self.message} ({self.code})" + (f": {details}" if details else "")


class CapabilityMissing(AgentServerError):
    """We were about to use what the far end never offered (promise P10)."""

    def __init__(self, method: str, capability: str) -> None:
        super().__init__(f"{method} needs the capability {capability}, which the other side did not advertise")
        self.method = method
        self.capability = capability


class SessionNotFound(AgentServerError):
    """No such session is live here."""

    def __init__(self, session_id: str) -> None:
        super().__init__("session not found")
        self.session_id = session_id


class SessionConflict(AgentServerError):
    """The session exists, but its state forbids the operation. ``reason`` is a stable word, ``more`` goes with it."""

    def __init__(self, reason: str, details: str = "", more: dict[str, Any] | None = None) -> None:
        super().__init__(details or reason)
        self.reason = reason
        self.details = details or reason
        self.more = more or {}


class ProviderError(AgentServerError):
    """A language model could not answer.

    Attributes:
        kind: one of the `ErrorKind` words.
        details: one clean sentence for the user; never raw output of a server, never a key.
        retryable: whether the same request may succeed later.
        reason: a word that says more than the kind: ``quota``, ``missing_key``, …; None where there is none.
        raw: what the server said, for the log only; it may hold anything.
    """

    def __init__(
        self,
        kind: ErrorKind,
        details: str,
        *,
        retryable: bool = False,
        provider: str = "",
        http_status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        reason: str | None = None,
        raw: str = "",
    ) -> None:
        super().__init__(details)
        self.kind: ErrorKind = kind
        self.details = details
        self.retryable = retryable
        self.provider = provider
        self.http_status = http_status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.reason = reason
        self.raw = raw


class ToolError(AgentServerError):
    """A tool could not do what was asked; the text is for the model, and the turn goes on."""
