"""Which session a message of the agent may name, and from when on."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.registry import KEPT, Seen, rule
from conformance.transcript import Entry, Transcript

MAKING = ("session/new", "session/fork")


@rule("session.nothing-before-its-id")
def nothing_before_its_id(transcript: Transcript) -> Iterator[Seen]:
    first: dict[str, Entry] = {}
    told: set[str] = set()
    for entry in transcript.sent_by("agent"):
        made = _made(entry)
        if made is not None and made not in told:  # that two sessions have one id is another rule's business
            told.add(made)
            early = first.get(made)
            yield KEPT if early is None else Seen("a session is named before the answer that tells its id", early)
        if entry.session_id is not None:
            first.setdefault(entry.session_id, entry)


@rule("session.updates-name-known-sessions")
def updates_name_known_sessions(transcript: Transcript) -> Iterator[Seen]:
    # What is named too early is another rule's business; what the client itself named came from it.
    known = {_made(entry) for entry in transcript.sent_by("agent")}
    if any(_makes_without_id(entry) for entry in transcript.sent_by("agent")):
        return
    for entry in transcript.entries:
        if entry.session_id is None:
            continue
        if entry.sender == "client":
            known.add(entry.session_id)
            continue
        if entry.update_kind == "subagent_update":
            known.add(entry.update.get("sessionId"))
        if entry.method in ("fs/read_text_file", "fs/write_text_file"):
            continue  # that has a requirement of its own
        yield KEPT if entry.session_id in known else Seen(f"nobody made the session {entry.session_id}", entry)


def _made(entry: Entry) -> str | None:
    """The id of the session that a response makes."""
    session_id = entry.result.get("sessionId") if _is_made_by(entry) else None
    return session_id if isinstance(session_id, str) else None


def _makes_without_id(entry: Entry) -> bool:
    return _is_made_by(entry) and "result" in entry.message and _made(entry) is None


def _is_made_by(entry: Entry) -> bool:
    return entry.is_response and entry.asked is not None and entry.asked.method in MAKING
