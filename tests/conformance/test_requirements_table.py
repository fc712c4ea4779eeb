"""The table of what is judged, and the code that judges it, name the same requirements."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from conformance.options import PROMPTS
from conformance.registry import all_checks, all_rules
from conformance.requirements import LEVELS, Requirement, requirements, selected

ROWS = requirements("agent") + requirements("client")


def test_ids_are_unique_and_speak() -> None:
    assert [key for key, number in Counter(row.id for row in ROWS).items() if number > 1] == []
    assert [row.id for row in ROWS if not re.fullmatch(r"[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*", row.id)] == []


def test_every_row_is_a_sentence_with_a_known_level() -> None:
    for row in ROWS:
        assert row.level in LEVELS, row.id
        assert row.text.endswith("."), row.id
        assert row.text[0].isupper(), row.id
        assert row.section, row.id


def test_what_is_needed_is_a_prompt_of_the_command_line() -> None:
    assert [row.id for row in ROWS if row.side == "agent" and row.needs is not None and row.needs not in PROMPTS] == []


def test_every_gate_is_a_path_into_what_an_agent_or_client_says_of_itself() -> None:
    roots = {"agent": ("agentCapabilities.", "session.", "authMethods"), "client": ("clientCapabilities.",)}
    assert [row.id for row in ROWS if row.gate is not None and not row.gate.startswith(roots[row.side])] == []


def test_every_row_of_an_agent_has_the_code_that_it_says_and_no_code_is_without_a_row() -> None:
    rows = requirements("agent")
    assert {row.id for row in rows if row.how == "check"} == set(all_checks())
    assert {row.id for row in rows if row.how == "rule"} == set(all_rules())


def test_rows_are_chosen_by_patterns() -> None:
    rows = requirements("agent")
    chosen = selected(rows, ["init.*", "end.exits"], unstable=False)
    assert {row.id.partition(".")[0] for row in chosen} == {"init", "end"}
    assert [row.id for row in chosen if row.id.startswith("end.")] == ["end.exits"]
    with pytest.raises(LookupError, match=r"nothing\.like-it"):
        selected(rows, ["nothing.like-it"], unstable=False)


def test_unstable_rows_are_chosen_only_where_they_are_wanted() -> None:
    def unstable(rows: tuple[Requirement, ...]) -> int:
        return sum(row.unstable for row in rows)

    rows = requirements("agent")
    assert unstable(selected(rows, [], unstable=True)) > 0
    assert unstable(selected(rows, [], unstable=False)) == 0
