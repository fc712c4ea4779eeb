"""The tool that moves or renames one file."""

from __future__ import annotations

from typing import Any

from agent_server.conversation.tool_calls import FileChange, Location, ToolKind, ToolSpec
from agent_server.errors import ToolError
from agent_server.tools.arguments import Arguments, object_schema
from agent_server.tools.file_changes import HeldFile, Target, existing_file_of, held_file, refuse_moved, target_of
from agent_server.tools.ports import ToolContext, Workspace
from agent_server.tools.tool import PreparedCall, ToolResult


class MoveFile:
    """Moves one regular file to a path where nothing is (Req: TL-06)."""

    spec = ToolSpec(
        name="move_file",
        description="Move or rename one file. The target must not exist; directories on the way to it are made.",
        parameters=object_schema(
            {
                "source": {"type": "string", "description": "The file to move."},
                "target": {"type": "string", "description": "Its new path, with the file name."},
            },
            required=("source", "target"),
        ),
        kind=ToolKind.MOVE,
        changes=True,
    )

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Show from where to where.

        Raises:
            ToolError: the arguments are wrong, a path is outside the roots, the source is no regular file, or the
                target exists.
        """
        given = Arguments(arguments, self.spec.parameters)
        workspace = context.workspace
        source = await held_file(workspace, existing_file_of(workspace, given.filled_string("source")))
        target = _free_target(workspace, given.filled_string("target"))
        return PreparedCall(
            title=f"Move {source.target.shown} to {target.shown}",
            run=lambda: _move(source, target, workspace),
            content=_shown(source, target),
            locations=(Location(target.path),),
            trust_key=self.spec.name,
            trust_label="move files",
        )


def _free_target(workspace: Workspace, given: str) -> Target:
    target = target_of(workspace, given)
    if workspace.exists(target.path):
        raise ToolError(f"{target.shown} exists already")
    return target


def _shown(source: HeldFile, target: Target) -> tuple[FileChange, ...]:
    return (FileChange("move", target.path, source.text, source.text, old_path=source.target.path),)


async def _move(source: HeldFile, target: Target, workspace: Workspace) -> ToolResult:
    await source.refuse_changed(workspace)
    refuse_moved(workspace, target)
    await workspace.move(source.target.path, target.path)
    done = f"Moved {source.target.shown} to {target.shown}"
    return ToolResult(ToolResult.text(done).parts, content=_shown(source, target))
