"""The client's router: what the client handles itself, and handlers of notifications that are added while it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from agent_server.connection.router import Route, Router
from agent_server.protocol.method import NotificationMethod, Side
from agent_server.protocol.model import Model

P = TypeVar("P", bound=Model)

Hearing: TypeAlias = Callable[[P], "Awaitable[None] | None"]
"""Hears one kind of notification. A plain one runs inside the reader and must be quick."""


class HearingRouter(Router):
    """A router that takes more handlers of notifications."""

    def hear(self, method: NotificationMethod[P], handler: Hearing[P]) -> Callable[[], None]:
        """Call the handler with the params of every such notification, until the returned function is called.

        Raises:
            ValueError: the client handles it itself, or somebody hears it already, or it never comes from an agent.
        """
        if method.name in self._routes:
            raise ValueError(f"{method.name} has a handler already")
        if method.side is Side.AGENT:
            raise ValueError(f"{method.name} is what a client sends")

        def handle(_target: Any, params: P) -> Awaitable[None] | None:
            return handler(params)

        route = self._routes[method.name] = Route(method, handle)

        def stop() -> None:
            if self._routes.get(method.name) is route:
                del self._routes[method.name]

        return stop
