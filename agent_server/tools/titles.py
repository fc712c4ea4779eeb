"""How tools name files to people and models: short, true, and with nothing hidden in it."""

from __future__ import annotations

import os

from agent_server.conversation.visible import visible
from agent_server.tools.ports import Workspace

_MAX_QUOTED_CHARS = 120


def shown_path(workspace: Workspace, resolved: str) -> str:
    """A resolved path relative to the working directory, or absolute where it lies in another root."""
    base = workspace.resolve(".")
    if resolved == base:
        return "."
    below = os.path.join(base, "")
    return visible(resolved.removeprefix(below).replace(os.sep, "/"))


def quoted(text: str) -> str:
    """A pattern inside a title: one line, and marked where it was cut."""
    shown = visible(text)
    return shown if len(shown) <= _MAX_QUOTED_CHARS else shown[:_MAX_QUOTED_CHARS] + "…"


def counted(number: int, noun: str) -> str:
    """``1 line``, ``2 lines``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
