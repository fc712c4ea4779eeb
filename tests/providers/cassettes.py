"""Recorded answers of real servers, where there are any: they are no part of the project.

``AGENT_SERVER_CASSETTES`` names the directory that holds them: ``index.json`` (where each came from), ``expected.json``
(what the servers' own SDKs make of each stream), and one file for each body, as it came. Tests that need them are
skipped elsewhere.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "AGENT_SERVER_CASSETTES"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answer: ``index`` is its row in index.json, ``expected`` its row in expected.json where it is a stream."""

    body: bytes
    index: dict[str, Any]
    expected: dict[str, Any] | None

    @property
    def name(self) -> str:
        """What to call it in a report."""
        return Path(str(self.index["file"])).name


def directory() -> Path | None:
    """Where they are, or None."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named and Path(named, "index.json").is_file() else None


def recorded() -> list[Recorded]:
    """All of them; none where they are absent."""
    root = directory()
    if root is None:
        return []
    expected = {row["file"]: row for row in json.loads((root / "expected.json").read_bytes())}
    rows = json.loads((root / "index.json").read_bytes())
    return [Recorded((root / Path(row["file"]).name).read_bytes(), row, expected.get(row["file"])) for row in rows]


def streams(*kinds: str) -> list[Any]:
    """The recorded streams of these kinds (``chat``, ``messages``, ``responses``, ``gemini``), as test parameters."""
    found = [one for one in recorded() if one.expected is not None and one.expected["kind"] in kinds]
    if not found:
        reason = f"no recorded streams: {VARIABLE} names no directory that holds them"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="absent")]
    return [pytest.param(one, id=one.name) for one in found]
