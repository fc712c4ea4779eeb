"""How the lines of a diff look on a terminal."""

from __future__ import annotations

from typing import Final

from agent_server.cli.style import Look

_LOOKS: Final[dict[str, Look]] = {"+": "green", "-": "red", "@": "cyan"}


def diff_look(line: str) -> Look | None:
    """The look of a line of a unified diff; None: as any other text."""
    return "bold" if line.startswith(("---", "+++")) else _LOOKS.get(line[:1])
