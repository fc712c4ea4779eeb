"""What is judged, as data: one row for each requirement, from requirements.toml."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["MUST", "SHOULD", "MAY"]
Side = Literal["agent", "client"]

LEVELS: tuple[Level, ...] = ("MUST", "SHOULD", "MAY")
TABLE = Path(__file__).with_name("requirements.toml")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One behaviour, in one sentence.

    ``section``: the page of the specification. ``gate``: a dotted path that must be there for the row to apply, such as
    ``agentCapabilities.loadSession``. ``needs``: the prompt that brings the behaviour about. ``how``: a check provokes
    it, or a rule reads it off all conversations of a run. ``unstable``: no part of the protocol yet.
    """

    id: str
    level: Level
    side: Side
    section: str
    text: str
    gate: str | None = None
    needs: str | None = None
    how: Literal["check", "rule"] = "check"
    unstable: bool = False


def requirements(side: Side) -> tuple[Requirement, ...]:
    """All rows of one side, in the order of the file."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["requirement"]
    return tuple(Requirement(**row) for row in rows if row["side"] == side)


def selected(rows: Sequence[Requirement], only: Sequence[str], *, unstable: bool) -> tuple[Requirement, ...]:
    """The rows whose ids match one of the patterns (``cancel.*``), or all; unstable ones only if wanted.

    Raises:
        LookupError: a pattern matches no row.
    """
    for pattern in only:
        if not any(fnmatch.fnmatchcase(row.id, pattern) for row in rows):
            raise LookupError(f"no requirement matches {pattern!r}")
    return tuple(
        row
        for row in rows
        if (unstable or not row.unstable)
        and (not only or any(fnmatch.fnmatchcase(row.id, pattern) for pattern in only))
    )
