"""The rules on permissions and pages, on hand-made conversations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.talk import Talk, verdict

YES = {"optionId": "yes", "name": "Allow", "kind": "allow_once"}
NO = {"optionId": "no", "name": "Reject", "kind": "reject_once"}


def question(talk: Talk, *options: dict[str, str], **call: Any) -> Talk:
    tool_call = {"toolCallId": "1", **call}
    return talk.wish(1, "session/request_permission", toolCall=tool_call, options=list(options))


@pytest.mark.parametrize(
    ("options", "expected"), [((YES, NO), "kept"), ((YES, {**NO, "optionId": "yes"}), "broken"), ((), "kept")]
)
def test_the_ids_of_options_differ(options: tuple[dict[str, str], ...], expected: str) -> None:
    assert verdict("permission.option-ids", question(Talk(), *options)) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [((YES, NO), "kept"), ((YES,), "broken"), ((NO,), "broken"), (({**YES, "kind": "allow_always"}, NO), "kept")],
)
def test_a_question_can_be_answered_both_ways(options: tuple[dict[str, str], ...], expected: str) -> None:
    assert verdict("permission.both-ways", question(Talk(), *options)) == expected


def test_a_question_tells_what_it_is_about() -> None:
    assert verdict("permission.announced", question(Talk(), YES, NO, title="Edit a.txt")) == "kept"
    before = Talk().update("tool_call", toolCallId="1", title="Edit a.txt")
    assert verdict("permission.announced", question(before, YES, NO)) == "kept"


def test_a_question_about_a_call_that_nobody_knows_is_wrong() -> None:
    assert verdict("permission.announced", question(Talk(), YES, NO)) == "broken"
    assert verdict("permission.announced", question(Talk(), YES, NO, title=None)) == "broken"


def page(talk: Talk, url: str = "https://example.com/", *, page_id: str = "p", request_id: int = 1) -> Talk:
    params = {"mode": "url", "message": "Go", "elicitationId": page_id, "url": url}
    return talk.wish(request_id, "elicitation/create", **params)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com/login?state=1", "kept"),
        ("https://user:secret@example.com/", "broken"),
        ("https://example.com/?Access_Token=abc", "broken"),
        ("https://example.com/#access_token=abc", "broken"),
        ("http://[broken", "kept"),
    ],
)
def test_addresses_carry_no_credentials(url: str, expected: str) -> None:
    assert verdict("page.no-credentials", page(Talk(), url)) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com/", "kept"),
        ("HTTPS://example.com/", "kept"),
        ("http://127.0.0.1:8080/", "kept"),
        ("http://localhost/", "kept"),
        ("http://example.com/", "broken"),
        ("example.com", "broken"),
    ],
)
def test_addresses_are_encrypted_unless_they_are_of_this_machine(url: str, expected: str) -> None:
    assert verdict("page.https", page(Talk(), url)) == expected


def test_forms_are_no_pages() -> None:
    talk = Talk().wish(1, "elicitation/create", mode="form", message="Who?", url="http://user:secret@example.com")
    rules = ("page.no-credentials", "page.https", "page.unique-ids")
    assert [verdict(rule, talk) for rule in rules] == ["silent"] * 3


def test_pages_that_are_open_together_have_different_ids() -> None:
    assert verdict("page.unique-ids", page(page(Talk().prompt(), page_id="a"), page_id="b", request_id=2)) == "kept"


def test_two_open_pages_with_one_id_are_wrong() -> None:
    assert verdict("page.unique-ids", page(page(Talk().prompt()), request_id=2)) == "broken"


def test_a_page_that_the_user_went_to_is_open_until_its_turn_is_over() -> None:
    accepted = page(Talk().prompt()).grant(1, action="accept")
    assert verdict("page.unique-ids", page(accepted, request_id=2).done()) == "broken"
    over = page(Talk().prompt()).grant(1, action="accept").done()
    assert verdict("page.unique-ids", page(over.prompt(2), request_id=2).done(2)) == "kept"


def test_an_id_is_free_again_once_its_page_is_complete_or_declined() -> None:
    complete = page(Talk().prompt()).grant(1, action="accept").notify("elicitation/complete", elicitationId="p")
    assert verdict("page.unique-ids", page(complete, request_id=2).done()) == "kept"
    declined = page(Talk().prompt()).grant(1, action="decline")
    assert verdict("page.unique-ids", page(declined, request_id=2).done()) == "kept"


def test_only_a_page_that_was_opened_can_be_complete() -> None:
    opened = page(Talk()).notify("elicitation/complete", elicitationId="p")
    assert verdict("page.complete", opened) == "kept"
    assert verdict("page.complete", page(Talk()).notify("elicitation/complete", elicitationId="q")) == "broken"
    assert verdict("page.complete", page(Talk().notify("elicitation/complete", elicitationId="p"))) == "broken"
