"""Components between a client and an agent. Spec (unstable): proxy-chains.

A conductor sends a proxy ``proxy/initialize`` in place of ``initialize``, with the same params and result. What is
meant for the next component goes inside ``proxy/successor``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import Field

from agent_server.protocol.model import Model


class ProxySuccessorRequest(Model):
    """A request for (or from) the next component: its method, and its params unchanged."""

    method: str
    params: Any = Field(default=None, repr=False)


ProxySuccessorResponse: TypeAlias = Any
"""The result of the wrapped request, unchanged, null included."""


class ProxySuccessorNotification(Model):
    """A notification for (or from) the next component: its method, and its params unchanged."""

    method: str
    params: Any = Field(default=None, repr=False)
