"""The time by which sessions are reclaimed and restarts counted; tests may move it on."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic


class Clock:
    """Seconds that never go back, from some beginning.

    Attributes:
        on_advanced: who looks at the time again when it was moved.
    """

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self.on_advanced: Callable[[], None] | None = None

    def now(self) -> float:
        """The time now, in seconds."""
        return monotonic() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Let so much time have passed.

        Raises:
            ValueError: less than nothing.
        """
        if seconds < 0:
            raise ValueError("time does not go back")
        self._ahead_s += seconds
        if self.on_advanced is not None:
            self.on_advanced()
