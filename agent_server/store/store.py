"""The store port: one append-only log of events per session, written by one owner at a time.

Two words carry it:

* A **seq** numbers what happened in a session, densely from 1. Every event takes one, except a `TextRun`: each of its
  ``count`` deltas has its own, and the record is known by the last of them.
* An **epoch** names an owner. Whoever creates or acquires a session gets a higher epoch than every owner before; what
  an earlier owner still tries to append is refused, so two processes can never interleave in one log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from agent_server.conversation.events import Event
from agent_server.errors import AgentServerError


class UnknownSession(AgentServerError):
    """The store holds no log for this session id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"the store holds no session {session_id}")
        self.session_id = session_id


class SessionExists(AgentServerError):
    """A log for this session id was created before."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"the store already holds a session {session_id}")
        self.session_id = session_id


class Fenced(AgentServerError):
    """The caller no longer owns the session: somebody acquired it since, or the caller released it.

    Attributes:
        epoch: what the caller held.
        owner: the epoch that owns the session now; None when nobody does.
    """

    def __init__(self, session_id: str, epoch: int, owner: int | None) -> None:
        super().__init__(f"epoch {epoch} no longer owns session {session_id} (owner: {owner or 'nobody'})")
        self.session_id = session_id
        self.epoch = epoch
        self.owner = owner


class SessionBusy(AgentServerError):
    """Another server that lives owns the session.

    Attributes:
        pid: that server's process; None where it cannot be told.
        started_at: when it began, RFC 3339 in UTC; None likewise.
    """

    def __init__(self, session_id: str, pid: int | None, started_at: str | None) -> None:
        whom = f"process {pid}, which began at {started_at}" if pid is not None else "another process"
        super().__init__(f"session {session_id} is in use by {whom}")
        self.session_id = session_id
        self.pid = pid
        self.started_at = started_at


class NewerLog(AgentServerError):
    """A later version of agent-server wrote to this log: it can be read as far as that, and not be gone on with."""

    def __init__(self, session_id: str, log_format: int) -> None:
        super().__init__(f"session {session_id} was written by a later version (format {log_format})")
        self.session_id = session_id
        self.log_format = log_format


class EventStore(Protocol):
    """Where the logs live. Only `synced` awaits: a local store is done on return, a remote one raises `visible` later.

    An appended event belongs to the store: nobody changes it afterwards (Req: EV-01).

    ``local`` says that whatever was appended is visible at once, so that nobody need ask.
    """

    local: bool

    def create(self, session_id: str, *, fresh: bool = False) -> int:
        """Begin an empty log; the caller owns it under the returned epoch.

        ``fresh``: the id was drawn at random just now, so that nobody need look whether there is such a log.

        Raises:
            SessionExists: there is a log already.
        """

    def append(self, session_id: str, epoch: int, events: Sequence[Event]) -> int:
        """Add events to the end, all or none, and return the last seq of the log after that.

        Raises:
            Fenced: ``epoch`` does not own the session; nothing was changed.
            UnknownSession: there is no such log.
            ValueError: a text run of fewer than one delta; nothing was changed.
        """

    def read(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """The records whose last seq is beyond ``after``, oldest first, at most ``limit`` records, each with that seq.

        There may be fewer, so that a page does not grow large; none at all means the end. A cursor inside a text run
        gives the whole run again: the log keeps no boundaries between its deltas.

        Raises:
            UnknownSession: there is no such log.
        """

    def acquire(self, session_id: str) -> int:
        """Take the session over: the returned epoch owns it, every former one is fenced out.

        Raises:
            UnknownSession: there is no such log.
            SessionBusy: another server owns it, and lives.
            NewerLog: a later version wrote to it.
        """

    def release(self, session_id: str, epoch: int) -> None:
        """Give the session up. Without effect when ``epoch`` does not own it any more.

        Raises:
            UnknownSession: there is no such log.
        """

    async def synced(self, session_id: str) -> None:
        """Return when everything appended so far would outlive a loss of power: the barrier before a side effect.

        Where the disk fails, it returns all the same: `unsaved` says so, and the session goes on.

        Raises:
            UnknownSession: there is no such log.
        """

    def sync_soon(self, session_id: str) -> None:
        """As `synced`, with nobody waiting: it is done within some milliseconds. Without effect for an unknown log."""

    def unsaved(self, session_id: str) -> bool:
        """Whether some of it is only in this process's memory, because the disk is full or fails."""

    def damage(self, session_id: str) -> str | None:
        """What is wrong with the log and where, as a sentence, once it was read to its end; None where nothing is."""

    def written_ms(self, session_id: str) -> int | None:
        """When the last record that was appended or read was written, in milliseconds since 1970; None: not known."""

    def visible(self, session_id: str) -> int:
        """The highest seq that may be shown to anybody; 0 for an empty log. A local store's is its last seq.

        Raises:
            UnknownSession: there is no such log.
        """

    def watch(self, session_id: str, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call ``callback`` with `visible` each time it has risen; the returned function ends that.

        The callback runs inside the append of a local store: it must be quick. Its exceptions are logged and reach
        nobody. The seqs that it gets never fall, and one may come twice.

        Raises:
            UnknownSession: there is no such log.
        """

    def purge(self, session_id: str) -> None:
        """Forget the session, its events and its watchers. Without effect when there is no such log."""
