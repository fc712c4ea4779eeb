"""When a request that failed is sent again. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from agent_server.errors import ProviderError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon. Times are seconds.

    Attributes:
        retries: how many more times a request is sent at most.
        first_delay_s: the first wait; each one after it is twice as long, up to ``longest_delay_s``.
        jitter: the part of a wait that chance takes off, so that those who failed together do not return together.
        longest_wait_s: of what a server asks for; where it wants more, people are told instead.
    """

    retries: int = 3
    first_delay_s: float = 0.5
    longest_delay_s: float = 8.0
    jitter: float = 0.25
    longest_wait_s: float = 120.0

    def delay_s(self, error: ProviderError, attempt: int, chance: float) -> float | None:
        """The wait before the ``attempt``-th retry, from 1; None: it is not to be sent again.

        ``chance`` is a random number from 0 to 1. What the server asks for is never shortened.
        """
        if not error.retryable or attempt > self.retries:
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= self.longest_wait_s else None
        return min(self.first_delay_s * 2.0 ** (attempt - 1), self.longest_delay_s) * (1.0 - self.jitter * chance)
