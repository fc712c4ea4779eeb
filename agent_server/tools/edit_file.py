"""The tool that replaces one text in a file by another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread

from agent_server.conversation.tool_calls import FileChange, Location, ToolKind, ToolSpec
from agent_server.errors import ToolError
from agent_server.tools.arguments import Arguments, object_schema
from agent_server.tools.exact_edit import Span, apart, occurrences, replaced
from agent_server.tools.file_changes import PreparedText, Target, prepared_text, target_of
from agent_server.tools.nearest_text import nearest_text
from agent_server.tools.ports import TextFile, ToolContext, Workspace
from agent_server.tools.titles import counted
from agent_server.tools.tool import PreparedCall, ToolResult

_MAX_NAMED_LINES = 10


class EditFile:
    """Replaces exactly one occurrence of a text, or all of them where that is asked for (Req: TL-04)."""

    spec = ToolSpec(
        name="edit_file",
        description=(
            "Replace old_text by new_text in a file. old_text must be copied exactly, with its indentation, and must "
            "occur exactly once unless replace_all is true: add the lines around it to make it unique."
        ),
        parameters=object_schema(
            {
                "path": {"type": "string", "description": "The file, relative to the working directory or absolute."},
                "old_text": {"type": "string", "description": "The text to replace, exactly as it stands there."},
                "new_text": {"type": "string", "description": "The text to put in its place; empty removes it."},
                "replace_all": {"type": "boolean", "description": "Replace every occurrence."},
            },
            required=("path", "old_text", "new_text"),
        ),
        kind=ToolKind.EDIT,
        changes=True,
    )

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Find the text and show the file before and after.

        Raises:
            ToolError: the arguments are wrong, the file cannot be read, or the text is missing or not unique.
        """
        given = Arguments(arguments, self.spec.parameters)
        edit = _wanted_edit(given)
        if edit.old_text == edit.new_text:
            raise ToolError("old_text and new_text are the same")
        workspace = context.workspace
        target = target_of(workspace, given.filled_string("path"))
        file = await workspace.read_text(target.path)
        spans = await _spans(file.text, edit, target)
        new = TextFile(replaced(file.text, spans, edit.new_text), file.encoding, file.bom)
        return self._prepared(prepared_text(target, file, new), spans, workspace)

    def _prepared(self, change: PreparedText, spans: Sequence[Span], workspace: Workspace) -> PreparedCall:
        return PreparedCall(
            title=f"Edit {change.target.shown}",
            run=lambda: _write(change, spans, workspace),
            content=(_file_change(change),),
            locations=(Location(change.target.path, spans[0].line),),
            trust_key=self.spec.name,
            trust_label="edit files",
        )


@dataclass(frozen=True, slots=True)
class _Edit:
    old_text: str
    new_text: str
    replace_all: bool


def _wanted_edit(given: Arguments) -> _Edit:
    old_text, new_text = given.filled_string("old_text"), given.string("new_text")
    if "\r\n" in old_text:  # then the line endings are a habit of the model's, and the file's own count
        new_text = new_text.replace("\r\n", "\n")
    return _Edit(old_text, new_text, given.flag("replace_all"))


async def _spans(text: str, edit: _Edit, target: Target) -> list[Span]:
    """What to replace: one span, or with ``replace_all`` at least one."""
    spans = occurrences(text, edit.old_text)
    if not spans:
        raise await _not_found(text, edit.old_text, target)
    if edit.replace_all:
        return apart(spans)
    if len(spans) > 1:
        raise ToolError(
            f"old_text occurs {len(spans)} times in {target.shown}, {_named_lines(spans)}; "
            "add lines around it to make it unique, or set replace_all"
        )
    return spans


def _named_lines(spans: Sequence[Span]) -> str:
    numbers = list(dict.fromkeys(str(span.line) for span in spans))
    more = "" if len(numbers) <= _MAX_NAMED_LINES else " and more"
    return f"at {'line' if len(numbers) == 1 else 'lines'} {', '.join(numbers[:_MAX_NAMED_LINES])}{more}"


async def _not_found(text: str, wanted: str, target: Target) -> ToolError:
    nearest = await anyio.to_thread.run_sync(nearest_text, text, wanted, abandon_on_cancel=True)
    missing = f"old_text does not occur in {target.shown}"
    if nearest is None:
        return ToolError(f"{missing}, nor does anything like it; read the file again")
    one_line = nearest.line == nearest.last_line
    where = f"line {nearest.line}" if one_line else f"lines {nearest.line}-{nearest.last_line}"
    percent = int(nearest.similarity * 100)
    return ToolError(f"{missing}. The nearest text, {percent}% the same, is at {where}:\n{nearest.text}")


def _file_change(change: PreparedText) -> FileChange:
    old = change.old.text if change.old else None
    return FileChange("modify", change.target.path, old, change.new.text)


async def _write(change: PreparedText, spans: Sequence[Span], workspace: Workspace) -> ToolResult:
    await change.write(workspace)
    done = f"Edited {change.target.shown}: {counted(len(spans), 'replacement')}, the first at line {spans[0].line}"
    if len(spans) == 1:
        done = f"Edited {change.target.shown} at line {spans[0].line}"
    return ToolResult(ToolResult.text(done).parts, content=(_file_change(change),))
