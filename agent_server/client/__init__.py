"""The client side of ACP as a library: start or join an agent, serve it files and terminals, follow what it does."""

from typing import TYPE_CHECKING, Any

from agent_server.client.client import RemoteAgent
from agent_server.client.entries import CompactionEntry, Message, ToolCallEntry
from agent_server.client.errors import AgentMisbehaved, FormAnswerInvalid, LoginUnavailable, UnsupportedAgent
from agent_server.client.extensions import AgentExtensions
from agent_server.client.files import LocalFiles
from agent_server.client.joining import connect, spawn
from agent_server.client.logins import log_in_at_terminal
from agent_server.client.permissions import approve_all, ask, reject_all, remember
from agent_server.client.services import ClientServices
from agent_server.client.session import RemoteSession
from agent_server.client.terminals import LocalTerminals
from agent_server.client.transcript import Transcript

if TYPE_CHECKING:
    from agent_server.client.elicitation import CANCELLED, DECLINED, ElicitationService, FormQuestion, UrlVisit

__all__ = [
    "CANCELLED",
    "DECLINED",
    "AgentExtensions",
    "AgentMisbehaved",
    "ClientServices",
    "CompactionEntry",
    "ElicitationService",
    "FormAnswerInvalid",
    "FormQuestion",
    "LocalFiles",
    "LocalTerminals",
    "LoginUnavailable",
    "Message",
    "RemoteAgent",
    "RemoteSession",
    "ToolCallEntry",
    "Transcript",
    "UnsupportedAgent",
    "UrlVisit",
    "approve_all",
    "ask",
    "connect",
    "log_in_at_terminal",
    "reject_all",
    "remember",
    "spawn",
]


def __getattr__(name: str) -> Any:
    # What asks the user for more than permissions is loaded when it is first named: most clients never need it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agent_server.client import elicitation

    return getattr(elicitation, name)
