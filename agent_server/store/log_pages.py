"""Pages of logs, whoever's they are: where each reader has come to, and what was seen at the end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from agent_server.conversation.events import Event
from agent_server.store.instances import beginning_of
from agent_server.store.log_cursor import LogCursor
from agent_server.store.open_log import OpenLog
from agent_server.store.segments import Damage, is_session_id, name_of, segments
from agent_server.store.store import UnknownSession

MAX_CURSORS: Final = 16


class LogPages:
    """Reads logs page by page.

    Args:
        own: the logs that this process writes to; of those, what is not in their files yet is read too.
    """

    def __init__(self, log_dir: str, instance_dir: str, own: Mapping[str, OpenLog]) -> None:
        self._log_dir = log_dir
        self._instance_dir = instance_dir
        self._own = own
        self._cursors: OrderedDict[str, LogCursor] = OrderedDict()
        self._damages: dict[str, Damage] = {}
        self._read_ms: OrderedDict[str, int] = OrderedDict()

    def read(self, session_id: str, after: int, limit: int | None) -> list[tuple[int, Event]]:
        """The records whose last seq is beyond ``after``, oldest first, at most ``limit``.

        Raises:
            UnknownSession: there is no such log.
            OSError: it cannot be read.
        """
        own = self._own.get(session_id)
        head = own.head if own is not None else None
        if head is not None and after >= head:
            return []
        cursor = self._cursors.pop(session_id, None)
        if cursor is None or cursor.last > after:
            cursor = self._new_cursor(session_id, after)
        page = cursor.page(after, limit)
        if not page and own is not None and head is not None and cursor.last < head:  # it has grown since
            if not cursor.go_on(own.segment_epoch, own.size, _not_in_file(own)):
                cursor = self._new_cursor(session_id, after)
            page = cursor.page(after, limit)
        if page or own is not None:
            self._cursors[session_id] = cursor
            if len(self._cursors) > MAX_CURSORS:
                self._cursors.popitem(last=False)
        if not page:
            self._at_end(session_id, cursor)
        return page

    def last_seq(self, session_id: str) -> int:
        """The last seq; reads all of the log for it.

        Raises:
            UnknownSession: there is no such log.
        """
        cursor = self._new_cursor(session_id)
        cursor.skip_to_end()
        self._at_end(session_id, cursor)
        return cursor.last

    def damage(self, session_id: str) -> str | None:
        """What is wrong with the log and where, once it was read to its end."""
        damage = self._damages.get(session_id)
        return damage.sentence if damage is not None else None

    def written_ms(self, session_id: str) -> int | None:
        """When the last record was written, if the log was read to its end lately."""
        return self._read_ms.get(session_id)

    def forget(self, session_id: str) -> None:
        """The log has other files now."""
        self._cursors.pop(session_id, None)
        self._damages.pop(session_id, None)
        self._read_ms.pop(session_id, None)

    def check_known(self, session_id: str) -> None:
        """Whether there is such a log.

        Raises:
            UnknownSession: there is not.
        """
        self._new_cursor(session_id)

    def _at_end(self, session_id: str, cursor: LogCursor) -> None:
        if cursor.damage is not None:
            self._damages[session_id] = cursor.damage
        else:
            self._damages.pop(session_id, None)
        self._read_ms[session_id] = cursor.at_ms
        if len(self._read_ms) > MAX_CURSORS:
            self._read_ms.popitem(last=False)
        log = self._own.get(session_id)
        if log is not None and log.head is None:
            log.head = cursor.last
            log.at_ms = log.at_ms or cursor.at_ms

    def _new_cursor(self, session_id: str, after: int = 0) -> LogCursor:
        if not is_session_id(session_id):
            raise UnknownSession(session_id)
        log = self._own.get(session_id)
        some = segments(self._log_dir, name_of(session_id))
        if log is not None:
            return LogCursor(some, after, log.segment_epoch, log.size, _not_in_file(log))
        if any(segment.tells for segment in some):
            return LogCursor(some, after)
        begun = beginning_of(self._instance_dir, session_id)
        if begun is None:
            raise UnknownSession(session_id)
        return LogCursor([], behind=[begun[0].lines])


def _not_in_file(log: OpenLog) -> Sequence[bytes]:
    return log.tail if log.beginning is None else [log.beginning, *log.tail]
