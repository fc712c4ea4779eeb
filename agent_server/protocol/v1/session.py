"""Making, configuring and closing sessions. Spec: session-setup, session-modes, session-config-options."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Discriminator, Field, Tag, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from agent_server.protocol.model import (
    Lenient,
    LenientList,
    LenientOptionalList,
    Model,
    NullableList,
    OtherThan,
    Unstable,
    is_empty,
)
from agent_server.protocol.v1.system_prompt import SystemPrompt


class EnvVariable(Model):
    """An environment variable. Its value may be a secret and is left out of ``repr``."""

    name: str
    value: str = Field(repr=False)


class HttpHeader(Model):
    """An HTTP header. Its value may be a secret and is left out of ``repr``."""

    name: str
    value: str = Field(repr=False)


class McpServerHttp(Model):
    """An MCP server reached by streamable HTTP."""

    type: Literal["http"] = "http"
    name: str
    url: str
    headers: NullableList[HttpHeader] = Field(default_factory=list)


class McpServerSse(Model):
    """An MCP server reached by server-sent events."""

    type: Literal["sse"] = "sse"
    name: str
    url: str
    headers: NullableList[HttpHeader] = Field(default_factory=list)


class McpServerStdio(Model):
    """An MCP server run as a child process. ``command`` is an absolute path.

    ``type`` is whatever the client wrote, of any JSON type: the schema lets an unknown transport that happens to carry
    a command pass as stdio, and only `is_stdio` says whether that was meant.
    """

    type: Annotated[Any, OtherThan("http", "sse")] = None
    name: str
    command: str
    args: NullableList[str] = Field(default_factory=list)
    env: NullableList[EnvVariable] = Field(default_factory=list)

    @property
    def is_stdio(self) -> bool:
        """Whether it may be launched: nothing, null or ``stdio`` stood in ``type``."""
        return self.type is None or self.type == "stdio"


class McpServerAcp(Model):
    """An MCP server inside the client, reached over this very connection. Spec (unstable): mcp-over-acp."""

    type: Literal["acp"] = "acp"
    name: str
    server_id: str


def _transport(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    if kind == "acp" and (isinstance(value, McpServerAcp) or (isinstance(value, dict) and "serverId" in value)):
        return "acp"
    return kind if kind in ("http", "sse") else "stdio"


McpServer: TypeAlias = Annotated[
    Annotated[McpServerHttp, Tag("http")]
    | Annotated[McpServerSse, Tag("sse")]
    | Annotated[McpServerAcp, Tag("acp"), Unstable()]
    | Annotated[McpServerStdio, Tag("stdio")],
    Discriminator(_transport),
]
"""How to reach an MCP server; what is of no other kind reads as stdio."""


class SessionMode(Model):
    """A mode that the agent can work in."""

    id: str
    name: str
    description: Lenient[str] = None


class SessionModeState(Model):
    """The modes of a session and the one it is in."""

    current_mode_id: str
    available_modes: LenientList[SessionMode]


class SessionConfigSelectOption(Model):
    """One value of a selector."""

    value: str
    name: str
    description: Lenient[str] = None


class SessionConfigSelectGroup(Model):
    """Values of a selector under a heading."""

    group: str
    name: str
    options: LenientList[SessionConfigSelectOption]


SessionConfigSelectOptions: TypeAlias = list[SessionConfigSelectOption] | list[SessionConfigSelectGroup]
"""All flat or all grouped."""


class SessionConfigSelect(Model):
    """A selector. ``category`` (``mode``, ``model``, ``thought_level`` …) is a hint for showing it, and open."""

    type: Literal["select"] = "select"
    id: str
    name: str
    description: Lenient[str] = None
    category: Lenient[str] = None
    current_value: str
    options: SessionConfigSelectOptions


class SessionConfigBoolean(Model):
    """A switch; only for clients that advertised ``session.configOptions.boolean``."""

    type: Literal["boolean"] = "boolean"
    id: str
    name: str
    description: Lenient[str] = None
    category: Lenient[str] = None
    current_value: bool


SessionConfigOption: TypeAlias = Annotated[SessionConfigSelect | SessionConfigBoolean, Field(discriminator="type")]
"""Something that the user can set per session. Lists of them drop the types they do not know."""


class NewSessionRequest(Model):
    """Start a session. Paths are absolute."""

    cwd: str
    additional_directories: NullableList[str] = Field(default_factory=list, exclude_if=is_empty)
    mcp_servers: NullableList[McpServer]
    system_prompt: SystemPrompt | None = Field(default=None, repr=False)


class NewSessionResponse(Model):
    """The new session's id and what can be set in it."""

    session_id: str
    modes: Lenient[SessionModeState] = None
    config_options: LenientOptionalList[SessionConfigOption] = None


class CloseSessionRequest(Model):
    """Cancel what the session does and free what it holds."""

    session_id: str


class CloseSessionResponse(Model):
    """Closed."""


class SetSessionModeRequest(Model):
    """Change the mode to one of the session's available modes."""

    session_id: str
    mode_id: str


class SetSessionModeResponse(Model):
    """Changed."""


def _value_by_type(schema: dict[str, Any]) -> None:
    properties = schema["properties"]
    del properties["type"], properties["value"]
    schema["required"].remove("value")
    switch = {"type": {"type": "string", "const": "boolean"}, "value": {"type": "boolean"}}
    schema["anyOf"] = [
        {"type": "object", "properties": switch, "required": ["type", "value"]},
        {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]},
    ]


class SetSessionConfigOptionRequest(Model):
    """Set one config option.

    ``value`` is the id of a selector's value, whatever ``type`` says, or a boolean, which needs ``type: "boolean"``.
    """

    model_config = ConfigDict(json_schema_extra=_value_by_type)

    session_id: str
    config_id: str
    type: Lenient[Literal["boolean"]] = None
    value: str | bool

    @field_validator("value")
    @classmethod
    def _boolean_needs_its_type(cls, value: str | bool, info: ValidationInfo) -> str | bool:
        if isinstance(value, bool) and info.data.get("type") != "boolean":
            raise PydanticCustomError("expected", "{expected}", {"expected": 'a string, unless type is "boolean"'})
        return value


class SetSessionConfigOptionResponse(Model):
    """Every option with its value after the change."""

    config_options: LenientList[SessionConfigOption]
