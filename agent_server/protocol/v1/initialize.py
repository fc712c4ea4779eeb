"""The first exchange: version, capabilities, who is who, and how to log in. Spec: initialization, authentication."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag

from agent_server.protocol.model import (
    DefaultOnError,
    DefaultOnNull,
    Lenient,
    LenientAbsent,
    LenientFlag,
    LenientList,
    Model,
    NullableList,
    Unstable,
)
from agent_server.protocol.v1.numbers import Uint16


class Supported(Model):
    """The empty object that says: this is supported. Absent and null say that it is not."""


class Implementation(Model):
    """A program's name and version, with a title for people."""

    name: str
    title: Lenient[str] = None
    version: str


class FileSystemCapabilities(Model):
    """Which of the ``fs/*`` methods the client answers."""

    read_text_file: LenientFlag = False
    write_text_file: LenientFlag = False


class SessionConfigOptionsCapabilities(Model):
    """Which config options the client shows, besides selectors."""

    boolean: Lenient[Supported] = None


class ClientSessionCapabilities(Model):
    """What the client understands inside a session. Absent means no."""

    compaction: Lenient[Supported] = None
    config_options: Lenient[SessionConfigOptionsCapabilities] = None
    notices: Lenient[Supported] = None


class AuthCapabilities(Model):
    """Whether the client can run the agent again in a real terminal for a login."""

    terminal: LenientFlag = False


class ElicitationCapabilities(Model):
    """Which kinds of question the client can put to its user; an empty object offers none."""

    form: Lenient[Supported] = None
    url: Lenient[Supported] = None


class ClientCapabilities(Model):
    """What the client can do for an agent."""

    fs: Annotated[FileSystemCapabilities, DefaultOnError(FileSystemCapabilities)] = Field(
        default_factory=FileSystemCapabilities
    )
    terminal: LenientFlag = False
    session: Lenient[ClientSessionCapabilities] = None
    auth: Annotated[AuthCapabilities, DefaultOnError(AuthCapabilities)] = Field(default_factory=AuthCapabilities)
    elicitation: Lenient[ElicitationCapabilities] = None
    plan: Annotated[Lenient[Supported], Unstable()] = None
    subagents: Annotated[Lenient[Supported], Unstable()] = None


class PromptCapabilities(Model):
    """What a prompt may hold besides text and resource links."""

    image: LenientFlag = False
    audio: LenientFlag = False
    embedded_context: LenientFlag = False


class McpCapabilities(Model):
    """Which MCP transports the agent has besides stdio."""

    http: LenientFlag = False
    sse: LenientFlag = False
    acp: Annotated[LenientAbsent[bool], Unstable()] = None


class SessionSystemPromptModeCapabilities(Model):
    """What a client's system prompt may do besides being appended to the agent's own."""

    override: Lenient[Supported] = None


class SessionSystemPromptCapabilities(Model):
    """The agent applies a client's ``systemPrompt``."""

    mode: Lenient[SessionSystemPromptModeCapabilities] = None


class SessionCapabilities(Model):
    """Which optional session methods and fields the agent supports. ``session/load`` has its own flag."""

    list: Lenient[Supported] = None
    delete: Lenient[Supported] = None
    additional_directories: Lenient[Supported] = None
    resume: Lenient[Supported] = None
    close: Lenient[Supported] = None
    system_prompt: Lenient[SessionSystemPromptCapabilities] = None
    fork: Annotated[Lenient[Supported], Unstable()] = None
    archive: Annotated[Lenient[Supported], Unstable()] = None
    status: Annotated[Lenient[Supported], Unstable()] = None
    title: Annotated[Lenient[Supported], Unstable()] = None


class AgentAuthCapabilities(Model):
    """What the agent supports around logins."""

    logout: Lenient[Supported] = None
    status: Annotated[Lenient[Supported], Unstable()] = None


class AgentCapabilities(Model):
    """What the agent can do for a client."""

    load_session: LenientFlag = False
    prompt_capabilities: Annotated[PromptCapabilities, DefaultOnError(PromptCapabilities)] = Field(
        default_factory=PromptCapabilities
    )
    mcp_capabilities: Annotated[McpCapabilities, DefaultOnError(McpCapabilities)] = Field(
        default_factory=McpCapabilities
    )
    session_capabilities: Annotated[SessionCapabilities, DefaultOnError(SessionCapabilities)] = Field(
        default_factory=SessionCapabilities
    )
    auth: Annotated[AgentAuthCapabilities, DefaultOnError(AgentAuthCapabilities)] = Field(
        default_factory=AgentAuthCapabilities
    )
    providers: Annotated[Lenient[Supported], Unstable()] = None


def _empty_map_for_null(value: Any) -> Any:
    return {} if value is None else value


class AuthMethodTerminal(Model):
    """A login that happens in the agent's own program, run once more with these arguments and variables."""

    type: Literal["terminal"] = "terminal"
    id: str
    name: str
    description: Lenient[str] = None
    args: NullableList[str] = Field(default_factory=list)
    env: Annotated[dict[str, str], BeforeValidator(_empty_map_for_null), DefaultOnNull()] = Field(
        default_factory=dict, repr=False
    )


class AuthMethodAgent(Model):
    """A login that the agent handles itself on ``authenticate``; the kind that needs no ``type``."""

    id: str
    name: str
    description: Lenient[str] = None


def _auth_method_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "terminal" if kind == "terminal" else "agent"


AuthMethod: TypeAlias = Annotated[
    Annotated[AuthMethodTerminal, Tag("terminal")] | Annotated[AuthMethodAgent, Tag("agent")],
    Discriminator(_auth_method_kind),
]
"""One way to log in; whatever does not call itself ``terminal`` is the agent's own."""


class InitializeRequest(Model):
    """The client's first request: the newest version it speaks and what it can do."""

    protocol_version: Uint16
    client_capabilities: Annotated[ClientCapabilities, DefaultOnError(ClientCapabilities)] = Field(
        default_factory=ClientCapabilities
    )
    client_info: Lenient[Implementation] = None


class InitializeResponse(Model):
    """The agent's answer: the version that the connection speaks from now on and what the agent can do."""

    protocol_version: Uint16
    agent_capabilities: Annotated[AgentCapabilities, DefaultOnError(AgentCapabilities)] = Field(
        default_factory=AgentCapabilities
    )
    auth_methods: LenientList[AuthMethod] = Field(default_factory=list)
    agent_info: Lenient[Implementation] = None


class AuthenticateRequest(Model):
    """Log in by one of the agent's own methods; a terminal method never comes here."""

    method_id: str


class AuthenticateResponse(Model):
    """Logged in."""


class LogoutRequest(Model):
    """Forget the login."""


class LogoutResponse(Model):
    """Logged out."""
