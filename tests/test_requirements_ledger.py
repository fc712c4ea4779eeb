"""The ledger of requirements (requirements.toml) and the marks of the tests agree, in both directions."""

from __future__ import annotations

import re

import pytest

from .ledger import marks, rows, twice, unknown, unshown

PROMISES = [f"P{number}" for number in range(1, 15)]
HELD_PROMISES = PROMISES[:12]
"""The rest are kept by parts that do not exist yet; tests that show a piece of them may be marked already."""

REQUIREMENTS = rows("requirements.toml", "requirement")


def test_every_row_says_what_holds_and_where() -> None:
    for row in REQUIREMENTS:
        assert set(row) == {"id", "behaviour", "surface"}, row
        assert re.fullmatch(r"[A-Z]{2}-\d\d", row["id"]), row
        assert row["behaviour"].strip() and row["surface"].strip(), row


def test_every_requirement_has_one_row_and_the_rows_are_in_order() -> None:
    ids = [row["id"] for row in REQUIREMENTS]
    assert twice(REQUIREMENTS) == []
    assert ids == sorted(ids)


def test_every_row_of_the_ledger_is_shown_by_a_test() -> None:
    missing = unshown(REQUIREMENTS, "req", "behaviour")
    assert not missing, "no test is marked with\n" + "\n".join(missing)


def test_every_requirement_that_a_test_shows_stands_in_the_ledger() -> None:
    strange = unknown(REQUIREMENTS, "req")
    assert not strange, "the ledger has no row for\n" + "\n".join(strange)


@pytest.mark.parametrize("promise", HELD_PROMISES)
def test_the_promise_is_held_by_a_test(promise: str) -> None:
    assert promise in marks("promise")


def test_only_promises_that_were_given_are_marked() -> None:
    assert {mark_id: places for mark_id, places in marks("promise").items() if mark_id not in PROMISES} == {}
