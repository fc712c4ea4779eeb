"""Removing sessions that nobody has used for long (Req: PE-08)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from agent_server.sessions.timestamps import now_ms, rfc3339
from agent_server.store.catalogue import unused_since
from agent_server.store.store import SessionBusy

if TYPE_CHECKING:
    from agent_server.sessions.supervisor import SessionSupervisor

logger = logging.getLogger(__name__)

MAX_DAYS: Final = 36500
_DAY_MS: Final = 24 * 3600 * 1000


async def prune(supervisor: SessionSupervisor, days: float) -> list[str]:
    """Delete the sessions that were not used for so many days; their ids.

    Those that live here or in another server stay, and so do archived ones.
    """
    before = rfc3339(now_ms() - round(days * _DAY_MS))
    deleted = []
    for entry in unused_since(supervisor.catalogue, before):
        try:
            if await supervisor.delete(entry.session_id, unused_since=before):
                deleted.append(entry.session_id)
        except (SessionBusy, OSError) as error:
            logger.info("session %s is not pruned: %s", entry.session_id, error)
    return deleted
