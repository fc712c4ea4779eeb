"""The tool that writes one whole text file."""

from __future__ import annotations

from typing import Any

from agent_server.conversation.tool_calls import FileChange, Location, ToolKind, ToolSpec
from agent_server.tools.arguments import Arguments, object_schema
from agent_server.tools.file_changes import PreparedText, prepared_text, target_of, text_at
from agent_server.tools.ports import TextFile, ToolContext, Workspace
from agent_server.tools.text_files import line_ending, split_lines, with_line_ending
from agent_server.tools.titles import counted
from agent_server.tools.tool import PreparedCall, ToolResult


class WriteFile:
    """Makes a text file or replaces its whole text; directories on the way are made (Req: TL-06)."""

    spec = ToolSpec(
        name="write_file",
        description=(
            "Write a whole text file, making it and its directories where they do not exist. An existing file keeps "
            "its encoding and its line endings. To change a part of a file, use edit_file."
        ),
        parameters=object_schema(
            {
                "path": {"type": "string", "description": "The file, relative to the working directory or absolute."},
                "content": {"type": "string", "description": "The whole text of the file."},
            },
            required=("path", "content"),
        ),
        kind=ToolKind.EDIT,
        changes=True,
    )

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Show what the file would hold, next to what it holds now.

        Raises:
            ToolError: the arguments are wrong, the path is outside the roots, a directory or a binary file, or the
                file's encoding has no such character.
        """
        given = Arguments(arguments, self.spec.parameters)
        content = given.string("content")
        workspace = context.workspace
        target = target_of(workspace, given.filled_string("path"))
        old = await text_at(workspace, target)
        change = prepared_text(target, old, _new_file(old, content))
        return PreparedCall(
            title=f"{'Create' if old is None else 'Write'} {target.shown}",
            run=lambda: _write(change, workspace),
            content=_shown(change),
            locations=(Location(target.path),),
            trust_key=self.spec.name,
            trust_label="write files",
        )


def _new_file(old: TextFile | None, content: str) -> TextFile:
    if old is None:
        return TextFile(content)
    if old.bom:
        content = content.removeprefix("\ufeff")
    return TextFile(with_line_ending(content, line_ending(old.text)), old.encoding, old.bom)


def _shown(change: PreparedText) -> tuple[FileChange, ...]:
    """The change; nothing if there is none."""
    old = change.old
    if old == change.new:
        return ()
    operation, path = ("add" if old is None else "modify"), change.target.path
    return (FileChange(operation, path, None if old is None else old.text, change.new.text),)  # type: ignore[arg-type]


async def _write(change: PreparedText, workspace: Workspace) -> ToolResult:
    shown = change.target.shown
    if change.old == change.new:
        return ToolResult.text(f"{shown} holds exactly this text already; nothing was written")
    await change.write(workspace)
    verb = "Created" if change.old is None else "Wrote"
    text = ToolResult.text(f"{verb} {shown} ({counted(len(split_lines(change.new.text)), 'line')})")
    return ToolResult(text.parts, content=_shown(change))
