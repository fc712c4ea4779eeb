"""Reading is paused while too much waits: jobs in lanes, or answers that the far end does not read (promise P6)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from agent_server.connection.lanes import MAX_WAITING, Lanes
from agent_server.connection.limits import MAX_UNSENT_BYTES
from agent_server.transport.port import Transport


class Pacing:
    """Pauses the reading of one transport. ``spawn`` runs what waits for the end of the pause."""

    def __init__(
        self, transport: Transport, lanes: Lanes, spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._transport = transport
        self._lanes = lanes
        self._spawn = spawn
        self.paused = False

    def pause(self) -> None:
        """Take nothing more until half of it is done."""
        if not self.paused:
            self.paused = True
            self._transport.pause_reading()
            self._spawn(self._resume_when_drained())

    async def _resume_when_drained(self) -> None:
        while self._lanes.count > MAX_WAITING // 2 or self._transport.unsent_bytes > MAX_UNSENT_BYTES // 2:
            if self._transport.congested:
                await self._transport.drained()
            else:
                self._lanes.shrunk.clear()
                await self._lanes.shrunk.wait()
        self.paused = False
        self._transport.resume_reading()
