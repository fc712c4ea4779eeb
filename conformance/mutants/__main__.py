"""The command line: ``python -m conformance.mutants`` runs the kit over every mutant, and tells which it caught."""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from conformance.mutants.forks import Forks
from conformance.mutants.table import MUTANTS
from conformance.mutants.trial import Outcome, try_mutant
from conformance.private_state import give_private_state
from conformance.requirements import requirements
from conformance.verdicts import Verdict

SHOWN_CHARACTERS = 300
WHOLE, WHOLE_UNSTABLE = "the whole agent", "the whole agent, unstable"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0: every mutant was caught by its requirement alone, and the agent that is whole by none."""
    parser = argparse.ArgumentParser(prog="python -m conformance.mutants", allow_abbrev=False)
    parser.add_argument("--only", metavar="NAME", nargs="+", default=["*"], help="only these mutants; patterns")
    parser.add_argument("--list", action="store_true", help="list the mutants, and do nothing")
    parser.add_argument("--jobs", metavar="N", type=int, default=2, help="how many mutants run side by side")
    given = parser.parse_args(arguments)
    chosen = [row for row in MUTANTS.values() if any(fnmatch.fnmatchcase(row.name, name) for name in given.only)]
    if given.list:
        for mutant in chosen:
            print(f"{mutant.name:36}  {mutant.breaks:36}  {mutant.how}")
        return 0
    began = time.monotonic()
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(given.jobs) as pool:
        for name, outcome in pool.map(_try, [WHOLE, WHOLE_UNSTABLE, *(mutant.name for mutant in chosen)]):
            outcomes.append(outcome)
            print("\n".join(_lines(name, outcome)), flush=True)
    return _told(outcomes, time.monotonic() - began)


def _try(name: str) -> tuple[str, Outcome]:
    with Forks() as forks:
        mutant = None if name in (WHOLE, WHOLE_UNSTABLE) else name
        return name, try_mutant(mutant, forks, unstable=name == WHOLE_UNSTABLE)


def _lines(name: str, outcome: Outcome) -> Iterator[str]:
    own = outcome.breaks
    if own is None:
        yield f"{name:36}  {'fails' if outcome.failed else 'passes'}"
        for key, why in outcome.with_verdict(*set(Verdict) - {Verdict.PASS, Verdict.FAIL}).items():
            yield f"    {outcome.verdicts[key][0].value}: {key}: {why[:SHOWN_CHARACTERS]}"
    elif outcome.exact:
        yield f"{name:36}  killed by {own}"
        return
    elif outcome.killed:
        yield f"{name:36}  killed by {own}, but more failed, or less"
    else:
        verdict, why = outcome.verdicts[own]
        yield f"{name:36}  SURVIVED {own} ({verdict.value}: {why[:SHOWN_CHARACTERS]})"
    for key, why in outcome.failed.items():
        if key != own:
            yield f"    failed: {key}: {why[:SHOWN_CHARACTERS]}"


def _told(outcomes: Sequence[Outcome], seconds: float) -> int:
    tried = [outcome for outcome in outcomes if outcome.breaks is not None]
    exact = sum(outcome.exact for outcome in tried)
    killed = sum(outcome.killed for outcome in tried)
    covered = {mutant.breaks for mutant in MUTANTS.values()}
    missing = [row.id for row in requirements("agent") if row.id not in covered]
    print(f"\n{len(tried)} mutants in {seconds:.1f} s: {exact} killed by their requirement alone, {killed - exact} by")
    print(f"more than that, {len(tried) - killed} survived; without a mutant: {', '.join(missing) or 'none'}")
    return 0 if all(outcome.exact for outcome in outcomes) else 1


if __name__ == "__main__":
    give_private_state()
    sys.exit(main())
