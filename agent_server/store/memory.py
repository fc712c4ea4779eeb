"""The store of sessions that need not outlive the process."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import count

from agent_server.conversation.events import Event, TextRun
from agent_server.store.seqs import deltas, last_seqs
from agent_server.store.store import Fenced, SessionExists, UnknownSession
from agent_server.store.watching import Watcher, Watchers


class _Log:
    """One session: its records, the last seq of each (parallel lists), its owner and its watchers."""

    __slots__ = ("events", "head", "last_seqs", "owner", "watchers")

    def __init__(self, owner: int) -> None:
        self.owner: int | None = owner
        self.head = 0
        self.events: list[Event] = []
        self.last_seqs: list[int] = []
        self.watchers = Watchers()


class MemoryStore:
    """An `EventStore` in lists. Everything appended is visible at once."""

    local = True

    def __init__(self) -> None:
        self._logs: dict[str, _Log] = {}
        # One counter for all sessions: an owner stays fenced out even if its session is purged and created anew.
        self._epochs = count(1)

    def create(self, session_id: str, *, fresh: bool = False) -> int:
        """Begin an empty log."""
        if session_id in self._logs:
            raise SessionExists(session_id)
        epoch = next(self._epochs)
        self._logs[session_id] = _Log(epoch)
        return epoch

    def append(self, session_id: str, epoch: int, events: Sequence[Event]) -> int:
        """Add events to the end, all or none; returns the last seq."""
        log = self._logs.get(session_id)
        if log is None:
            raise UnknownSession(session_id)
        if log.owner != epoch:
            raise Fenced(session_id, epoch, log.owner)
        if len(events) == 1:
            event = events[0]
            head = log.head + (1 if type(event) is not TextRun else deltas(event))
            log.events.append(event)
            log.last_seqs.append(head)
        else:
            seqs = last_seqs(log.head, events)
            head = seqs[-1] if seqs else log.head
            log.events.extend(events)
            log.last_seqs.extend(seqs)
        if head != log.head:
            log.head = head
            if log.watchers:
                log.watchers.tell(lambda: log.head)
        return log.head

    def read(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """The records whose last seq is beyond ``after``, oldest first, at most ``limit``."""
        log = self._log(session_id)
        start = bisect_right(log.last_seqs, after)
        stop = None if limit is None else start + max(limit, 0)
        return list(zip(log.last_seqs[start:stop], log.events[start:stop], strict=True))

    def acquire(self, session_id: str) -> int:
        """Take the session over."""
        log = self._log(session_id)
        log.owner = next(self._epochs)
        return log.owner

    def release(self, session_id: str, epoch: int) -> None:
        """Give the session up."""
        log = self._log(session_id)
        if log.owner == epoch:
            log.owner = None

    async def synced(self, session_id: str) -> None:
        """There is nothing to wait for."""
        self._log(session_id)

    def sync_soon(self, session_id: str) -> None:
        """There is nothing to do."""

    def unsaved(self, session_id: str) -> bool:
        """Nothing here is meant to be saved."""
        return False

    def damage(self, session_id: str) -> str | None:
        """Nothing is ever wrong."""
        return None

    def written_ms(self, session_id: str) -> int | None:
        """Nobody keeps it."""
        return None

    def visible(self, session_id: str) -> int:
        """The last seq."""
        return self._log(session_id).head

    def watch(self, session_id: str, callback: Watcher) -> Callable[[], None]:
        """Call ``callback`` after each append; the returned function ends that."""
        return self._log(session_id).watchers.add(callback)

    def purge(self, session_id: str) -> None:
        """Forget the session."""
        self._logs.pop(session_id, None)

    def close(self, *, tidy: bool = False) -> None:
        """The end of the process is the end of it."""

    def _log(self, session_id: str) -> _Log:
        try:
            return self._logs[session_id]
        except KeyError:
            raise UnknownSession(session_id) from None
