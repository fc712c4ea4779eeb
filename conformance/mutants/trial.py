"""The kit run over one mutant, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conformance import schema
from conformance.mutants.forks import Forks
from conformance.mutants.mutant import Mutant
from conformance.mutants.table import MUTANTS
from conformance.options import Options
from conformance.requirements import requirements, selected
from conformance.run import judge_agent
from conformance.schema import Schema
from conformance.verdicts import Verdict

TIMEOUT_S = 5.0
QUIET_S = 0.1
JOBS = 8
LOGIN = "key"
TRIES = 2


@dataclass(frozen=True)
class Outcome:
    """``verdicts``: requirement id -> the verdict and its reason. ``breaks`` is None for the agent that is whole."""

    breaks: str | None
    also: frozenset[str]
    verdicts: Mapping[str, tuple[Verdict, str]]

    def with_verdict(self, *wanted: Verdict) -> dict[str, str]:
        """Requirement id -> why, of those with one of these verdicts."""
        return {key: why for key, (verdict, why) in self.verdicts.items() if verdict in wanted}

    @property
    def failed(self) -> dict[str, str]:
        return self.with_verdict(Verdict.FAIL)

    @property
    def killed(self) -> bool:
        """Whether the mutant's requirement failed."""
        return self.breaks in self.failed

    @property
    def exact(self) -> bool:
        """Whether what had to fail did, and nothing else."""
        return self.failed.keys() == ({self.breaks, *self.also} - {None})


def try_mutant(name: str | None, forks: Forks, only: Sequence[str] = (), *, unstable: bool = False) -> Outcome:
    """Judge the mutant of that name, or the agent that is whole, by all requirements for agents or some.

    What turns out otherwise than it should is tried once more: a machine that has too much to do looks like an agent
    that does not answer.
    """
    mutant = None if name is None else MUTANTS[name]
    unstable = unstable or (mutant is not None and mutant.unstable)
    for _ in range(TRIES):
        outcome = asyncio.run(_tried(mutant, forks, only, unstable=unstable))
        if outcome.exact:
            break
    return outcome


async def _tried(mutant: Mutant | None, forks: Forks, only: Sequence[str], *, unstable: bool) -> Outcome:
    named = [] if mutant is None else ["--mutant", mutant.name]
    options = Options(
        command=[*named, *(["--unstable"] if unstable else [])],
        unstable=unstable,
        timeout_s=TIMEOUT_S,
        quiet_s=QUIET_S,
        jobs=JOBS,
        login=LOGIN,
        schema=_SCHEMAS.get(unstable) or _SCHEMAS.setdefault(unstable, schema.load(None, unstable=unstable)),
        start=forks.start,
    )
    results = await judge_agent(selected(requirements("agent"), only, unstable=unstable), options)
    verdicts = {row.requirement.id: (row.verdict, row.why) for row in results}
    if mutant is None:
        return Outcome(None, frozenset(), verdicts)
    return Outcome(mutant.breaks, mutant.also, verdicts)


_SCHEMAS: dict[bool, Schema] = {}
