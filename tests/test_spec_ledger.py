"""The ledger of the protocol's rules and our own (spec.toml) and the marks of the tests agree, in both directions."""

from __future__ import annotations

import re

from .ledger import marks, rows, twice, unknown, unshown

RULES = rows("spec.toml", "rule")
TESTED = [row for row in RULES if "not_tested" not in row]

ALWAYS = {"id", "level", "side", "statement"}


def test_every_rule_says_who_must_do_what() -> None:
    for row in RULES:
        assert set(row) - {"not_tested"} == ALWAYS, row
        assert row["level"] in ("MUST", "SHOULD", "MAY", "ours"), row
        assert row["side"] in ("agent", "client", "both"), row
        assert row["statement"].endswith("."), row
        assert row.get("not_tested", "a reason").strip(), row


def test_the_rules_are_numbered_without_a_gap_and_in_order() -> None:
    assert twice(RULES) == []
    for letter in "ND":
        ids = [row["id"] for row in RULES if row["id"].startswith(letter)]
        assert ids == [f"{letter}-{number:02}" for number in range(1, len(ids) + 1)]
    assert all(re.fullmatch(r"[ND]-\d\d", row["id"]) for row in RULES)


def test_every_rule_that_can_be_tested_is_shown_by_a_test() -> None:
    missing = unshown(TESTED, "spec", "statement")
    assert not missing, "no test is marked with\n" + "\n".join(missing)


def test_every_rule_that_a_test_shows_stands_in_the_ledger() -> None:
    strange = unknown(RULES, "spec")
    assert not strange, "the ledger has no row for\n" + "\n".join(strange)


def test_a_rule_that_is_said_to_be_untested_is_untested() -> None:
    untested = {row["id"] for row in RULES if "not_tested" in row}
    assert untested & marks("spec").keys() == set()
