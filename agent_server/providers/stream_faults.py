"""Errors inside of streams, or in place of a response with status 200, whatever the format. Pure."""

from __future__ import annotations

from typing import Any, Final

from agent_server.providers.error_bodies import status_in
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
            if (status := status_in(error.get(field))) is not None:
                return status
    return None
