"""Exceptions as JSON-RPC error objects, in one place.

What a client is told is built from fields that we chose. The text of an unexpected exception never leaves: it may hold
a path, a key or a piece of the input.
"""

from __future__ import annotations

import logging
from typing import Any

from agent_server.errors import RpcError, SessionConflict, SessionNotFound
from agent_server.jsonrpc.messages import encode_error

logger = logging.getLogger(__name__)

INTERNAL_ERROR = -32603
RESOURCE_NOT_FOUND = -32002
STATE_CONFLICT = -32010


def error_of(error: BaseException) -> tuple[int, str, Any]:
    """Code, message and data of the error object that answers a request which ended in ``error``."""
    if isinstance(error, RpcError):
        return error.code, error.message, error.data
    if isinstance(error, SessionNotFound):
        data = {
            "details": "there is no session with this id for this client",
            "reason": "not_found",
            "sessionId": error.session_id[:1024],
        }
        return RESOURCE_NOT_FOUND, "Resource not found", data
    if isinstance(error, SessionConflict):
        return STATE_CONFLICT, "State conflict", {**error.more, "details": error.details, "reason": error.reason}
    logger.error("a handler failed", exc_info=error)
    return INTERNAL_ERROR, "Internal error", {"details": "the request failed inside the server; its log says why"}


def sendable_error_of(error: BaseException, limit_bytes: int) -> tuple[int, str, Any]:
    """As `error_of`, but surely JSON and not longer than ``limit_bytes``: a handler may put anything into an error."""
    code, message, data = error_of(error)
    try:
        size = len(encode_error(None, code, message, data))
    except TypeError as reason:
        logger.error("the error %s %r cannot be encoded: %s", code, message, reason)
    else:
        if size <= limit_bytes:
            return code, message, data
    return INTERNAL_ERROR, "Internal error", {"details": "the request failed, and its error could not be sent"}
