"""The rules: each reads whole conversations for one requirement."""

from __future__ import annotations

from conformance.rules import (
    client_services,
    compactions,
    frames,
    questions,
    sessions,
    settings,
    shapes,
    tools,
    turns,
)

__all__ = [
    "client_services",
    "compactions",
    "frames",
    "questions",
    "sessions",
    "settings",
    "shapes",
    "tools",
    "turns",
]
