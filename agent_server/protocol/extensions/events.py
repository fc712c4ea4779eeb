"""What our own notifications tell of the lives of sessions, and who hears of which. Times are RFC 3339 in UTC."""

from __future__ import annotations

from typing import Literal, TypeAlias

from agent_server.protocol.model import Model

EventScope: TypeAlias = Literal["own", "all"]
RestartReason: TypeAlias = Literal["crash"]


class SubscribeRequest(Model):
    """Hear of the sessions that this client is at, or of all in this process. (Req: SM-32)

    A client that never asks is told of its own, and of every session's end.
    """

    scope: EventScope


class SubscribeResponse(Model):
    """It holds from now on."""

    scope: EventScope


class SessionCreatedNotification(Model):
    """A session lives that did not, whether it is new or was opened again. (Req: SM-32)"""

    session_id: str
    instance_id: str
    alias: str
    cwd: str
    created_at: str


class SessionRestartedNotification(Model):
    """A session crashed, and lives again as another instance, with the clients that it had. (Req: SM-15)"""

    session_id: str
    old_instance_id: str
    new_instance_id: str
    reason: RestartReason
