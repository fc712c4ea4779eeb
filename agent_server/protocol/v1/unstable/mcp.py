"""MCP over the connection itself: a server that lives in the client. Spec (unstable): mcp-over-acp.

A request goes from the agent to the client and its answer carries the MCP server's own outcome; MCP notifications that
belong to it go the other way, under the same method name.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Discriminator, Field, SerializerFunctionWrapHandler, Tag, model_serializer

from agent_server.protocol.model import Model, OpenModel
from agent_server.protocol.v1.numbers import Int32


class MessageMcpRequest(Model):
    """A request to the MCP server that the client declared as ``server_id``; ``request_id`` is the inner one's."""

    server_id: str
    request_id: str
    method: str
    params: dict[str, Any] | None = Field(default=None, repr=False)


class MessageMcpNotification(Model):
    """Something that the MCP server tells while it answers ``request_id``."""

    server_id: str
    request_id: str
    method: str
    params: dict[str, Any] | None = Field(default=None, repr=False)


class McpError(OpenModel):
    """The MCP server's own error, with all its fields. A ``data`` of null is kept apart from an absent one."""

    code: Int32
    message: str
    data: Any = None

    @model_serializer(mode="wrap")
    def _keep_nulls(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        wire = super()._keep_nulls(serialize)
        if "data" in self.model_fields_set:
            wire.setdefault("data", None)
        return wire


class McpResult(Model):
    """What the MCP server answered, null included."""

    result: Any

    @model_serializer(mode="wrap")
    def _keep_null(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"result": None, **serialize(self)}


class McpFailure(Model):
    """The MCP server refused. An error of the outer response means that it was not reached at all."""

    error: McpError


def _outcome(value: Any) -> str:
    found = "result" in value if isinstance(value, dict) else isinstance(value, McpResult)
    return "result" if found else "error"


MessageMcpResponse: TypeAlias = Annotated[
    Annotated[McpResult, Tag("result")] | Annotated[McpFailure, Tag("error")], Discriminator(_outcome)
]
"""The inner outcome; where both are there, the result wins."""
