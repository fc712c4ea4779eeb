"""Errors that a server tells inside of a stream. Pure."""

from __future__ import annotations

from typing import Any

from agent_server.providers.wire import ServerFault


def fault_in(body: dict[str, Any]) -> ServerFault:
    """The error with the HTTP status that it names, if it names one."""
    error = body.get("error")
    named = error if isinstance(error, dict) else body
    for key in ("status_code", "code", "status"):
        value = named.get(key)
        if type(value) is int and 400 <= value <= 599:
            return ServerFault(body, value)
    return ServerFault(body)


def made_fault(kind: str, message: str) -> ServerFault:
    """An error that a server told by another word than ``error``, in the shape that errors have."""
    return ServerFault({"error": {"type": kind, "message": message}})
