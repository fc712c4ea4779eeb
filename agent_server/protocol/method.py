"""One typed constant per protocol method.

Routing, validation, handler typing, outgoing calls, the capability gate, JSON Schema and the documented table all
derive from these constants. Side and scope are data here, never guessed from the params.

A constant names its models by reference ("prompt:PromptRequest") and imports them when they are first needed, so that
starting up costs only what the first answer uses.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

import orjson

if TYPE_CHECKING:
    from agent_server.protocol.model import Model

P = TypeVar("P", bound="Model")
R = TypeVar("R", bound="Model")


class Side(Enum):
    """Who answers the method."""

    AGENT = "agent"
    CLIENT = "client"
    BOTH = "both"
    PROXY = "proxy"


class Scope(Enum):
    """Which object answers.

    ``CONNECTION``: the connection itself. ``SESSION``: the live session named in ``params.sessionId``. ``NAMED``: the
    connection, on the lane of the session named in ``params.sessionId``, which need not be live.
    """

    CONNECTION = "connection"
    SESSION = "session"
    NAMED = "named"


class EncodedResult:
    """A result as a JSON object; encodes like a model."""

    __slots__ = ("_wire",)

    def __init__(self, wire: dict[str, Any]) -> None:
        self._wire = wire

    def to_json(self) -> bytes:
        """The compact JSON text that goes over the wire."""
        return orjson.dumps(self._wire)

    def to_wire(self) -> dict[str, Any]:
        """The same as plain Python values."""
        return self._wire


class _Method(Generic[P]):
    """What requests and notifications share."""

    def __init__(
        self,
        name: str,
        side: Side,
        scope: Scope,
        params_ref: str,
        capability: str | None,
        needs: Callable[[Any], Iterable[str]] | None,
        plain: Callable[[dict[str, Any]], object | None] | None,
    ) -> None:
        self.name = name
        self.side = side
        self.scope = scope
        self.capability = capability
        self.needs = needs
        self._params_ref = params_ref
        self.plain = plain
        self._validate: Callable[..., P] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def missing(self, params: P | None, offered: Callable[[str], bool]) -> str | None:
        """The first capability that a call with these params needs and the answering side did not advertise.

        ``params`` None: those of the method alone (promise P10).
        """
        if self.capability is not None and not offered(self.capability):
            return self.capability
        if self.needs is not None and params is not None:
            for capability in self.needs(params):
                if not offered(capability):
                    return capability
        return None

    @property
    def params(self) -> type[P]:
        """The model of its params, or the union of its models."""
        model: type[P] = _resolve(self._params_ref)
        return model

    @property
    def params_name(self) -> str:
        """What its params are called; a union has no other name."""
        return self._params_ref.rpartition(":")[2]

    def validate(self, raw: Any) -> P:
        """Params from decoded JSON.

        Raises:
            pydantic.ValidationError: they do not fit.
        """
        check = self._validate
        if check is None:
            check = self._validate = validator(self.params)
        return check(raw, by_alias=True, by_name=False)


class RequestMethod(_Method[P], Generic[P, R]):
    """A method that is answered.

    ``capability`` is what the answering side must have advertised, as a dotted path; ``needs`` gives what it must have
    advertised besides, for a call with these params. ``plain`` reads the plainest params without the model, for
    routers that ask for it: what it gives has the model's attributes and is no model. ``plain_result`` does the same
    for results. ``exclusive``: what comes for the session behind such a request waits for its answer. Where
    ``null_is_a_result``, a result of null is no empty object.
    """

    def __init__(
        self,
        name: str,
        side: Side,
        scope: Scope,
        params_ref: str,
        result_ref: str,
        capability: str | None = None,
        *,
        needs: Callable[[Any], Iterable[str]] | None = None,
        plain: Callable[[dict[str, Any]], object | None] | None = None,
        plain_result: Callable[[dict[str, Any]], object | None] | None = None,
        exclusive: bool = False,
        null_is_a_result: bool = False,
    ) -> None:
        super().__init__(name, side, scope, params_ref, capability, needs, plain)
        self.exclusive = exclusive
        self._plain_result = plain_result
        self._null_is_a_result = null_is_a_result
        self._result_ref = result_ref
        self._validate_result: Callable[..., R] | None = None

    @property
    def result(self) -> type[R]:
        """The model of its result."""
        model: type[R] = _resolve(self._result_ref)
        return model

    @property
    def result_name(self) -> str:
        """What its result is called; a union has no other name."""
        return self._result_ref.rpartition(":")[2]

    def validate_result(self, raw: Any) -> R:
        """A result from decoded JSON; null counts as ``{}``, unless it is a result.

        Raises:
            pydantic.ValidationError: it does not fit.
        """
        check = self._validate_result
        if check is None:
            check = self._validate_result = validator(self.result)
        return check({} if raw is None and not self._null_is_a_result else raw, by_alias=True, by_name=False)

    def read_result(self, raw: Any) -> R:
        """As `validate_result`, but the plainest results are read without the model (see ``plain``)."""
        if self._plain_result is not None and (raw is None or type(raw) is dict):
            read = self._plain_result(raw or {})
            if read is not None:
                return cast("R", read)
        return self.validate_result(raw)

    def encoded(self, result: dict[str, Any]) -> R:
        """A result that is spelled on the wire already: the middle tier between bytes and models.

        The caller answers for its shape; tests hold each use against the model.
        """
        return EncodedResult(result)  # type: ignore[return-value]


class NotificationMethod(_Method[P], Generic[P]):
    """A method that is not answered."""

    def __init__(
        self,
        name: str,
        side: Side,
        scope: Scope,
        params_ref: str,
        capability: str | None = None,
        *,
        needs: Callable[[Any], Iterable[str]] | None = None,
        plain: Callable[[dict[str, Any]], object | None] | None = None,
    ) -> None:
        super().__init__(name, side, scope, params_ref, capability, needs, plain)


Method: TypeAlias = "RequestMethod[Any, Any] | NotificationMethod[Any]"


class MethodTable:
    """Every method that one side answers, by its name on the wire."""

    def __init__(self, *methods: Method) -> None:
        self._methods: dict[str, Method] = {}
        for method in methods:
            if method.name in self._methods:
                raise ValueError(f"{method.name} is declared twice")
            self._methods[method.name] = method

    def get(self, name: str) -> Method | None:
        """The method of that name, or None."""
        return self._methods.get(name)

    def __iter__(self) -> Iterator[Method]:
        return iter(self._methods.values())

    def __len__(self) -> int:
        return len(self._methods)


def _resolve(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def validator(model: Any) -> Any:
    """To be called by alias and not by name: Python names are for our own constructors, not for the wire."""
    if isinstance(model, type) and model is not Any:
        model.model_rebuild()  # type: ignore[attr-defined]
        return model.__pydantic_validator__.validate_python  # type: ignore[attr-defined]
    from pydantic import TypeAdapter

    return TypeAdapter(model).validate_python
