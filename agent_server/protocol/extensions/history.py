"""What our own methods say about stored sessions. Wherever a ``session_id`` is asked for here, an alias will do."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from agent_server.protocol.model import Model


class ExportSessionRequest(Model):
    """Give the session as a document; it need not be live. (Req: PE-10)"""

    session_id: str
    format: Literal["markdown", "html", "json"] = "markdown"


class ExportSessionResponse(Model):
    """The whole document. That of ``json`` has a schema of its own, ``session-export.json``."""

    format: Literal["markdown", "html", "json"]
    text: str


class EventsAfterRequest(Model):
    """Give the records of the session's log whose ``seq`` is above ``after``, at most ``limit``. (Req: EV-01)"""

    session_id: str
    after: int = Field(default=0, ge=0)
    limit: int = Field(default=200, ge=1, le=1000)


class RecordedEvent(Model):
    """One record of a log, with the ``seq`` of what it ends with. The ``event`` has a ``type``; kinds may be added.

    A record of streamed text holds ``count`` pieces, each with a ``seq`` of its own.
    """

    seq: int
    event: dict[str, Any]


class EventsAfterResponse(Model):
    """Oldest first. There may be fewer than asked for; none at all means the end, for now."""

    events: list[RecordedEvent]


class PruneStoreRequest(Model):
    """Delete the sessions that nobody used for so many ``days``, but for live and archived ones. (Req: PE-08)"""

    days: int = Field(ge=0, le=36500)


class PruneStoreResponse(Model):
    """The ids of the sessions that are gone now."""

    deleted: list[str]
