"""The kit judged by mutants: an agent that is broken in one way is caught by one requirement."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.mutants.forks import Forks
from conformance.mutants.mutant import Mutant
from conformance.mutants.table import MUTANTS
from conformance.mutants.trial import try_mutant
from conformance.requirements import requirements
from conformance.verdicts import Verdict

ROWS = {row.id: row for row in requirements("agent")}

FIRST = {mutant.breaks: mutant for mutant in reversed(MUTANTS.values())}
"""One mutant for each requirement: those are judged by all requirements, the others by their own."""

OTHERS = [mutant for mutant in MUTANTS.values() if mutant is not FIRST[mutant.breaks]]

MORE_TO_READ = ("end.exits", "rpc.unknown-method")
"""Checks whose conversations rules read that are not the mutant's own requirement."""

NOT_APPLICABLE = {"init.optional-methods-are-advertised"}
"""An agent that offers everything has no method that it does not advertise."""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as started:
        yield started


@pytest.mark.parametrize("unstable", [False, True], ids=["stable", "unstable"])
def test_the_whole_agent_meets_every_requirement(forks: Forks, unstable: bool) -> None:
    outcome = try_mutant(None, forks, unstable=unstable)
    assert outcome.failed == {}
    assert outcome.with_verdict(Verdict.NOT_EXERCISED, Verdict.BLOCKED) == {}
    assert outcome.with_verdict(Verdict.NOT_APPLICABLE).keys() == NOT_APPLICABLE
    assert len(outcome.verdicts) == sum(unstable or not row.unstable for row in ROWS.values())


@pytest.mark.parametrize("mutant", FIRST.values(), ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_by_its_requirement_and_no_other(forks: Forks, mutant: Mutant) -> None:
    outcome = try_mutant(mutant.name, forks)
    assert outcome.exact, f"{mutant.how}\n{outcome.failed}\n{mutant.breaks}: {outcome.verdicts[mutant.breaks]}"


@pytest.mark.parametrize("mutant", OTHERS, ids=lambda mutant: mutant.name)
def test_another_way_to_break_a_requirement_is_caught_by_it(forks: Forks, mutant: Mutant) -> None:
    outcome = try_mutant(mutant.name, forks, [mutant.breaks, *MORE_TO_READ])
    assert outcome.killed, f"{mutant.how}\n{outcome.verdicts[mutant.breaks]}"


def test_mutants_break_requirements_of_the_table() -> None:
    assert {mutant.breaks for mutant in MUTANTS.values()} <= ROWS.keys()
    assert {key for mutant in MUTANTS.values() for key in mutant.also} <= ROWS.keys()


def test_every_requirement_for_agents_has_a_mutant() -> None:
    assert ROWS.keys() - {mutant.breaks for mutant in MUTANTS.values()} == set()
