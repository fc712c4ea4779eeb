"""Errors inside of streams, as the servers that speak OpenAI's formats write them. Pure."""

from __future__ import annotations

from typing import Any, Final

from agent_server.providers.json_reading import json_of
from agent_server.providers.wire import ServerFault

_STATUS_FIELDS: Final = ("status_code", "status", "code")


def fault_in(said: Any) -> ServerFault:
    """The fault for something that holds an error, or is one itself."""
    error = said
    if type(said) is dict and said.get("error"):
        error = said["error"]
    return ServerFault({"error": error}, _status(error) or _status(said))


def named_fault(data: bytes) -> ServerFault:
    """The fault for the data of an event that is called an error, whatever it looks like."""
    try:
        said = json_of(data)
    except ValueError:
        said = data.decode("utf-8", "replace")
    return fault_in(said[0] if type(said) is list and said else said)


def _status(error: Any) -> int | None:
    if type(error) is dict:
        for field in _STATUS_FIELDS:
            status = error.get(field)
            if type(status) is str and status.isdecimal() and len(status) == 3:
                status = int(status)
            if type(status) is int and 400 <= status <= 599:
                return status
    return None
