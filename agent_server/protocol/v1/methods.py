"""The methods of ACP version 1. Importing this loads no model and no pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent_server.protocol.method import MethodTable, NotificationMethod, RequestMethod, Scope, Side
from agent_server.protocol.v1.needs import needs_of_elicitation, needs_of_prompt, needs_of_setup, needs_of_update
from agent_server.protocol.v1.opening import plain_initialize
from agent_server.protocol.v1.plain import (
    plain_cancel,
    plain_empty,
    plain_load,
    plain_new_session,
    plain_permission,
    plain_prompt,
    plain_read,
    plain_resume,
)

if TYPE_CHECKING:
    from agent_server.protocol.v1.client_services import (
        CreateTerminalRequest,
        CreateTerminalResponse,
        KillTerminalRequest,
        KillTerminalResponse,
        ReadTextFileRequest,
        ReadTextFileResponse,
        ReleaseTerminalRequest,
        ReleaseTerminalResponse,
        TerminalOutputRequest,
        TerminalOutputResponse,
        WaitForTerminalExitRequest,
        WaitForTerminalExitResponse,
        WriteTextFileRequest,
        WriteTextFileResponse,
    )
    from agent_server.protocol.v1.elicitation import (
        CompleteElicitationNotification,
        CreateElicitationRequest,
        CreateElicitationResponse,
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
    from agent_server.protocol.v1.prompt import (
        CancelNotification,
        CancelRequestNotification,
        PromptRequest,
        PromptResponse,
    )
    from agent_server.protocol.v1.session import (
        CloseSessionRequest,
        CloseSessionResponse,
        NewSessionRequest,
        NewSessionResponse,
        SetSessionConfigOptionRequest,
        SetSessionConfigOptionResponse,
        SetSessionModeRequest,
        SetSessionModeResponse,
    )
    from agent_server.protocol.v1.tool_calls import RequestPermissionRequest, RequestPermissionResponse
    from agent_server.protocol.v1.updates import SessionNotification

_V1 = "agent_server.protocol.v1"
_INITIALIZE = f"{_V1}.initialize"
_SESSION = f"{_V1}.session"
_PROMPT = f"{_V1}.prompt"
_TOOL_CALLS = f"{_V1}.tool_calls"
_SERVICES = f"{_V1}.client_services"
_HISTORY = f"{_V1}.history"
_ELICITATION = f"{_V1}.elicitation"

INITIALIZE: Final[RequestMethod[InitializeRequest, InitializeResponse]] = RequestMethod(
    "initialize",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_INITIALIZE}:InitializeRequest",
    f"{_INITIALIZE}:InitializeResponse",
    plain=plain_initialize,
)
AUTHENTICATE: Final[RequestMethod[AuthenticateRequest, AuthenticateResponse]] = RequestMethod(
    "authenticate",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_INITIALIZE}:AuthenticateRequest",
    f"{_INITIALIZE}:AuthenticateResponse",
)
LOGOUT: Final[RequestMethod[LogoutRequest, LogoutResponse]] = RequestMethod(
    "logout",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_INITIALIZE}:LogoutRequest",
    f"{_INITIALIZE}:LogoutResponse",
    "auth.logout",
)
SESSION_NEW: Final[RequestMethod[NewSessionRequest, NewSessionResponse]] = RequestMethod(
    "session/new",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_SESSION}:NewSessionRequest",
    f"{_SESSION}:NewSessionResponse",
    needs=needs_of_setup,
    plain=plain_new_session,
)
SESSION_LOAD: Final[RequestMethod[LoadSessionRequest, LoadSessionResponse]] = RequestMethod(
    "session/load",
    Side.AGENT,
    Scope.NAMED,
    f"{_HISTORY}:LoadSessionRequest",
    f"{_HISTORY}:LoadSessionResponse",
    "loadSession",
    needs=needs_of_setup,
    plain=plain_load,
    exclusive=True,
)
SESSION_RESUME: Final[RequestMethod[ResumeSessionRequest, ResumeSessionResponse]] = RequestMethod(
    "session/resume",
    Side.AGENT,
    Scope.NAMED,
    f"{_HISTORY}:ResumeSessionRequest",
    f"{_HISTORY}:ResumeSessionResponse",
    "sessionCapabilities.resume",
    needs=needs_of_setup,
    plain=plain_resume,
    exclusive=True,
)
SESSION_LIST: Final[RequestMethod[ListSessionsRequest, ListSessionsResponse]] = RequestMethod(
    "session/list",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_HISTORY}:ListSessionsRequest",
    f"{_HISTORY}:ListSessionsResponse",
    "sessionCapabilities.list",
)
SESSION_DELETE: Final[RequestMethod[DeleteSessionRequest, DeleteSessionResponse]] = RequestMethod(
    "session/delete",
    Side.AGENT,
    Scope.NAMED,
    f"{_HISTORY}:DeleteSessionRequest",
    f"{_HISTORY}:DeleteSessionResponse",
    "sessionCapabilities.delete",
)
SESSION_PROMPT: Final[RequestMethod[PromptRequest, PromptResponse]] = RequestMethod(
    "session/prompt",
    Side.AGENT,
    Scope.SESSION,
    f"{_PROMPT}:PromptRequest",
    f"{_PROMPT}:PromptResponse",
    needs=needs_of_prompt,
    plain=plain_prompt,
)
SESSION_CANCEL: Final[NotificationMethod[CancelNotification]] = NotificationMethod(
    "session/cancel", Side.AGENT, Scope.SESSION, f"{_PROMPT}:CancelNotification", plain=plain_cancel
)
SESSION_CLOSE: Final[RequestMethod[CloseSessionRequest, CloseSessionResponse]] = RequestMethod(
    "session/close",
    Side.AGENT,
    Scope.NAMED,
    f"{_SESSION}:CloseSessionRequest",
    f"{_SESSION}:CloseSessionResponse",
    "sessionCapabilities.close",
)
SESSION_SET_MODE: Final[RequestMethod[SetSessionModeRequest, SetSessionModeResponse]] = RequestMethod(
    "session/set_mode",
    Side.AGENT,
    Scope.SESSION,
    f"{_SESSION}:SetSessionModeRequest",
    f"{_SESSION}:SetSessionModeResponse",
)
SESSION_SET_CONFIG_OPTION: Final[RequestMethod[SetSessionConfigOptionRequest, SetSessionConfigOptionResponse]] = (
    RequestMethod(
        "session/set_config_option",
        Side.AGENT,
        Scope.SESSION,
        f"{_SESSION}:SetSessionConfigOptionRequest",
        f"{_SESSION}:SetSessionConfigOptionResponse",
    )
)

CANCEL_REQUEST: Final[NotificationMethod[CancelRequestNotification]] = NotificationMethod(
    "$/cancel_request", Side.BOTH, Scope.CONNECTION, f"{_PROMPT}:CancelRequestNotification"
)

SESSION_UPDATE: Final[NotificationMethod[SessionNotification]] = NotificationMethod(
    "session/update", Side.CLIENT, Scope.SESSION, f"{_V1}.updates:SessionNotification", needs=needs_of_update
)
SESSION_REQUEST_PERMISSION: Final[RequestMethod[RequestPermissionRequest, RequestPermissionResponse]] = RequestMethod(
    "session/request_permission",
    Side.CLIENT,
    Scope.SESSION,
    f"{_TOOL_CALLS}:RequestPermissionRequest",
    f"{_TOOL_CALLS}:RequestPermissionResponse",
    plain_result=plain_permission,
)
FS_READ_TEXT_FILE: Final[RequestMethod[ReadTextFileRequest, ReadTextFileResponse]] = RequestMethod(
    "fs/read_text_file",
    Side.CLIENT,
    Scope.SESSION,
    f"{_SERVICES}:ReadTextFileRequest",
    f"{_SERVICES}:ReadTextFileResponse",
    "fs.readTextFile",
    plain_result=plain_read,
)
FS_WRITE_TEXT_FILE: Final[RequestMethod[WriteTextFileRequest, WriteTextFileResponse]] = RequestMethod(
    "fs/write_text_file",
    Side.CLIENT,
    Scope.SESSION,
    f"{_SERVICES}:WriteTextFileRequest",
    f"{_SERVICES}:WriteTextFileResponse",
    "fs.writeTextFile",
    plain_result=plain_empty,
)
TERMINAL_CREATE: Final[RequestMethod[CreateTerminalRequest, CreateTerminalResponse]] = RequestMethod(
    "terminal/create",
    Side.CLIENT,
    Scope.SESSION,
    f"{_SERVICES}:CreateTerminalRequest",
    f"{_SERVICES}:CreateTerminalResponse",
    "terminal",
)
TERMINAL_OUTPUT: Final[RequestMethod[TerminalOutputRequest, TerminalOutputResponse]] = RequestMethod(
    "terminal/output",
    Side.CLIENT,
    Scope.SESSION,
    f"{_SERVICES}:TerminalOutputRequest",
    f"{_SERVICES}:TerminalOutputResponse",
    "terminal",
)
TERMINAL_WAIT_FOR_EXIT: Final[RequestMethod[WaitForTerminalExitRequest, WaitForTerminalExitResponse]] = RequestMethod(
    "terminal/wait_for_exit",
    Side.CLIENT,
    Scope.SESSION,
    f"{_SERVICES}:WaitForTerminalExitRequest",
    f"{_SERVICES}:WaitForTerminalExitResponse",
    "terminal",
)
TERMINAL_KILL: Final[RequestMethod[KillTerminalRequest, KillTerminalResponse]] = RequestMethod(
    "terminal/kill",
    Side.CLIENT,
    Scope.SESSION,
    f"{_SERVICES}:KillTerminalRequest",
    f"{_SERVICES}:KillTerminalResponse",
    "terminal",
)
TERMINAL_RELEASE: Final[RequestMethod[ReleaseTerminalRequest, ReleaseTerminalResponse]] = RequestMethod(
    "terminal/release",
    Side.CLIENT,
    Scope.SESSION,
    f"{_SERVICES}:ReleaseTerminalRequest",
    f"{_SERVICES}:ReleaseTerminalResponse",
    "terminal",
)
ELICITATION_CREATE: Final[RequestMethod[CreateElicitationRequest, CreateElicitationResponse]] = RequestMethod(
    "elicitation/create",
    Side.CLIENT,
    Scope.CONNECTION,
    f"{_ELICITATION}:CreateElicitationRequest",
    f"{_ELICITATION}:CreateElicitationResponse",
    needs=needs_of_elicitation,
)
ELICITATION_COMPLETE: Final[NotificationMethod[CompleteElicitationNotification]] = NotificationMethod(
    "elicitation/complete",
    Side.CLIENT,
    Scope.CONNECTION,
    f"{_ELICITATION}:CompleteElicitationNotification",
    "elicitation.url",
)

AGENT_METHODS: Final = MethodTable(
    INITIALIZE,
    AUTHENTICATE,
    LOGOUT,
    SESSION_NEW,
    SESSION_LOAD,
    SESSION_RESUME,
    SESSION_LIST,
    SESSION_DELETE,
    SESSION_PROMPT,
    SESSION_CANCEL,
    SESSION_CLOSE,
    SESSION_SET_MODE,
    SESSION_SET_CONFIG_OPTION,
    CANCEL_REQUEST,
)
"""What an agent answers."""

CLIENT_METHODS: Final = MethodTable(
    SESSION_UPDATE,
    SESSION_REQUEST_PERMISSION,
    FS_READ_TEXT_FILE,
    FS_WRITE_TEXT_FILE,
    TERMINAL_CREATE,
    TERMINAL_OUTPUT,
    TERMINAL_WAIT_FOR_EXIT,
    TERMINAL_KILL,
    TERMINAL_RELEASE,
    ELICITATION_CREATE,
    ELICITATION_COMPLETE,
    CANCEL_REQUEST,
)
"""What a client answers."""
