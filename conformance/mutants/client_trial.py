"""``python -m conformance.mutants.client_trial [NAME ...]``: runs the kit over the breakable client, each mutant alone.

Exits with 1 unless every mutant fails its own requirement and no other, and the client that is not broken fails none.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from conformance import schema
from conformance.client.judge import judge_client
from conformance.mutants.client import MUTANTS
from conformance.options import Options
from conformance.requirements import requirements
from conformance.verdicts import Result, Verdict

CLIENT = Path(__file__).with_name("client.py")
TIMEOUT_S = 3.0


def judged(broken: Iterable[str], environment: Mapping[str, str] | None = None) -> list[Result]:
    """The verdicts on the client that is broken in these ways."""
    options = client_options(broken, environment)
    return asyncio.run(judge_client(requirements("client"), options))


def client_options(broken: Iterable[str] = (), environment: Mapping[str, str] | None = None) -> Options:
    """How to run the client that is broken in these ways."""
    command = [sys.executable, "-I", "-S", str(CLIENT), "--break", ",".join(broken)]
    return Options(
        command=[*command, "{agent}"],
        cancel_command=[*command, "--cancel", "{agent}"],
        timeout_s=TIMEOUT_S,
        schema=schema.load(None, unstable=False),
        environment=environment or {},
    )


def failed(results: Iterable[Result]) -> dict[str, str]:
    """The ids of what failed, each with the reason."""
    return {result.requirement.id: result.why for result in results if result.verdict is Verdict.FAIL}


def main(names: list[str]) -> int:
    """Run it."""
    caught = True
    for name in names or (None, *MUTANTS):
        found = failed(judged([] if name is None else [name]))
        as_wanted = set(found) == (set() if name is None else {MUTANTS[name]})
        caught = caught and as_wanted
        print(f"{'ok' if as_wanted else 'NOT SO':6}  {name or 'not broken':28}  {', '.join(found)}", flush=True)
    return 0 if caught else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
