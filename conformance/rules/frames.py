"""Lines and the envelope of messages: what JSON-RPC and the framing ask of every one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.registry import KEPT, Seen, rule
from conformance.transcript import UNREADABLE, Entry, Transcript


@rule("frame.utf-8")
def utf_8(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        try:
            entry.line.decode("utf-8")
            yield KEPT
        except UnicodeDecodeError as error:
            yield Seen(f"a line is no UTF-8 ({error.reason})", entry)


@rule("frame.stdout-is-pure")
def stdout_is_pure(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        junk = entry.value is UNREADABLE or not isinstance(entry.value, dict | list)
        yield Seen("something else than a message is on stdout", entry) if junk and _is_text(entry.line) else KEPT


def _is_text(line: bytes) -> bool:
    """Whether it is UTF-8; what is not is another rule's business."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@rule("frame.no-batches")
def no_batches(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        yield Seen("an array of messages", entry) if isinstance(entry.value, list) else KEPT


@rule("rpc.envelope")
def envelope(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        if isinstance(entry.value, dict):
            why = _wrong_envelope(entry.value)
            yield KEPT if why is None else Seen(why, entry)


def _wrong_envelope(message: Mapping[str, Any]) -> str | None:
    outcomes = [key for key in ("result", "error") if key in message]
    if message.get("jsonrpc") != "2.0":
        return f"jsonrpc is {message.get('jsonrpc')!r}"
    if isinstance(message.get("id"), bool | dict | list):
        return f"the id is {message['id']!r}"
    if "method" in message:
        if not isinstance(message["method"], str):
            return "the method is no text"
        return f"a request or notification has a {outcomes[0]}" if outcomes else None
    if "id" not in message:
        return "it has neither a method nor an id"
    return None if len(outcomes) == 1 else f"a response has {' and '.join(outcomes) or 'neither result nor error'}"


@rule("rpc.error-object")
def error_object(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        if not entry.is_response or "error" not in entry.message or "result" in entry.message:
            continue
        error = entry.message["error"]
        if not isinstance(error, dict):
            yield Seen("the error is no object", entry)
        elif not isinstance(error.get("code"), int) or isinstance(error.get("code"), bool):
            yield Seen("the code of an error is no integer", entry)
        else:
            yield KEPT if isinstance(error.get("message"), str) else Seen("the message of an error is no text", entry)


@rule("rpc.own-ids")
def own_ids_differ(transcript: Transcript) -> Iterator[Seen]:
    asked: list[Entry] = []
    answered: set[Entry] = set()
    for entry in transcript.entries:
        if entry.sender == "client" and entry.asked is not None:
            answered.add(entry.asked)
        elif entry.sender == "agent" and entry.is_request:
            again = any(_same_id(entry, other) for other in asked if other not in answered)
            yield Seen("the id is that of another open request", entry) if again else KEPT
            asked.append(entry)


@rule("rpc.own-ids-plain")
def own_ids_are_plain(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        if entry.is_request:
            request_id = entry.message["id"]
            plain = request_id is not None and not (isinstance(request_id, float) and not request_id.is_integer())
            yield KEPT if plain else Seen(f"the id of a request is {request_id!r}", entry)


def _is_stray(entry: Entry) -> bool:
    return entry.is_response and entry.asked is None


def _same_id(one: Entry, other: Entry) -> bool:
    return bool(type(one.message["id"]) is type(other.message["id"]) and one.message["id"] == other.message["id"])


@rule("rpc.answer-has-the-id")
def answers_have_the_id(transcript: Transcript) -> Iterator[Seen]:
    # Who answers an answer of ours that was none has another rule against it.
    strays = [entry.message.get("id") for entry in transcript.sent_by("client") if _is_stray(entry)]
    for entry in transcript.sent_by("agent"):
        if entry.is_response and entry.asked is None and entry.message.get("id") in strays:
            continue
        if not entry.is_response or entry.asked is not None:
            if entry.is_response and not entry.repeated:
                yield KEPT
            continue
        if entry.message.get("id", "") is None and "error" in entry.message:
            continue  # what could not be read has no id
        yield Seen("an answer whose id is that of no request", entry)


@rule("rpc.one-answer")
def one_answer(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
        if entry.is_response and entry.asked is not None:
            yield Seen("a request was answered twice", entry) if entry.repeated else KEPT
