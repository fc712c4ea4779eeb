"""What model calls used, added up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent_server.conversation.events import UsageReported

COST_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """What model calls used: those of a session, or of a turn. ``cost_usd`` is None where none had a price.

    What came from a cache or was written to one is part of the input, thoughts are part of the output.
    """

    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_read_tokens: int = 0
    cached_write_tokens: int = 0
    thought_tokens: int = 0
    cost_usd: float | None = None

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input_tokens + self.output_tokens

    def plus(self, call: UsageReported) -> UsageTotals:
        """With one more model call."""
        cost_usd = self.cost_usd
        if call.cost_usd is not None:
            cost_usd = round((cost_usd or 0.0) + call.cost_usd, COST_DIGITS)
        return UsageTotals(
            self.model_calls + 1,
            self.input_tokens + call.input_tokens,
            self.output_tokens + call.output_tokens,
            self.cached_read_tokens + call.cached_read_tokens,
            self.cached_write_tokens + call.cached_write_tokens,
            self.thought_tokens + call.thought_tokens,
            cost_usd,
        )
