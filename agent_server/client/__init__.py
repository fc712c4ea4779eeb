"""The client side of ACP as a library: start or join an agent, serve it files and terminals, follow what it does."""

from agent_server.client.client import ClientServices, RemoteAgent, UnsupportedAgent, connect, spawn
from agent_server.client.files import LocalFiles
from agent_server.client.permissions import approve_all, ask, reject_all
from agent_server.client.session import RemoteSession
from agent_server.client.terminals import LocalTerminals
from agent_server.client.transcript import Message, ToolCallEntry, Transcript

__all__ = [
    "ClientServices",
    "LocalFiles",
    "LocalTerminals",
    "Message",
    "RemoteAgent",
    "RemoteSession",
    "ToolCallEntry",
    "Transcript",
    "UnsupportedAgent",
    "approve_all",
    "ask",
    "connect",
    "reject_all",
    "spawn",
]
