"""Removing sessions that nobody has used for long (Req: PE-08)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from agent_server.errors import SessionConflict
from agent_server.sessions.timestamps import now_ms, rfc3339
from agent_server.store.catalogue import position_at

if TYPE_CHECKING:
    from agent_server.sessions.supervisor import SessionSupervisor

logger = logging.getLogger(__name__)

MAX_DAYS: Final = 36500
_DAY_MS: Final = 24 * 3600 * 1000


async def prune(supervisor: SessionSupervisor, days: int) -> list[str]:
    """Delete the sessions that were not used for so many days; their ids.

    Those that live here or in another server stay, and so do archived ones.
    """
    before = rfc3339(now_ms() - days * _DAY_MS)
    deleted: list[str] = []
    after: str | None = position_at(before)
    while after is not None:
        entries, after = await supervisor.entries.page(after=after)
        for entry in entries:
            try:
                if await supervisor.delete(entry.session_id, unused_since=before):
                    deleted.append(entry.session_id)
            except (SessionConflict, OSError) as error:
                logger.info("session %s is not pruned: %s", entry.session_id, error)
    return deleted
