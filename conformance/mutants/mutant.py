"""What a mutant is: a name, the one requirement that it breaks, how it does that, and the agent that does it."""

from __future__ import annotations

from collections.abc import Callable

from conformance.mutants.service import Agent

MUTANTS: dict[str, Mutant] = {}


class Mutant:
    """``breaks``: the id of the requirement. ``how``: one sentence. ``unstable``: shows only with ``--unstable``.

    ``also``: other requirements that nobody can keep who breaks this one in this way.
    """

    __slots__ = ("also", "breaks", "how", "kind", "name", "unstable")

    def __init__(self, name: str, breaks: str, how: str, kind: type[Agent], also: frozenset[str]) -> None:
        self.name = name
        self.breaks = breaks
        self.how = how
        self.kind = kind
        self.also = also
        self.unstable = breaks.startswith("unstable.")


def mutant(name: str, breaks: str, how: str, *also: str) -> Callable[[type[Agent]], type[Agent]]:
    """Make the agent a mutant of this name."""

    def register(kind: type[Agent]) -> type[Agent]:
        assert name not in MUTANTS, name
        MUTANTS[name] = Mutant(name, breaks, how, kind, frozenset(also))
        return kind

    return register
