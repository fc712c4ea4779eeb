"""What an agent advertises, as plain JSON values. Importing this loads nothing: the first answer is made of it."""

from __future__ import annotations

from agent_server import __version__
from agent_server.protocol.capabilities import offers

TYPE_CHECKING = False  # typing itself is not loaded yet
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from agent_server.agent.login import Login

PROTOCOL_VERSION: Final = 1

AGENT_INFO: Final = {"name": "agent-server", "title": "Agent Server", "version": __version__}

EXTENSION_METHODS: Final = (
    *(
        f"_agent_server/session/{name}"
        for name in ("lookup", "info", "list_live", "open", "detach", "stop", "status", "snapshot", "export")
    ),
    "_agent_server/session/usage",
    "_agent_server/session/continue",
    "_agent_server/events/after",
    "_agent_server/events/subscribe",
    "_agent_server/store/prune",
    "_agent_server/models/list",
    "_agent_server/model/cycle",
    "_agent_server/thinking/cycle",
    "_agent_server/budget/get",
    "_agent_server/budget/set",
    "_agent_server/auth/status",
    "_agent_server/auth/refresh",
)
EXTENSION_NOTIFICATIONS: Final = (
    *(
        f"_agent_server/session/{name}"
        for name in ("created", "status", "restarted", "stopped", "save_failed", "save_recovered", "retry")
    ),
    "_agent_server/auth/status",
)
FAULT_METHODS: Final = tuple(f"_agent_server/test/{name}" for name in ("crash", "delay", "clock"))

UNSTABLE_CLIENT_CAPABILITIES: Final = frozenset({"plan", "subagents"})

_SESSION_CAPABILITIES: Final = ("list", "delete", "additionalDirectories", "resume", "close")
_UNSTABLE_SESSION_CAPABILITIES: Final = ("fork", "archive", "status", "title")


class Features:
    """What this agent can do beyond the usual.

    Attributes:
        system_prompt: whether its provider applies a client's system prompt.
        unstable: whether methods that are no part of the protocol yet are served.
        login: how to log in; None where nothing needs a login.
        login_gates: whether sessions need the login; else a prompt that needs it says so.
        test_faults: whether tests may break sessions and turn the clock.
    """

    def __init__(
        self,
        *,
        system_prompt: bool = False,
        unstable: bool = False,
        login: Login | None = None,
        login_gates: bool = True,
        test_faults: bool = False,
    ) -> None:
        self.system_prompt = system_prompt
        self.unstable = unstable
        self.login = login
        self.login_gates = login_gates
        self.test_faults = test_faults


def initialize_result(features: Features, client_capabilities: Mapping[str, Any]) -> dict[str, Any]:
    """Who we are and what we can do. Spec: initialization."""
    return {
        "protocolVersion": PROTOCOL_VERSION,
        "agentCapabilities": _capabilities(features),
        "authMethods": auth_methods(features.login, client_capabilities),
        "agentInfo": AGENT_INFO,
    }


def auth_methods(login: Login | None, client_capabilities: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ways to log in that this client can take: none of the terminal where it has none. Spec: authentication."""
    if login is None:
        return []
    terminal = offers(dict(client_capabilities), "auth.terminal")
    return [method.to_wire() for method in login.methods if terminal or method.terminal is None]


def _capabilities(features: Features) -> dict[str, Any]:
    session: dict[str, Any] = {name: {} for name in _SESSION_CAPABILITIES}
    auth: dict[str, Any] = {} if features.login is None else {"logout": {}}
    if features.system_prompt:
        session["systemPrompt"] = {"mode": {"override": {}}}
    if features.unstable:
        session.update((name, {}) for name in _UNSTABLE_SESSION_CAPABILITIES)
        auth["status"] = {}
    return {
        "loadSession": True,
        "promptCapabilities": {"image": True, "audio": True, "embeddedContext": True},
        "mcpCapabilities": {"http": False, "sse": False},
        "sessionCapabilities": session,
        "auth": auth,
        "_meta": {
            "agent_server": {
                "version": __version__,
                "methods": EXTENSION_METHODS + (FAULT_METHODS if features.test_faults else ()),
                "notifications": EXTENSION_NOTIFICATIONS,
            }
        },
    }
