"""The change of a file as lines that people read. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Final

from agent_server.conversation.tool_calls import FileChange
from agent_server.conversation.visible import readable, visible

MAX_DIFF_LINES: Final = 400
MAX_DIFFED_CHARS: Final = 400_000
"""Longer texts are not compared: the time grows with the square of their length."""


def diff_lines(change: FileChange) -> Iterator[str]:
    """The lines of a unified diff, without line ends; nothing in them is hidden or steers a terminal."""
    path = visible(change.path)
    if change.operation == "move":
        yield f"{visible(change.old_path or '')} → {path}"
        if change.old_text is None and change.new_text is None:
            return
    old, new = change.old_text or "", change.new_text or ""
    if len(old) + len(new) > MAX_DIFFED_CHARS:
        yield f"--- {path}: changed; too long to compare"
        return
    before = "/dev/null" if change.old_text is None else visible(change.old_path or change.path)
    after = "/dev/null" if change.new_text is None else path
    old_lines, new_lines = readable(old).splitlines(), readable(new).splitlines()
    for number, line in enumerate(difflib.unified_diff(old_lines, new_lines, before, after, lineterm="")):
        if number == MAX_DIFF_LINES:
            yield "… the rest of the diff is not shown"
            return
        yield line
