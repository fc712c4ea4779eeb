"""Run the agent, or one of its mutants: ``python -I -S conformance/mutants/agent.py [--mutant NAME] [--unstable]``."""

from __future__ import annotations

import os
import select
import sys
import time

if not __package__:  # run by its path, which starts faster than a module does
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from conformance.mutants.service import Agent

READ_BYTES = 65536


def run(agent: Agent) -> int:
    """Serve stdin and stdout until the input ends; the exit status."""
    agent.began()
    due: list[tuple[float, object]] = []
    while True:
        now = time.monotonic()
        due += [(now + seconds, what) for seconds, what in agent.timers]
        agent.timers.clear()
        wait = max(0.0, min(at for at, _ in due) - now) if due else None
        ready = select.select([0, *agent.readers], [], [], wait)[0]
        for at, what in sorted(due, key=lambda timer: timer[0]):
            if at <= time.monotonic():
                due.remove((at, what))
                what()  # type: ignore[operator]
        for descriptor in ready:
            data = os.read(descriptor, READ_BYTES)
            if descriptor == 0 and not data:
                return agent.ended()
            if descriptor == 0:
                agent.took(data)
            elif data:
                agent.readers[descriptor](data)
            else:
                del agent.readers[descriptor]


def made(arguments: list[str]) -> Agent:
    """The agent that the command line names.

    Raises:
        LookupError: there is no mutant of that name.
    """
    kind = Agent
    if "--mutant" in arguments:
        from conformance.mutants.table import MUTANTS

        kind = MUTANTS[arguments[arguments.index("--mutant") + 1]].kind
    agent = kind()
    agent.unstable = "--unstable" in arguments
    return agent


if __name__ == "__main__":
    sys.exit(run(made(sys.argv[1:])))
