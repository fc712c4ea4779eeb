"""The tool that lists one directory."""

from __future__ import annotations

from typing import Any

import anyio.to_thread

from agent_server.conversation.tool_calls import Location, ToolKind, ToolSpec
from agent_server.conversation.visible import visible
from agent_server.errors import ToolError
from agent_server.tools.arguments import Arguments, object_schema
from agent_server.tools.ports import ToolContext, Workspace
from agent_server.tools.titles import shown_path
from agent_server.tools.tool import PreparedCall, ToolResult

MAX_ENTRIES = 1_000


class ListDirectory:
    """Lists a directory: directories first, each with a slash behind it (Req: TL-06)."""

    spec = ToolSpec(
        name="list_directory",
        description="List what a directory holds: its directories (with a slash behind the name), then its files.",
        parameters=object_schema(
            {"path": {"type": "string", "description": "The directory; the working directory if left out."}},
            required=(),
        ),
        kind=ToolKind.READ,
    )

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Find the directory; it is read when the call runs.

        Raises:
            ToolError: the arguments are wrong, or the path is outside the roots or no directory.
        """
        workspace = context.workspace
        path = workspace.resolve(Arguments(arguments, self.spec.parameters).optional_string("path") or ".")
        shown = shown_path(workspace, path)
        if not workspace.is_directory(path):
            raise ToolError(f"{shown} is no directory" if workspace.exists(path) else f"{shown} does not exist")
        return PreparedCall(
            title=f"List {shown}", run=lambda: _list(workspace, path), locations=(Location(path),)
        )  # fmt: skip


async def _list(workspace: Workspace, path: str) -> ToolResult:
    entries = await anyio.to_thread.run_sync(workspace.list_directory, path, abandon_on_cancel=True)
    directories = [f"{visible(entry.name)}/" for entry in entries if entry.kind == "directory"]
    files = [visible(entry.name) for entry in entries if entry.kind != "directory"]
    names = directories + files
    if not names:
        return ToolResult.text("(the directory is empty)")
    if len(names) > MAX_ENTRIES:
        names = [*names[:MAX_ENTRIES], f"[{MAX_ENTRIES:,} of {len(names):,} entries shown]"]
    return ToolResult.text("\n".join(names))
