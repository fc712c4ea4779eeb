"""The words for how much a model is to reason, and where one may stand."""

from __future__ import annotations

from typing import Final

LEVELS: Final = ("off", "minimal", "low", "medium", "high", "xhigh", "max")
"""From none to all that it has. Each model takes some of them (Req: MO-04)."""


def without_level(entry: str) -> tuple[str, str | None]:
    """A model's name, and the level that stands behind it after a colon, if one does (Req: MO-03).

    Only a known level counts as one: ``ollama:qwen3:8b`` is a name without.
    """
    name, colon, level = entry.rpartition(":")
    return (name, level) if colon and level in LEVELS and ":" in name else (entry, None)
