"""Those who hear of one kind of news. Where nobody listens, nothing is made for them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, ParamSpec

logger = logging.getLogger(__name__)

P = ParamSpec("P")


class Listeners(Generic[P]):
    """The listeners for one kind of news; false while there are none.

    What a listener raises is logged and reaches nobody.
    """

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        # A tuple that is replaced, so that a listener may go, or another come, while all are told.
        self._listeners: tuple[Callable[P, None], ...] = ()

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def add(self, listener: Callable[P, None]) -> Callable[[], None]:
        """Tell this one too, from now on; the returned function ends that. One may be added twice."""

        # A function of its own for each subscription: ending one must not end the other.
        def hears(*args: P.args, **kwargs: P.kwargs) -> None:
            listener(*args, **kwargs)

        def unsubscribe() -> None:
            self._listeners = tuple(other for other in self._listeners if other is not hears)

        self._listeners = (*self._listeners, hears)
        return unsubscribe

    def tell(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            try:
                listener(*args, **kwargs)
            except Exception:
                logger.exception("somebody who listens to sessions failed")
