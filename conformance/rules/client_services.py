"""Files and terminals of the client."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.registry import KEPT, Seen, rule
from conformance.transcript import Entry, Transcript
from conformance.turns import turns


@rule("fs.used-with-a-known-session")
def file_requests_name_a_session(transcript: Transcript) -> Iterator[Seen]:
    known = set(_sessions(transcript))
    for entry in transcript.sent_by("agent"):
        if entry.is_request and entry.method in ("fs/read_text_file", "fs/write_text_file"):
            yield KEPT if entry.session_id in known else Seen("it names no session of this conversation", entry)


@rule("terminal.released")
def terminals_are_released(transcript: Transcript) -> Iterator[Seen]:
    """A command that runs on may outlive its turn. Turns that the client stopped have a check of their own."""
    for turn in turns(transcript):
        if turn.end is None or turn.stopped or not turn.last:
            continue
        said = transcript.entries[turn.begin : turn.end]
        about = [entry for entry in said if entry.sender == "agent" and entry.session_id == turn.session_id]
        for create in about:
            if create.method == "terminal/create" and create.answer is not None and "result" in create.answer.message:
                terminal_id = create.answer.result.get("terminalId")
                mine = [entry for entry in about if entry.params.get("terminalId") == terminal_id]
                if any(entry.method == "terminal/release" for entry in mine):
                    yield KEPT
                elif any(_tells_the_end(entry) for entry in mine):
                    yield Seen(f"{terminal_id} has ended, and is not released by the end of the turn", create)


def _sessions(transcript: Transcript) -> Iterator[object]:
    """The sessions that are made, loaded, resumed or forked here, by whichever entry names them."""
    for entry in transcript.entries:
        if entry.sender == "client" and entry.method in ("session/load", "session/resume"):
            yield entry.session_id
        elif entry.asked is not None and entry.asked.method in ("session/new", "session/fork"):
            yield entry.result.get("sessionId")


def _tells_the_end(entry: Entry) -> bool:
    """Whether the agent has learned by this request that the terminal's command has ended."""
    if entry.answer is None or "result" not in entry.answer.message:
        return False
    if entry.method == "terminal/output":
        return isinstance(entry.answer.result.get("exitStatus"), dict)
    return entry.method in ("terminal/wait_for_exit", "terminal/kill")
