"""Where find and grep look: a directory or file inside the roots, and the root that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from agent_server.conversation.visible import visible
from agent_server.errors import ToolError
from agent_server.tools.ports import Workspace
from agent_server.tools.titles import shown_path

SEARCH_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class SearchStart:
    """``path`` is where to look and ``top`` the outermost root above it, both absolute and free of symlinks."""

    path: str
    top: str
    shown: str

    def shown_file(self, relative: str) -> str:
        """How a file below the start is shown: relative to the working directory where it is inside."""
        if not relative:
            return self.shown
        return visible(relative) if self.shown == "." else f"{self.shown.rstrip('/')}/{visible(relative)}"


def search_start(workspace: Workspace, given: str | None) -> SearchStart:
    """Where a call looks; the working directory unless it says otherwise.

    Raises:
        ToolError: the path is outside the roots, or nothing is there.
    """
    path = workspace.resolve(given or ".")
    shown = shown_path(workspace, path)
    if not workspace.exists(path):
        raise ToolError(f"{shown} does not exist")
    tops = [top for top in map(workspace.resolve, workspace.roots) if PurePath(path).is_relative_to(top)]
    return SearchStart(path, min(tops, key=len), shown)


def search_timed_out() -> ToolError:
    """What to say when a search took too long."""
    return ToolError(f"the search took longer than {SEARCH_TIMEOUT_S} s; narrow it with path or a simpler pattern")
