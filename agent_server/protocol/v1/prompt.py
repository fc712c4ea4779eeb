"""One turn: the prompt, how it ends, and the two ways to cancel. Spec: prompt-turn, cancellation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import FailFast, SerializerFunctionWrapHandler, model_serializer

from agent_server.protocol.model import Lenient, Model, Unstable
from agent_server.protocol.v1.content import ContentBlock
from agent_server.protocol.v1.numbers import Int64
from agent_server.protocol.v1.unstable.usage import Usage

StopReason: TypeAlias = Literal["end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"]
"""Why a turn ended."""

RequestId: TypeAlias = str | Int64 | None
"""A JSON-RPC request id; a boolean or a fraction is none."""


class PromptRequest(Model):
    """What the user says."""

    session_id: str
    prompt: Annotated[list[ContentBlock], FailFast()]


class PromptResponse(Model):
    """The turn is over."""

    stop_reason: StopReason
    usage: Annotated[Lenient[Usage], Unstable()] = None


class CancelNotification(Model):
    """End the running turn and everything that waits behind it."""

    session_id: str


class CancelRequestNotification(Model):
    """The sender of the request with this id no longer wants an answer."""

    request_id: RequestId

    @model_serializer(mode="wrap")
    def _keep_null(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # The only field of the protocol that is required and may be null.
        wire: dict[str, Any] = serialize(self)
        wire.setdefault("requestId", None)
        return wire
