"""Lines and the envelope of messages: what JSON-RPC and the framing ask of every one of them."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.registry import KEPT, Seen, rule
from conformance.transcript import UNREADABLE, Transcript


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


@rule("rpc.answer-has-the-id")
def answers_have_the_id(transcript: Transcript) -> Iterator[Seen]:
    for entry in transcript.sent_by("agent"):
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
