"""Our own methods beside ACP's: what a session manager has to say about living and stored sessions.

Their names begin with ``_agent_server/``. An agent lists them in ``agentCapabilities._meta.agent_server``; a client
that wants the notifications says so with an object at ``clientCapabilities._meta.agent_server``. Importing this loads
no model. Spec: extensibility.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent_server.protocol.method import MethodTable, NotificationMethod, RequestMethod, Scope, Side

if TYPE_CHECKING:
    from agent_server.protocol.extensions.events import (
        SessionCreatedNotification,
        SessionRestartedNotification,
        SubscribeRequest,
        SubscribeResponse,
    )
    from agent_server.protocol.extensions.history import (
        EventsAfterRequest,
        EventsAfterResponse,
        ExportSessionRequest,
        ExportSessionResponse,
        PruneStoreRequest,
        PruneStoreResponse,
    )
    from agent_server.protocol.extensions.models import (
        AuthRefreshRequest,
        AuthRefreshResponse,
        AuthStatusRequest,
        AuthStatusResponse,
        Budget,
        ContinueSessionRequest,
        CycleModelRequest,
        CycleModelResponse,
        CycleThinkingRequest,
        CycleThinkingResponse,
        GetBudgetRequest,
        ListModelsRequest,
        ListModelsResponse,
        RetryNotification,
        SessionUsageRequest,
        SessionUsageResponse,
        SetBudgetRequest,
    )
    from agent_server.protocol.extensions.opening import (
        DetachSessionRequest,
        DetachSessionResponse,
        OpenSessionRequest,
        OpenSessionResponse,
    )
    from agent_server.protocol.extensions.sessions import (
        ListLiveSessionsRequest,
        ListLiveSessionsResponse,
        LookupSessionRequest,
        LookupSessionResponse,
        SaveFailedNotification,
        SaveRecoveredNotification,
        SessionDescription,
        SessionInfoRequest,
        SessionSnapshot,
        SessionSnapshotRequest,
        SessionStatusNotification,
        SessionStatusRequest,
        SessionStatusResponse,
        SessionStoppedNotification,
        StopSessionRequest,
        StopSessionResponse,
    )
    from agent_server.protocol.v1.prompt import PromptResponse

OPT_IN: Final = "_meta.agent_server"
"""Where each side says that it knows these methods, as a capability."""

_MODELS = "agent_server.protocol.extensions.sessions"
_HISTORY = "agent_server.protocol.extensions.history"
_OPENING = "agent_server.protocol.extensions.opening"
_CHOICES = "agent_server.protocol.extensions.models"
_EVENTS = "agent_server.protocol.extensions.events"

SESSION_LOOKUP: Final[RequestMethod[LookupSessionRequest, LookupSessionResponse]] = RequestMethod(
    "_agent_server/session/lookup",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_MODELS}:LookupSessionRequest",
    f"{_MODELS}:LookupSessionResponse",
    OPT_IN,
)
SESSION_INFO: Final[RequestMethod[SessionInfoRequest, SessionDescription]] = RequestMethod(
    "_agent_server/session/info",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_MODELS}:SessionInfoRequest",
    f"{_MODELS}:SessionDescription",
    OPT_IN,
)
SESSION_LIST_LIVE: Final[RequestMethod[ListLiveSessionsRequest, ListLiveSessionsResponse]] = RequestMethod(
    "_agent_server/session/list_live",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_MODELS}:ListLiveSessionsRequest",
    f"{_MODELS}:ListLiveSessionsResponse",
    OPT_IN,
)
SESSION_STOP: Final[RequestMethod[StopSessionRequest, StopSessionResponse]] = RequestMethod(
    "_agent_server/session/stop",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_MODELS}:StopSessionRequest",
    f"{_MODELS}:StopSessionResponse",
    OPT_IN,
)
SESSION_STATUS: Final[RequestMethod[SessionStatusRequest, SessionStatusResponse]] = RequestMethod(
    "_agent_server/session/status",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_MODELS}:SessionStatusRequest",
    f"{_MODELS}:SessionStatusResponse",
    OPT_IN,
)
SESSION_SNAPSHOT: Final[RequestMethod[SessionSnapshotRequest, SessionSnapshot]] = RequestMethod(
    "_agent_server/session/snapshot",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_MODELS}:SessionSnapshotRequest",
    f"{_MODELS}:SessionSnapshot",
    OPT_IN,
)

SESSION_EXPORT: Final[RequestMethod[ExportSessionRequest, ExportSessionResponse]] = RequestMethod(
    "_agent_server/session/export",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_HISTORY}:ExportSessionRequest",
    f"{_HISTORY}:ExportSessionResponse",
    OPT_IN,
)
EVENTS_AFTER: Final[RequestMethod[EventsAfterRequest, EventsAfterResponse]] = RequestMethod(
    "_agent_server/events/after",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_HISTORY}:EventsAfterRequest",
    f"{_HISTORY}:EventsAfterResponse",
    OPT_IN,
)
STORE_PRUNE: Final[RequestMethod[PruneStoreRequest, PruneStoreResponse]] = RequestMethod(
    "_agent_server/store/prune",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_HISTORY}:PruneStoreRequest",
    f"{_HISTORY}:PruneStoreResponse",
    OPT_IN,
)

MODELS_LIST: Final[RequestMethod[ListModelsRequest, ListModelsResponse]] = RequestMethod(
    "_agent_server/models/list",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_CHOICES}:ListModelsRequest",
    f"{_CHOICES}:ListModelsResponse",
    OPT_IN,
)
MODEL_CYCLE: Final[RequestMethod[CycleModelRequest, CycleModelResponse]] = RequestMethod(
    "_agent_server/model/cycle",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_CHOICES}:CycleModelRequest",
    f"{_CHOICES}:CycleModelResponse",
    OPT_IN,
)
THINKING_CYCLE: Final[RequestMethod[CycleThinkingRequest, CycleThinkingResponse]] = RequestMethod(
    "_agent_server/thinking/cycle",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_CHOICES}:CycleThinkingRequest",
    f"{_CHOICES}:CycleThinkingResponse",
    OPT_IN,
)
SESSION_USAGE: Final[RequestMethod[SessionUsageRequest, SessionUsageResponse]] = RequestMethod(
    "_agent_server/session/usage",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_CHOICES}:SessionUsageRequest",
    f"{_CHOICES}:SessionUsageResponse",
    OPT_IN,
)
BUDGET_GET: Final[RequestMethod[GetBudgetRequest, Budget]] = RequestMethod(
    "_agent_server/budget/get",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_CHOICES}:GetBudgetRequest",
    f"{_CHOICES}:Budget",
    OPT_IN,
)
BUDGET_SET: Final[RequestMethod[SetBudgetRequest, Budget]] = RequestMethod(
    "_agent_server/budget/set",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_CHOICES}:SetBudgetRequest",
    f"{_CHOICES}:Budget",
    OPT_IN,
)
AUTH_STATUS: Final[RequestMethod[AuthStatusRequest, AuthStatusResponse]] = RequestMethod(
    "_agent_server/auth/status",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_CHOICES}:AuthStatusRequest",
    f"{_CHOICES}:AuthStatusResponse",
    OPT_IN,
)
AUTH_REFRESH: Final[RequestMethod[AuthRefreshRequest, AuthRefreshResponse]] = RequestMethod(
    "_agent_server/auth/refresh",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_CHOICES}:AuthRefreshRequest",
    f"{_CHOICES}:AuthRefreshResponse",
    OPT_IN,
)
SESSION_CONTINUE: Final[RequestMethod[ContinueSessionRequest, PromptResponse]] = RequestMethod(
    "_agent_server/session/continue",
    Side.AGENT,
    Scope.SESSION,
    f"{_CHOICES}:ContinueSessionRequest",
    "agent_server.protocol.v1.prompt:PromptResponse",
    OPT_IN,
)

SESSION_RETRY: Final[NotificationMethod[RetryNotification]] = NotificationMethod(
    "_agent_server/session/retry",
    Side.CLIENT,
    Scope.CONNECTION,
    f"{_CHOICES}:RetryNotification",
    OPT_IN,
)
AUTH_STATUS_CHANGED: Final[NotificationMethod[AuthStatusResponse]] = NotificationMethod(
    "_agent_server/auth/status",
    Side.CLIENT,
    Scope.CONNECTION,
    f"{_CHOICES}:AuthStatusResponse",
    OPT_IN,
)

SESSION_OPEN: Final[RequestMethod[OpenSessionRequest, OpenSessionResponse]] = RequestMethod(
    "_agent_server/session/open",
    Side.AGENT,
    Scope.NAMED,
    f"{_OPENING}:OpenSessionRequest",
    f"{_OPENING}:OpenSessionResponse",
    OPT_IN,
    exclusive=True,
)
SESSION_DETACH: Final[RequestMethod[DetachSessionRequest, DetachSessionResponse]] = RequestMethod(
    "_agent_server/session/detach",
    Side.AGENT,
    Scope.NAMED,
    f"{_OPENING}:DetachSessionRequest",
    f"{_OPENING}:DetachSessionResponse",
    OPT_IN,
)
EVENTS_SUBSCRIBE: Final[RequestMethod[SubscribeRequest, SubscribeResponse]] = RequestMethod(
    "_agent_server/events/subscribe",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_EVENTS}:SubscribeRequest",
    f"{_EVENTS}:SubscribeResponse",
    OPT_IN,
)

SESSION_CREATED: Final[NotificationMethod[SessionCreatedNotification]] = NotificationMethod(
    "_agent_server/session/created",
    Side.CLIENT,
    Scope.CONNECTION,
    f"{_EVENTS}:SessionCreatedNotification",
    OPT_IN,
)
SESSION_RESTARTED: Final[NotificationMethod[SessionRestartedNotification]] = NotificationMethod(
    "_agent_server/session/restarted",
    Side.CLIENT,
    Scope.CONNECTION,
    f"{_EVENTS}:SessionRestartedNotification",
    OPT_IN,
)
SESSION_STATUS_CHANGED: Final[NotificationMethod[SessionStatusNotification]] = NotificationMethod(
    "_agent_server/session/status",
    Side.CLIENT,
    Scope.CONNECTION,
    f"{_MODELS}:SessionStatusNotification",
    OPT_IN,
)
SESSION_STOPPED: Final[NotificationMethod[SessionStoppedNotification]] = NotificationMethod(
    "_agent_server/session/stopped",
    Side.CLIENT,
    Scope.CONNECTION,
    f"{_MODELS}:SessionStoppedNotification",
    OPT_IN,
)

SESSION_SAVE_FAILED: Final[NotificationMethod[SaveFailedNotification]] = NotificationMethod(
    "_agent_server/session/save_failed",
    Side.CLIENT,
    Scope.CONNECTION,
    f"{_MODELS}:SaveFailedNotification",
    OPT_IN,
)
SESSION_SAVE_RECOVERED: Final[NotificationMethod[SaveRecoveredNotification]] = NotificationMethod(
    "_agent_server/session/save_recovered",
    Side.CLIENT,
    Scope.CONNECTION,
    f"{_MODELS}:SaveRecoveredNotification",
    OPT_IN,
)

EXTENSION_AGENT_METHODS: Final = MethodTable(
    SESSION_LOOKUP,
    SESSION_INFO,
    SESSION_LIST_LIVE,
    SESSION_OPEN,
    SESSION_DETACH,
    SESSION_STOP,
    SESSION_STATUS,
    SESSION_SNAPSHOT,
    SESSION_EXPORT,
    EVENTS_AFTER,
    STORE_PRUNE,
    EVENTS_SUBSCRIBE,
    MODELS_LIST,
    MODEL_CYCLE,
    THINKING_CYCLE,
    SESSION_USAGE,
    SESSION_CONTINUE,
    BUDGET_GET,
    BUDGET_SET,
    AUTH_STATUS,
    AUTH_REFRESH,
)
"""What our agent answers besides ACP."""

EXTENSION_CLIENT_METHODS: Final = MethodTable(
    SESSION_CREATED,
    SESSION_STATUS_CHANGED,
    SESSION_RESTARTED,
    SESSION_STOPPED,
    SESSION_SAVE_FAILED,
    SESSION_SAVE_RECOVERED,
    SESSION_RETRY,
    AUTH_STATUS_CHANGED,
)
"""What our agent tells clients that opted in."""
