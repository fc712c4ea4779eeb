"""Compactions that a provider reports of itself, kept lawful whatever it says.

Each gets an id of ours, begins before it grows, and ends exactly once: by the provider's word, or with its turn. What
the provider says of a compaction that is not open is dropped. Spec: session-compaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from agent_server.conversation.content import encodable
from agent_server.conversation.events import (
    CompactionBegan,
    CompactionFinished,
    CompactionOutcome,
    CompactionSummaryGrew,
)
from agent_server.providers.provider import CompactionEnded, CompactionStarted, CompactionSummary

if TYPE_CHECKING:
    from agent_server.sessions.log import SessionLog

logger = logging.getLogger(__name__)

CompactionEvent = CompactionStarted | CompactionSummary | CompactionEnded

NOT_FINISHED: Final = "The turn ended before the compaction did."


class Compactions:
    """The compactions of one turn. ``next_number`` gives numbers that are never given again in the session."""

    def __init__(self, log: SessionLog, next_number: Callable[[], int]) -> None:
        self._log = log
        self._next_number = next_number
        self._open: dict[str, str] = {}

    def take(self, event: CompactionEvent) -> None:
        """Log what the provider says; events that make no sense now are dropped."""
        known = self._open.get(event.compaction_id)
        if isinstance(event, CompactionStarted):
            if known is None:
                self._begin(event.compaction_id)
        elif known is None:
            logger.info("the provider reported on a compaction that is not open")
        elif isinstance(event, CompactionSummary):
            if event.text:
                self._log.append(CompactionSummaryGrew(known, encodable(event.text)))
        else:
            self._end(event.compaction_id, event.status, event.error)

    def end_open(self, *, cancelled: bool) -> None:
        """The turn is over, and with it what it began."""
        for provider_id in list(self._open):
            self._end(provider_id, "cancelled" if cancelled else "failed", NOT_FINISHED)

    def _begin(self, provider_id: str) -> None:
        self._open[provider_id] = compaction_id = f"compaction_{self._next_number()}"
        self._log.append(CompactionBegan(compaction_id))

    def _end(self, provider_id: str, status: CompactionOutcome, error: str | None) -> None:
        compaction_id = self._open.pop(provider_id)
        told = encodable(error) if status == "failed" and error else None
        self._log.append(CompactionFinished(compaction_id, status, told))
