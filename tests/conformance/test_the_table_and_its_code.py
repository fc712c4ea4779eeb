"""Every requirement for agents has the code that judges it, and every piece of code its requirement."""

from __future__ import annotations

from conformance.options import PROMPTS
from conformance.registry import all_checks, all_rules
from conformance.requirements import requirements

ROWS = requirements("agent")


def test_each_requirement_is_judged_by_what_its_row_says() -> None:
    assert {row.id for row in ROWS if row.how == "check"} == {key for key in all_checks() if _is_of_agents(key)}
    assert {row.id for row in ROWS if row.how == "rule"} == {key for key in all_rules() if _is_of_agents(key)}


def test_no_requirement_has_the_id_of_another() -> None:
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids))


def test_the_prompts_that_requirements_need_can_be_given_on_the_command_line() -> None:
    assert {row.needs for row in ROWS if row.needs is not None} <= PROMPTS.keys()


def test_every_requirement_is_a_sentence() -> None:
    assert [row.text for row in ROWS if not (row.text[0].isupper() and row.text.endswith("."))] == []


def _is_of_agents(requirement_id: str) -> bool:
    return not requirement_id.startswith("client.")
