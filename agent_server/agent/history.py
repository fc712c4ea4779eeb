"""Coming back to a session: who may, and how all that happened in it is told. Spec: session-setup."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from agent_server.agent.replay_v1 import HistoryMerger
from agent_server.errors import SessionConflict, SessionNotFound
from agent_server.sessions.status import Lifecycle

if TYPE_CHECKING:
    from agent_server.agent.service import AgentService
    from agent_server.agent.session_handlers import AgentSession
    from agent_server.connection.connection import Connection

RECORDS_PER_PAGE: Final = 256
"""Records that are told before others get their turn."""

BYTES_PER_PAGE: Final = 256 * 1024
"""Bytes that are sent before others get their turn, and before it counts whether the client reads them (promise P6)."""


@contextmanager
def check_seat(service: AgentService, connection: Connection, session_id: str) -> Iterator[None]:
    """Take the seat of the session's driver for this connection, and hold it against others meanwhile.

    Raises:
        SessionConflict: ``driver_taken``; another connection, which is there, drives the session or is about to.
    """
    if service.drivers.get(session_id, connection) is not connection:
        raise SessionConflict("driver_taken", "another client is coming back to this session now")
    if service.is_driven(session_id, connection):
        raise SessionConflict("driver_taken", "another client works in this session")
    service.drivers[session_id] = connection
    try:
        yield
    finally:
        del service.drivers[session_id]


async def tell_history(agent_session: AgentSession, connection: Connection) -> None:
    """Send everything that is in the log by now, in pages; nothing happens between its end and the return.

    Raises:
        SessionNotFound: the session ended meanwhile.
    """
    log = agent_session.session.log
    merger = HistoryMerger()
    position = 0
    while True:
        log.flush()
        records = log.read(position, RECORDS_PER_PAGE)
        told_bytes = 0
        for last_seq, event in records:
            position = last_seq
            told_bytes += agent_session.attachment.retell(merger, event)
            if told_bytes > BYTES_PER_PAGE:
                break
        if not records:
            break
        connection.hurry()
        await asyncio.sleep(0)
        if connection.congested:
            await connection.drained()
        if agent_session.session.lifecycle is not Lifecycle.LIVE:  # its log may be gone
            raise SessionNotFound(agent_session.session.id)
    agent_session.attachment.end_retelling(merger)
