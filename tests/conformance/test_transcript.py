"""A transcript finds out what answers what, also where an agent breaks the rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.transcript import UNREADABLE, Sender, Transcript, read_json


def said(*lines: tuple[Sender, object]) -> Transcript:
    """A conversation of these messages; bytes stand for themselves."""
    transcript = Transcript("a test")
    for sender, message in lines:
        transcript.add(sender, message if isinstance(message, bytes) else json.dumps(message).encode())
    return transcript


def asks(request_id: object, method: str = "session/new") -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method}


def answers(request_id: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": request_id, "result": {}}


def test_an_answer_finds_its_request_and_the_request_its_answer() -> None:
    request, other, answer = said(("client", asks(1)), ("client", asks(2)), ("agent", answers(1))).entries
    assert answer.asked is request
    assert request.answer is answer
    assert other.answer is None


def test_the_two_sides_have_ids_of_their_own() -> None:
    ours, theirs, answer = said(("client", asks(1)), ("agent", asks(1, "fs/read")), ("client", answers(1))).entries
    assert answer.asked is theirs
    assert ours.answer is None


@pytest.mark.parametrize("other", ["1", 1.0, True, None, [1]])
def test_an_answer_with_an_id_of_another_type_answers_nothing(other: object) -> None:
    transcript = said(("client", asks(1)), ("agent", answers(other)))
    assert transcript.entries[-1].asked is None


@pytest.mark.parametrize("request_id", [0, "a text", None, 1.5])
def test_every_kind_of_id_can_be_answered(request_id: object) -> None:
    transcript = said(("client", asks(request_id)), ("agent", answers(request_id)))
    assert transcript.entries[-1].asked is transcript.entries[0]


def test_a_second_answer_is_known_as_one() -> None:
    _, first, second = said(("client", asks(1)), ("agent", answers(1)), ("agent", answers(1))).entries
    assert not first.repeated
    assert second.repeated
    assert second.asked is first.asked


def test_an_id_that_is_used_again_is_answered_again() -> None:
    entries = said(("client", asks(1)), ("agent", answers(1)), ("client", asks(1)), ("agent", answers(1))).entries
    assert entries[3].asked is entries[2]
    assert not entries[3].repeated


def test_a_request_inside_a_batch_can_be_answered() -> None:
    transcript = said(("client", [asks(7), asks(8)]), ("agent", answers(8)))
    asked = transcript.entries[-1].asked
    assert asked is not None
    assert asked.method == "session/new"


def test_a_message_is_of_one_kind() -> None:
    kinds = {
        "request": asks(1),
        "notification": {"jsonrpc": "2.0", "method": "session/cancel"},
        "response": answers(1),
        "none": {"jsonrpc": "2.0", "id": 1},
        "none too": {"jsonrpc": "2.0", "id": 1, "method": 5},
    }
    for kind, message in kinds.items():
        (entry,) = said(("agent", message)).entries
        found = [entry.is_request, entry.is_notification, entry.is_response]
        assert found == [kind == "request", kind == "notification", kind == "response"], kind


@pytest.mark.parametrize("message", [5, "text", None, [], {"params": 5, "result": 5}, b"no JSON", b""])
def test_what_is_no_message_has_no_parts(message: object) -> None:
    (entry,) = said(("agent", message)).entries
    assert entry.params == {}
    assert entry.result == {}
    assert entry.update == {}
    assert entry.session_id is None
    assert not entry.is_request


def test_updates_are_found_by_their_kind() -> None:
    def update(kind: object) -> dict[str, object]:
        params = {"sessionId": "s", "update": {"sessionUpdate": kind}}
        return {"jsonrpc": "2.0", "method": "session/update", "params": params}

    transcript = said(("agent", update("plan")), ("client", update("plan")), ("agent", update(5)), ("agent", asks(1)))
    assert transcript.updates() == transcript.updates("plan") == transcript.entries[:1]
    assert transcript.updates("notice") == []


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'"\\ud83d"', "\ud83d"),  # half a pair, as JavaScript writes a text that was cut there
        (b'"caf\xe9"', "caf\ufffd"),
        (b"NaN", UNREADABLE),
        (b"[Infinity]", UNREADABLE),
        (b"{", UNREADABLE),
        (b"", UNREADABLE),
        (b"[" * 100_000, UNREADABLE),
    ],
)
def test_a_line_is_read_as_json_says(line: bytes, value: Any) -> None:
    assert read_json(line) == value


def test_a_transcript_is_shown_in_the_order_of_time_and_cut_where_it_is_long() -> None:
    transcript = Transcript("a title")
    transcript.add("client", b"1")
    transcript.began -= 1
    transcript.note("something happened")
    transcript.began -= 1
    transcript.add("agent", b'"' + b"x" * 5000 + b'"')
    head, first, note, last = transcript.shown().splitlines()
    assert head == "# a title"
    assert first.endswith("-> 1")
    assert note.endswith("-- something happened")
    assert "5002 characters" in last
    assert len(last) < 2100
