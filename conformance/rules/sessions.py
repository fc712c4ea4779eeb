"""Which session a message of the agent may name, and from when on."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.registry import KEPT, Seen, rule
from conformance.transcript import Entry, Transcript

MAKING = ("session/new", "session/fork")


@rule("session.nothing-before-its-id")
def nothing_before_its_id(transcript: Transcript) -> Iterator[Seen]:
    first: dict[str, Entry] = {}
    for entry in transcript.sent_by("agent"):
        made = _made(entry)
        if made is not None:
            early = first.get(made)
            yield KEPT if early is None else Seen("a session is named before the answer that tells its id", early)
        if entry.session_id is not None:
            first.setdefault(entry.session_id, entry)


@rule("session.updates-name-known-sessions")
def updates_name_known_sessions(transcript: Transcript) -> Iterator[Seen]:
    # What is named too early is another rule's business; what the client itself named came from it.
    known = {_made(entry) for entry in transcript.sent_by("agent")}
    for entry in transcript.entries:
        if entry.session_id is None:
            continue
        if entry.sender == "client":
            known.add(entry.session_id)
            continue
        if entry.update_kind == "subagent_update":
            known.add(entry.update.get("sessionId"))
        yield KEPT if entry.session_id in known else Seen(f"nobody made the session {entry.session_id}", entry)


def _made(entry: Entry) -> str | None:
    """The id of the session that a response makes."""
    if not entry.is_response or entry.asked is None or entry.asked.method not in MAKING:
        return None
    session_id = entry.result.get("sessionId")
    return session_id if isinstance(session_id, str) else None
