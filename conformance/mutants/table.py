"""All mutants by their names: importing what is broken registers it."""

from __future__ import annotations

from conformance.mutants.broken import calls, client, conversations, lines, opening, options, plans, prompts, sessions
from conformance.mutants.broken import unstable as unstable_methods
from conformance.mutants.mutant import MUTANTS

__all__ = [
    "MUTANTS",
    "calls",
    "client",
    "conversations",
    "lines",
    "opening",
    "options",
    "plans",
    "prompts",
    "sessions",
    "unstable_methods",
]
