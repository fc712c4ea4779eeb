"""Those who hear of a log's growth."""

from __future__ import annotations

from collections.abc import Callable

Watcher = Callable[[int], None]


class Watchers:
    """The watchers of one log; false while there are none."""

    __slots__ = ("_watchers",)

    def __init__(self) -> None:
        # A tuple that is replaced, so that a watcher may unsubscribe while watchers are called.
        self._watchers: tuple[Watcher, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._watchers)

    def add(self, callback: Watcher) -> Callable[[], None]:
        """Tell this one too; the returned function ends that. One may be added twice."""

        # A function of its own for each subscription: ending one must not end the other.
        def watcher(seq: int) -> None:
            callback(seq)

        def unsubscribe() -> None:
            self._watchers = tuple(other for other in self._watchers if other is not watcher)

        self._watchers = (*self._watchers, watcher)
        return unsubscribe

    def tell(self, head: Callable[[], int]) -> None:
        """Tell all of them. What one raises is logged and reaches nobody.

        ``head`` is asked anew each time: a watcher may itself append, and no later one may then hear an older seq.
        """
        for watcher in self._watchers:
            try:
                watcher(head())
            except Exception:
                import logging

                logging.getLogger(__name__).exception("a watcher of the store failed")
