"""The methods that ACP is trying out, and the tables with and without the stable ones. Loads no model.

An agent that offers unstable methods builds its router with `ALL_AGENT_METHODS`, a client with `ALL_CLIENT_METHODS`.
There ``session/list`` is `SESSION_LIST_BY_ARCHIVE`, which takes one parameter more than the stable constant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agent_server.protocol.method import MethodTable, NotificationMethod, RequestMethod, Scope, Side
from agent_server.protocol.v1.methods import AGENT_METHODS, CLIENT_METHODS, SESSION_LIST
from agent_server.protocol.v1.needs import needs_of_list, needs_of_setup

if TYPE_CHECKING:
    from agent_server.protocol.v1.history import ListSessionsResponse
    from agent_server.protocol.v1.initialize import InitializeRequest, InitializeResponse
    from agent_server.protocol.v1.unstable.archive import (
        ArchiveSessionRequest,
        ArchiveSessionResponse,
        ListSessionsByArchiveRequest,
        UnarchiveSessionRequest,
        UnarchiveSessionResponse,
    )
    from agent_server.protocol.v1.unstable.auth_status import (
        AuthStatusRequest,
        AuthStatusResponse,
        AuthStatusUpdateNotification,
    )
    from agent_server.protocol.v1.unstable.fork import ForkSessionRequest, ForkSessionResponse
    from agent_server.protocol.v1.unstable.mcp import MessageMcpNotification, MessageMcpRequest
    from agent_server.protocol.v1.unstable.providers import (
        DisableProviderRequest,
        DisableProviderResponse,
        ListProvidersRequest,
        ListProvidersResponse,
        SetProviderRequest,
        SetProviderResponse,
    )
    from agent_server.protocol.v1.unstable.proxy import ProxySuccessorNotification, ProxySuccessorRequest
    from agent_server.protocol.v1.unstable.status import SessionStatusRequest, SessionStatusResponse
    from agent_server.protocol.v1.unstable.title import SetSessionTitleRequest, SetSessionTitleResponse

_V1 = "agent_server.protocol.v1"
_UNSTABLE = f"{_V1}.unstable"
_ARCHIVE = f"{_UNSTABLE}.archive"
_AUTH = f"{_UNSTABLE}.auth_status"
_PROVIDERS = f"{_UNSTABLE}.providers"
_MCP = f"{_UNSTABLE}.mcp"
_PROXY = f"{_UNSTABLE}.proxy"

SESSION_FORK: Final[RequestMethod[ForkSessionRequest, ForkSessionResponse]] = RequestMethod(
    "session/fork",
    Side.AGENT,
    Scope.NAMED,
    f"{_UNSTABLE}.fork:ForkSessionRequest",
    f"{_UNSTABLE}.fork:ForkSessionResponse",
    "sessionCapabilities.fork",
    needs=needs_of_setup,
)
SESSION_ARCHIVE: Final[RequestMethod[ArchiveSessionRequest, ArchiveSessionResponse]] = RequestMethod(
    "session/archive",
    Side.AGENT,
    Scope.NAMED,
    f"{_ARCHIVE}:ArchiveSessionRequest",
    f"{_ARCHIVE}:ArchiveSessionResponse",
    "sessionCapabilities.archive",
)
SESSION_UNARCHIVE: Final[RequestMethod[UnarchiveSessionRequest, UnarchiveSessionResponse]] = RequestMethod(
    "session/unarchive",
    Side.AGENT,
    Scope.NAMED,
    f"{_ARCHIVE}:UnarchiveSessionRequest",
    f"{_ARCHIVE}:UnarchiveSessionResponse",
    "sessionCapabilities.archive",
)
SESSION_LIST_BY_ARCHIVE: Final[RequestMethod[ListSessionsByArchiveRequest, ListSessionsResponse]] = RequestMethod(
    "session/list",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_ARCHIVE}:ListSessionsByArchiveRequest",
    f"{_V1}.history:ListSessionsResponse",
    "sessionCapabilities.list",
    needs=needs_of_list,
)
SESSION_STATUS: Final[RequestMethod[SessionStatusRequest, SessionStatusResponse]] = RequestMethod(
    "session/status",
    Side.AGENT,
    Scope.NAMED,
    f"{_UNSTABLE}.status:SessionStatusRequest",
    f"{_UNSTABLE}.status:SessionStatusResponse",
    "sessionCapabilities.status",
)
SESSION_SET_TITLE: Final[RequestMethod[SetSessionTitleRequest, SetSessionTitleResponse]] = RequestMethod(
    "session/set_title",
    Side.AGENT,
    Scope.NAMED,
    f"{_UNSTABLE}.title:SetSessionTitleRequest",
    f"{_UNSTABLE}.title:SetSessionTitleResponse",
    "sessionCapabilities.title",
)
AUTH_STATUS: Final[RequestMethod[AuthStatusRequest, AuthStatusResponse]] = RequestMethod(
    "auth/status",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_AUTH}:AuthStatusRequest",
    f"{_AUTH}:AuthStatusResponse",
    "auth.status",
)
PROVIDERS_LIST: Final[RequestMethod[ListProvidersRequest, ListProvidersResponse]] = RequestMethod(
    "providers/list",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_PROVIDERS}:ListProvidersRequest",
    f"{_PROVIDERS}:ListProvidersResponse",
    "providers",
)
PROVIDERS_SET: Final[RequestMethod[SetProviderRequest, SetProviderResponse]] = RequestMethod(
    "providers/set",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_PROVIDERS}:SetProviderRequest",
    f"{_PROVIDERS}:SetProviderResponse",
    "providers",
)
PROVIDERS_DISABLE: Final[RequestMethod[DisableProviderRequest, DisableProviderResponse]] = RequestMethod(
    "providers/disable",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_PROVIDERS}:DisableProviderRequest",
    f"{_PROVIDERS}:DisableProviderResponse",
    "providers",
)
MCP_MESSAGE_NOTIFICATION: Final[NotificationMethod[MessageMcpNotification]] = NotificationMethod(
    "mcp/message", Side.AGENT, Scope.CONNECTION, f"{_MCP}:MessageMcpNotification", "mcpCapabilities.acp"
)

MCP_MESSAGE: Final[RequestMethod[MessageMcpRequest, Any]] = RequestMethod(
    "mcp/message",
    Side.CLIENT,
    Scope.CONNECTION,
    f"{_MCP}:MessageMcpRequest",
    f"{_MCP}:MessageMcpResponse",
)
AUTH_STATUS_UPDATE: Final[NotificationMethod[AuthStatusUpdateNotification]] = NotificationMethod(
    "auth/status_update", Side.CLIENT, Scope.CONNECTION, f"{_AUTH}:AuthStatusUpdateNotification"
)

PROXY_INITIALIZE: Final[RequestMethod[InitializeRequest, InitializeResponse]] = RequestMethod(
    "proxy/initialize",
    Side.PROXY,
    Scope.CONNECTION,
    f"{_V1}.initialize:InitializeRequest",
    f"{_V1}.initialize:InitializeResponse",
)
PROXY_SUCCESSOR: Final[RequestMethod[ProxySuccessorRequest, Any]] = RequestMethod(
    "proxy/successor",
    Side.PROXY,
    Scope.CONNECTION,
    f"{_PROXY}:ProxySuccessorRequest",
    f"{_PROXY}:ProxySuccessorResponse",
    null_is_a_result=True,
)
PROXY_SUCCESSOR_NOTIFICATION: Final[NotificationMethod[ProxySuccessorNotification]] = NotificationMethod(
    "proxy/successor", Side.PROXY, Scope.CONNECTION, f"{_PROXY}:ProxySuccessorNotification"
)

UNSTABLE_AGENT_METHODS: Final = MethodTable(
    SESSION_FORK,
    SESSION_ARCHIVE,
    SESSION_UNARCHIVE,
    SESSION_LIST_BY_ARCHIVE,
    SESSION_STATUS,
    SESSION_SET_TITLE,
    AUTH_STATUS,
    PROVIDERS_LIST,
    PROVIDERS_SET,
    PROVIDERS_DISABLE,
    MCP_MESSAGE_NOTIFICATION,
)
"""What an agent answers besides, and ``session/list`` with its further parameter."""

UNSTABLE_CLIENT_METHODS: Final = MethodTable(MCP_MESSAGE, AUTH_STATUS_UPDATE)
"""What a client answers besides."""

PROXY_METHODS: Final = MethodTable(PROXY_INITIALIZE, PROXY_SUCCESSOR)
"""The requests between a conductor and its proxies; `PROXY_SUCCESSOR_NOTIFICATION` shares a name with one of them."""

ALL_AGENT_METHODS: Final = MethodTable(
    *(method for method in AGENT_METHODS if method is not SESSION_LIST), *UNSTABLE_AGENT_METHODS
)
"""What an agent answers that offers unstable methods."""

ALL_CLIENT_METHODS: Final = MethodTable(*CLIENT_METHODS, *UNSTABLE_CLIENT_METHODS)
"""What a client answers that wants unstable methods."""
