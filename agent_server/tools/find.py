"""The tool that finds files by name."""

from __future__ import annotations

from threading import Event
from typing import Any

import anyio
import anyio.to_thread

from agent_server.conversation.tool_calls import ToolKind, ToolSpec
from agent_server.errors import ToolError
from agent_server.tools.arguments import Arguments, object_schema
from agent_server.tools.globs import Glob
from agent_server.tools.ignore_rules import files_below
from agent_server.tools.ports import ToolContext
from agent_server.tools.search_start import SEARCH_TIMEOUT_S, SearchStart, search_start, search_timed_out
from agent_server.tools.titles import quoted
from agent_server.tools.tool import PreparedCall, ToolResult

MAX_RESULTS = 200


class Find:
    """Finds files whose path matches a glob; ``.gitignore`` is honoured, hidden files are found (Req: TL-06)."""

    spec = ToolSpec(
        name="find",
        description=(
            "Find files by a glob pattern: * ? [a-z] {a,b} within a name, ** across directories. A pattern without a "
            "slash matches names at any depth. Files that .gitignore hides are left out."
        ),
        parameters=object_schema(
            {
                "pattern": {"type": "string", "description": "The glob, for example *.py or src/**/test_*.py."},
                "path": {"type": "string", "description": "The directory to look in, to which the glob is relative."},
            },
            required=("pattern",),
        ),
        kind=ToolKind.SEARCH,
    )

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Understand the pattern; the directories are walked when the call runs.

        Raises:
            ToolError: the arguments are wrong, or the path is outside the roots or no directory.
        """
        given = Arguments(arguments, self.spec.parameters)
        pattern = given.filled_string("pattern")
        glob = Glob(pattern)
        start = search_start(context.workspace, given.optional_string("path"))
        if not context.workspace.is_directory(start.path):
            raise ToolError(f"{start.shown} is no directory")
        where = "" if start.shown == "." else f" in {start.shown}"
        return PreparedCall(title=f"Find {quoted(pattern)}{where}", run=lambda: _find(start, glob))


async def _find(start: SearchStart, glob: Glob) -> ToolResult:
    stopped = Event()
    try:
        with anyio.fail_after(SEARCH_TIMEOUT_S):
            paths = await anyio.to_thread.run_sync(_matching, start, glob, stopped, abandon_on_cancel=True)
    except TimeoutError:
        raise search_timed_out() from None
    finally:
        stopped.set()
    if not paths:
        return ToolResult.text("no files found")
    lines = [start.shown_file(path) for path in paths[:MAX_RESULTS]]
    if len(paths) > MAX_RESULTS:
        lines.append(f"[{MAX_RESULTS} of {len(paths):,} files shown; narrow the pattern]")
    return ToolResult.text("\n".join(lines))


def _matching(start: SearchStart, glob: Glob, stopped: Event) -> list[str]:
    paths = files_below(start.top, start.path, give_up=stopped.is_set)
    return sorted(path for path, _ in paths if glob.matches(path))
