"""The tool that deletes one file."""

from __future__ import annotations

from typing import Any

from agent_server.conversation.tool_calls import FileChange, Location, ToolKind, ToolSpec
from agent_server.tools.arguments import Arguments, object_schema
from agent_server.tools.file_changes import HeldFile, existing_file_of, held_file
from agent_server.tools.ports import ToolContext, Workspace
from agent_server.tools.tool import PreparedCall, ToolResult


class DeleteFile:
    """Deletes one regular file, never a directory (Req: TL-06)."""

    spec = ToolSpec(
        name="delete_file",
        description="Delete one file. Directories and symbolic links are refused.",
        parameters=object_schema(
            {"path": {"type": "string", "description": "The file, relative to the working directory or absolute."}},
            required=("path",),
        ),
        kind=ToolKind.DELETE,
        changes=True,
    )

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Show what would be lost.

        Raises:
            ToolError: the arguments are wrong, or the path is outside the roots, missing, a directory or a symlink.
        """
        workspace = context.workspace
        path = Arguments(arguments, self.spec.parameters).filled_string("path")
        held = await held_file(workspace, existing_file_of(workspace, path))
        return PreparedCall(
            title=f"Delete {held.target.shown}",
            run=lambda: _delete(held, workspace),
            content=_shown(held),
            locations=(Location(held.target.path),),
            trust_key=self.spec.name,
            trust_label="delete files",
        )


def _shown(held: HeldFile) -> tuple[FileChange, ...]:
    return (FileChange("delete", held.target.path, old_text=held.text),)


async def _delete(held: HeldFile, workspace: Workspace) -> ToolResult:
    await held.refuse_changed(workspace)
    await workspace.delete(held.target.path)
    return ToolResult(ToolResult.text(f"Deleted {held.target.shown}").parts, content=_shown(held))
