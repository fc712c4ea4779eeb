"""Logs that could not be saved: they are tried again, after 5 seconds, then 10, 20, 40, and 60 from then on.

Each is told of once when it begins and once when it is over (Req: PE-02).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from agent_server.store.open_log import OpenLog

logger = logging.getLogger(__name__)

FIRST_S: Final = 5.0
LAST_S: Final = 60.0


class Retrying:
    """The logs with something that is only in memory.

    Args:
        save: tries to save one; whether everything of it is saved with that. Raises OSError where it cannot.
        tell: hears of each log once with its error, and once with None.
    """

    def __init__(
        self, save: Callable[[OpenLog], bool], tell: Callable[[OpenLog, OSError | None], None]
    ) -> None:
        self._save = save
        self._tell = tell
        self._logs: dict[OpenLog, None] = {}
        self._delay_s = FIRST_S
        self._timer: asyncio.TimerHandle | None = None

    def add(self, log: OpenLog, error: OSError) -> None:
        """It could not be saved."""
        if log not in self._logs:
            self._logs[log] = None
            self._tell(log, error)
        self._schedule()

    def changed(self) -> None:
        """More is to be saved: it is tried soon again."""
        if self._delay_s > FIRST_S:
            self._delay_s = FIRST_S
            self._schedule()

    def forget(self, log: OpenLog) -> None:
        """It is saved, or need not be."""
        if log in self._logs and not log.tail and not log.sync_failed:
            del self._logs[log]
            self._tell(log, None)

    def close(self) -> None:
        """Try no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        self.close()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nothing runs here that could try again
            return
        self._timer = loop.call_later(self._delay_s, self._try)

    def _try(self) -> None:
        self._timer = None
        self._delay_s = min(2 * self._delay_s, LAST_S)
        for log in list(self._logs):
            try:
                if self._save(log):
                    self.forget(log)
            except OSError as error:
                logger.info("session %s still cannot be saved: %s", log.session_id, error.strerror or error)
        if self._logs:
            self._schedule()
        else:
            self._delay_s = FIRST_S
