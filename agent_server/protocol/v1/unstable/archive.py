"""Putting sessions away without losing them. Spec (unstable): session-archive."""

from __future__ import annotations

from typing import Annotated

from agent_server.protocol.model import Model, Unstable
from agent_server.protocol.v1.history import ListSessionsRequest


class ArchiveSessionRequest(Model):
    """Close the session if it is open and leave it out of lists from now on; its history stays."""

    session_id: str


class ArchiveSessionResponse(Model):
    """It is archived, or was before."""


class UnarchiveSessionRequest(Model):
    """Put the session back into lists, without opening it."""

    session_id: str


class UnarchiveSessionResponse(Model):
    """It is not archived, or never was."""


class ListSessionsByArchiveRequest(ListSessionsRequest):
    """As `ListSessionsRequest`; ``archived`` is ``exclude`` (as when absent), ``include``, ``only`` or a word that we
    do not know, which is an error and never read as one that we know.
    """

    archived: Annotated[str | None, Unstable()] = None
