"""One JSON-RPC 2.0 conversation, without I/O: what a message is, and whether it is legal now."""

from agent_server.jsonrpc.messages import Failure, Notification, Request, RequestId, Success, Violation
from agent_server.jsonrpc.peer import LocalProtocolError, Peer

__all__ = [
    "Failure",
    "LocalProtocolError",
    "Notification",
    "Peer",
    "Request",
    "RequestId",
    "Success",
    "Violation",
]
