"""The shape of messages: what the schema of the agreed version says of them."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.registry import KEPT, Seen, rule
from conformance.schema import Part, Schema
from conformance.transcript import Entry, Transcript

ERROR_KEYS = {"code", "message", "data", "_meta"}
OTHER_SIDE = {"agent": "client", "client": "agent"}


@rule("frame.schema")
def schema(transcript: Transcript) -> Iterator[Seen]:
    for entry in _judged(transcript):
        found = None if transcript.schema is None else complaints(entry, transcript.schema)
        if found is not None:
            yield Seen("; ".join(found), entry) if found else KEPT


@rule("frame.no-foreign-keys")
def no_foreign_keys(transcript: Transcript) -> Iterator[Seen]:
    for entry in _judged(transcript):
        found = None if transcript.schema is None else foreign(entry, transcript.schema)
        if found is not None:
            yield Seen(f"the protocol does not know {', '.join(found)}", entry) if found else KEPT


def complaints(entry: Entry, schema: Schema) -> list[str] | None:
    """What is wrong with a line by the schema; None if it has nothing to say of it."""
    part = _part(entry, schema)
    if entry.method is None:
        return None if part is None else schema.complaints(*part)
    if part is not None:
        return _misplaced(entry, schema) or schema.complaints(*part)
    # Methods of an implementation's own begin with an underscore, those that JSON-RPC's users agree on with $/.
    return None if entry.method.startswith(("_", "$/")) else [f"the protocol knows no method {entry.method!r}"]


def foreign(entry: Entry, schema: Schema) -> list[str] | None:
    """The paths of the keys in a line that the schema does not know; None if it has nothing to say of it."""
    error = entry.message.get("error")
    if entry.is_response and isinstance(error, dict):
        return [f"error.{key}" for key in error if key not in ERROR_KEYS]
    part = _part(entry, schema)
    return None if part is None else schema.foreign(*part)


def _part(entry: Entry, schema: Schema) -> tuple[str, Part, object] | None:
    if entry.method is not None:
        return (entry.method, "params", entry.message.get("params")) if schema.knows(entry.method) else None
    method = None if entry.asked is None else entry.asked.method
    if method is None or not entry.is_response or "result" not in entry.message or not schema.knows(method):
        return None
    return method, "result", entry.message["result"]


def _misplaced(entry: Entry, schema: Schema) -> list[str]:
    """A method that the other side does not serve, or that is called in the wrong way."""
    known = schema.methods[str(entry.method)]
    if known.side == entry.sender:
        return [f"{entry.method} is a method of the {known.side}, not of the {OTHER_SIDE[known.side]}"]
    if known.notification and entry.is_request:
        return [f"{entry.method} is a notification and has no id"]
    if not known.notification and entry.is_notification:
        return [f"{entry.method} is a request and needs an id"]
    return []


def _judged(transcript: Transcript) -> Iterator[Entry]:
    """The agent's lines; none where another version was agreed on, whose shapes are others."""
    answers = [entry for entry in transcript.sent_by("agent") if entry.asked and entry.asked.method == "initialize"]
    if all(entry.result.get("protocolVersion", 1) == 1 for entry in answers):
        yield from transcript.sent_by("agent")
