"""The tool that finds lines by a regular expression."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from agent_server.conversation.tool_calls import ToolKind, ToolSpec
from agent_server.errors import ToolError
from agent_server.tools.arguments import Arguments, object_schema
from agent_server.tools.ports import ToolContext
from agent_server.tools.search_start import SEARCH_TIMEOUT_S, SearchStart, search_start, search_timed_out
from agent_server.tools.titles import quoted
from agent_server.tools.tool import PreparedCall, ToolResult

if TYPE_CHECKING:
    from agent_server.tools.line_search import LineSearch

MAX_LINES = 100
_MAX_PATTERN_CHARS = 1_000


class Grep:
    """Finds lines that match a Python regular expression, as ``path:line:text`` (Req: TL-06).

    ``use_ripgrep`` lets ripgrep, where it is installed, find the files to look at. The result is the same without.
    """

    spec = ToolSpec(
        name="grep",
        description=(
            "Find lines that match a regular expression (Python syntax, one line at a time), as path:line:text. "
            "Binary files and files that .gitignore hides are left out."
        ),
        parameters=object_schema(
            {
                "pattern": {"type": "string", "description": "The regular expression."},
                "path": {"type": "string", "description": "The directory or file to search."},
                "glob": {"type": "string", "description": "Only files matching this glob, for example *.py."},
                "ignore_case": {"type": "boolean", "description": "Take upper and lower case for the same."},
            },
            required=("pattern",),
        ),
        kind=ToolKind.SEARCH,
    )

    def __init__(self, *, use_ripgrep: bool = True) -> None:
        self._use_ripgrep = use_ripgrep

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Understand the pattern; files are read when the call runs.

        Raises:
            ToolError: the arguments or the expression are wrong, or the path is outside the roots.
        """
        from agent_server.tools.line_search import LineSearch

        given = Arguments(arguments, self.spec.parameters)
        pattern, glob = given.filled_string("pattern"), given.optional_string("glob") or None
        ignore_case = given.flag("ignore_case")
        _refuse_bad_patterns(pattern, glob, ignore_case)
        start = search_start(context.workspace, given.optional_string("path"))
        ripgrep = shutil.which("rg") if self._use_ripgrep else None
        search = LineSearch(start.top, start.path, pattern, MAX_LINES + 1, glob, ignore_case, ripgrep)
        where = [f" in {part}" for part in (glob and quoted(glob), start.shown) if part and part != "."]
        return PreparedCall(title=f"Search for /{quoted(pattern)}/{''.join(where)}", run=lambda: _grep(search, start))


def _refuse_bad_patterns(pattern: str, glob: str | None, ignore_case: bool) -> None:
    import re

    from agent_server.tools.globs import Glob
    from agent_server.tools.line_search import compiled

    if len(pattern) > _MAX_PATTERN_CHARS:
        raise ToolError(f"the pattern is longer than {_MAX_PATTERN_CHARS} characters")
    if glob is not None:
        Glob(glob)
    try:
        compiled(pattern, ignore_case=ignore_case)
    except (re.error, OverflowError, RecursionError) as error:
        raise ToolError(f"the pattern is no regular expression: {error}") from None


async def _grep(search: LineSearch, start: SearchStart) -> ToolResult:
    found = await _found_lines(search)
    if not found:
        return ToolResult.text("no lines found")
    lines = [f"{start.shown_file(path)}:{number}:{text}" for path, number, text in found[:MAX_LINES]]
    if len(found) > MAX_LINES:
        lines.append(f"[the first {MAX_LINES} lines; narrow the pattern, path or glob]")
    return ToolResult.text("\n".join(lines))


async def _found_lines(search: LineSearch) -> list[tuple[str, int, str]]:
    from agent_server.processes.environment import child_environment
    from agent_server.processes.run import run_program
    from agent_server.tools.line_search import command_line

    output = bytearray()
    try:
        done = await run_program(
            command_line(search),
            cwd=search.top,
            env=child_environment(),
            timeout_s=SEARCH_TIMEOUT_S,
            on_output=output.extend,
        )
    except OSError as error:
        raise ToolError(f"the search cannot be started: {error.strerror or error}") from None
    if done.timed_out:
        raise search_timed_out()
    if done.exit.exit_code != 0:
        raise ToolError("the search failed")
    found: list[tuple[str, int, str]] = json.loads(output)
    return found
