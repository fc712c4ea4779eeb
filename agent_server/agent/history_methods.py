"""Our own methods about what is stored. They read a log without taking its session over.

Req: EV-01, PE-08, PE-10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_server.connection.handlers import handles
from agent_server.protocol.extensions import EVENTS_AFTER, SESSION_EXPORT, STORE_PRUNE

if TYPE_CHECKING:
    from agent_server.agent.service import AgentService
    from agent_server.protocol.extensions.history import (
        EventsAfterRequest,
        EventsAfterResponse,
        ExportSessionRequest,
        ExportSessionResponse,
        PruneStoreRequest,
        PruneStoreResponse,
    )


class HistoryMethods:
    """Answers for the process: any session of its store."""

    _service: AgentService

    @handles(SESSION_EXPORT)
    async def export_session(self, params: ExportSessionRequest) -> ExportSessionResponse:
        """A session as a document (Req: PE-10)."""
        from agent_server.agent.stored_history import export_text

        text = await export_text(self._service.supervisor, params.session_id, params.format)
        return SESSION_EXPORT.encoded({"format": params.format, "text": text})

    @handles(EVENTS_AFTER)
    def events_after(self, params: EventsAfterRequest) -> EventsAfterResponse:
        """The raw events of a session (Req: EV-01)."""
        from agent_server.agent.stored_history import raw_events

        events = raw_events(self._service.supervisor, params.session_id, params.after, params.limit)
        return EVENTS_AFTER.encoded({"events": events})

    @handles(STORE_PRUNE)
    async def prune_store(self, params: PruneStoreRequest) -> PruneStoreResponse:
        """Remove what nobody used for long (Req: PE-08)."""
        from agent_server.sessions.pruning import prune

        return STORE_PRUNE.encoded({"deleted": await prune(self._service.supervisor, params.days)})
