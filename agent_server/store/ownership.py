"""Whose a log is, and taking it over: an owner is a server that lives, and has not given the log up."""

from __future__ import annotations

from typing import NamedTuple

from agent_server.store.instances import beginning_of, holder
from agent_server.store.segments import Segment, is_released, name_of, segments
from agent_server.store.store import NewerLog, SessionBusy, UnknownSession


class Found(NamedTuple):
    """A log that is free to be taken over: the next segment's number, and what must stand at its beginning."""

    next_epoch: int
    beginning: bytes | None


def find_free(logs: str, instances: str, session_id: str, own_id: str | None) -> Found:
    """Look whether the session is there and nobody's.

    Raises:
        UnknownSession: it is not there.
        SessionBusy: a server that lives owns it.
        NewerLog: a later version wrote to it.
        OSError: its files cannot be read.
    """
    some = segments(logs, name_of(session_id))
    next_epoch = some[-1].epoch + 1 if some else 1
    holding = [segment for segment in some if segment.header is not None]
    if holding:
        _check_free(instances, session_id, own_id, holding[-1])
        for segment in holding:
            if segment.newer:
                raise NewerLog(session_id, segment.header["format"] if segment.header else 0)
    if any(segment.tells for segment in some):
        return Found(next_epoch, None)
    begun = beginning_of(instances, session_id)  # no record is whole in a file of its own
    if begun is None:
        raise UnknownSession(session_id)
    beginning, owner = begun
    if owner is not None and not beginning.released and beginning.owner != own_id:
        raise SessionBusy(session_id, owner.pid, owner.started_at)
    return Found(next_epoch, beginning.lines)


def _check_free(instances: str, session_id: str, own_id: str | None, segment: Segment) -> None:
    owner = segment.header.get("owner") if segment.header is not None else None
    if owner == own_id or type(owner) is not str:
        return
    living = holder(instances, owner)
    if living is not None and not is_released(segment):
        raise SessionBusy(session_id, living.pid, living.started_at)
