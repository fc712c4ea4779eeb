"""From a method's name and raw params to the handler that answers, with the params validated. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from agent_server.connection.handlers import Handler, handlers_of
from agent_server.errors import RpcError
from agent_server.protocol.method import Method, RequestMethod, Scope

METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602


class Route:
    """One method and what answers it. ``session_scoped`` routes run on the session named in the params."""

    __slots__ = ("_plain", "exclusive", "handler", "is_request", "lane", "method", "session_scoped")

    def __init__(self, method: Method, handler: Handler, *, plain: bool = False) -> None:
        self.method = method
        self.handler = handler
        self._plain = method.plain if plain else None
        self.is_request = isinstance(method, RequestMethod)
        self.exclusive = isinstance(method, RequestMethod) and method.exclusive
        self.session_scoped = method.scope is Scope.SESSION
        self.lane = method.scope is not Scope.CONNECTION

    def validate(self, raw: Any) -> Any:
        """The params as the method's model; absent and null count as ``{}``.

        Raises:
            RpcError: -32602; ``data.details`` names the field, the type given and what was expected.
        """
        if self._plain is not None and type(raw) is dict:
            read = self._plain(raw)
            if read is not None:
                return read
        if raw is None:
            raw = {}
        elif type(raw) is not dict:
            from agent_server.protocol.errors import json_type

            details = f"params must be an object, but {json_type(raw)} was given"
            raise RpcError(INVALID_PARAMS, "Invalid params", {"details": details})
        try:
            return self.method.validate(raw)
        except ValueError as error:
            from agent_server.protocol.errors import describe_validation_error

            details = describe_validation_error(error, model=self.method.params)  # type: ignore[arg-type]
            raise RpcError(INVALID_PARAMS, "Invalid params", {"details": details}) from None


class Router:
    """Knows which class answers which method: no I/O, no tasks, no sessions.

    ``plain`` lets the commonest messages reach their handlers without their models (see the methods' ``plain``): only
    for handlers that ask nothing of their params but the models' attributes.

    Attributes:
        route: gives the route of the method with that name, or None.
    """

    def __init__(
        self,
        methods: Iterable[Method],
        connection_class: type,
        session_class: type | None = None,
        *,
        plain: bool = False,
    ) -> None:
        """Collect the marked handlers of the two classes.

        Raises:
            TypeError: a class handles a method of another scope, or one that is not in ``methods``.
        """
        known = {method.name: method for method in methods}
        self._routes: dict[str, Route] = {}
        for cls in (connection_class, session_class):
            if cls is None:
                continue
            for name, (method, handler) in handlers_of(cls).items():
                if known.get(name) is not method or (method.scope is Scope.SESSION) != (cls is session_class):
                    raise TypeError(f"{cls.__name__} cannot handle {name}")
                self._routes[name] = Route(method, handler, plain=plain)
        self.route: Callable[[str], Route | None] = self._routes.get

    def __iter__(self) -> Iterator[str]:
        return iter(self._routes)
