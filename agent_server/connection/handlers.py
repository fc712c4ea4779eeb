"""Declaring that a method of a class answers a protocol method.

    class Greeter:
        @handles(SESSION_PROMPT)
        async def prompt(self, params: PromptRequest) -> PromptResponse: ...

The type checker verifies the signature against the constant. A handler may be ``async`` (it gets a task), plain (it
runs inside the reader and must be quick), or plain and give a `Deferred` (the answer comes later, without a task).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, overload

from agent_server.protocol.method import Method, NotificationMethod, RequestMethod

if TYPE_CHECKING:
    from agent_server.protocol.model import Model

S = TypeVar("S")
P = TypeVar("P", bound="Model")
R = TypeVar("R", bound="Model")
T = TypeVar("T")

Handler: TypeAlias = Callable[[Any, Any], Any]

_MARK = "__handles__"

logger = logging.getLogger(__name__)


class SessionAway(Exception):
    """Raised where a session is looked for that is not there now and can be brought: requests wait so long.

    ``bring`` brings it; what it raises is their answer. It may be called several times.
    """

    def __init__(self, bring: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__("the session is away")
        self.bring = bring


class Deferred(Generic[T]):
    """An answer that comes later. Settled at most once; what comes after the first outcome is ignored.

    ``on_cancel`` is called when the asker withdraws the request; it should settle the answer soon. ``after`` is called
    once the answer has been queued for sending: what must not precede the response goes there.
    """

    __slots__ = ("_callback", "_error", "_result", "_settled", "after", "on_cancel")

    def __init__(self, *, on_cancel: Callable[[], None] | None = None, after: Callable[[], None] | None = None) -> None:
        self.on_cancel = on_cancel
        self.after = after
        self._settled = False
        self._result: T | None = None
        self._error: BaseException | None = None
        self._callback: Callable[[T | None, BaseException | None], None] | None = None

    @property
    def settled(self) -> bool:
        """Whether it has its outcome."""
        return self._settled

    def resolve(self, result: T) -> None:
        """Answer with a result."""
        self._settle(result, None)

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        self._settle(None, error)

    def then(self, callback: Callable[[T | None, BaseException | None], None]) -> None:
        """Hear the outcome; at once if it is there already. For the connection; one callback at most."""
        if self._settled:
            callback(self._result, self._error)
        else:
            self._callback = callback

    def _settle(self, result: T | None, error: BaseException | None) -> None:
        if self._settled:
            return
        self._settled = True
        self._result, self._error = result, error
        # Both may lead back here, and circles live until the garbage collector comes.
        callback, self._callback, self.on_cancel = self._callback, None, None
        if callback is not None:
            callback(result, error)


def answered(result: T, after: Callable[[], None]) -> Deferred[T]:
    """An answer that is here already, and something to do once it has been sent."""
    deferred: Deferred[T] = Deferred(after=after)
    deferred.resolve(result)
    return deferred


def run_hook(hook: Callable[[], object] | None) -> None:
    """Run an answer's hook, if it has one; what it raises concerns nobody else."""
    if hook is not None:
        try:
            hook()
        except BaseException as error:
            logger.error("the hook of an answer failed", exc_info=error)


RequestHandler: TypeAlias = Callable[[S, P], "Awaitable[R] | Awaitable[Deferred[R]] | Deferred[R] | R"]
NotificationHandler: TypeAlias = Callable[[S, P], "Awaitable[None] | None"]


@overload
def handles(
    method: RequestMethod[P, R],
) -> Callable[[RequestHandler[S, P, R]], RequestHandler[S, P, R]]: ...
@overload
def handles(
    method: NotificationMethod[P],
) -> Callable[[NotificationHandler[S, P]], NotificationHandler[S, P]]: ...
def handles(method: Method) -> Callable[[Handler], Handler]:
    """Declare that the decorated method answers ``method``."""

    def mark(handler: Handler) -> Handler:
        setattr(handler, _MARK, method)
        return handler

    return mark


def handlers_of(cls: type) -> dict[str, tuple[Method, Handler]]:
    """Wire name → (method, unbound handler) for every marked method of ``cls``, inherited ones included."""
    found: dict[str, tuple[Method, Handler]] = {}
    for name in dir(cls):
        handler = getattr(cls, name)
        method = getattr(handler, _MARK, None)
        if method is not None:
            found[method.name] = (method, handler)
    return found
