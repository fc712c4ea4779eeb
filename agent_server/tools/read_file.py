"""The tool that reads one file: text, whole or by lines, or an image."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from agent_server.conversation.content import ImagePart
from agent_server.conversation.tool_calls import Location, ToolKind, ToolSpec
from agent_server.errors import ToolError
from agent_server.tools.arguments import Arguments, object_schema
from agent_server.tools.file_changes import Target, target_of
from agent_server.tools.ports import ToolContext, Workspace
from agent_server.tools.text_files import split_lines
from agent_server.tools.tool import PreparedCall, ToolResult

MAX_RESULT_BYTES = 256 * 1024
MAX_IMAGE_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _LineRange:
    """Which lines to read: from ``first`` (1-based), at most ``limit`` of them."""

    first: int | None
    limit: int | None

    @property
    def is_whole(self) -> bool:
        return self.first is None and self.limit is None

    @property
    def start(self) -> int:
        return (self.first or 1) - 1

    @property
    def stop(self) -> int | None:
        return None if self.limit is None else self.start + self.limit

    def __str__(self) -> str:
        if self.limit is None:
            return f"from line {self.start + 1}"
        return f"line {self.stop}" if self.limit == 1 else f"lines {self.start + 1}-{self.stop}"


class ReadFile:
    """Reads a text file with the editor's unsaved changes in it, or an image (Req: TL-03)."""

    spec = ToolSpec(
        name="read_file",
        description=(
            "Read a text file, or look at an image (PNG, JPEG, GIF, WebP). Long files come in pieces of at most "
            "256 KB: go on with offset."
        ),
        parameters=object_schema(
            {
                "path": {"type": "string", "description": "The file, relative to the working directory or absolute."},
                "offset": {"type": "integer", "minimum": 1, "description": "The first line to read, counted from 1."},
                "limit": {"type": "integer", "minimum": 1, "description": "How many lines to read at most."},
            },
            required=("path",),
        ),
        kind=ToolKind.READ,
    )

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Find the file; it is read when the call runs.

        Raises:
            ToolError: the arguments are wrong, or the path is outside the roots or a directory.
        """
        given = Arguments(arguments, self.spec.parameters)
        lines = _LineRange(given.optional_integer("offset", minimum=1), given.optional_integer("limit", minimum=1))
        target = target_of(context.workspace, given.filled_string("path"))
        return PreparedCall(
            title=f"Read {target.shown}" if lines.is_whole else f"Read {target.shown} ({lines})",
            run=lambda: _read(context.workspace, target, lines),
            locations=(Location(target.path, lines.start + 1),),
        )


async def _read(workspace: Workspace, target: Target, lines: _LineRange) -> ToolResult:
    image = await _image(workspace, target)
    if image is not None:
        return ToolResult((image,))
    file = await workspace.read_text(target.path)
    return ToolResult.text(_excerpt(file.text, lines))


async def _image(workspace: Workspace, target: Target) -> ImagePart | None:
    """The image that the file on disk is; None if it is none, or only exists in the editor."""
    if not workspace.exists(target.path):
        return None
    data = await workspace.read_bytes(target.path)
    mime_type = _image_type(data)
    if mime_type is None:
        return None
    if len(data) > MAX_IMAGE_BYTES:
        size_mib, cap_mib = len(data) / 1024**2, MAX_IMAGE_BYTES // 1024**2
        raise ToolError(f"{target.shown} is an image of {size_mib:.1f} MiB; the limit is {cap_mib} MiB")
    return ImagePart(base64.b64encode(data).decode("ascii"), mime_type)


def _image_type(data: bytes) -> str | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _excerpt(text: str, wanted: _LineRange) -> str:
    """The wanted lines, as many as fit, below a header where that is not the whole file."""
    lines = split_lines(text)
    if not lines:
        return "(the file is empty)"
    if wanted.start >= len(lines):
        raise ToolError(f"offset {wanted.start + 1} is past the end: the file has {len(lines)} lines")
    chosen = lines[wanted.start : wanted.stop]
    fitting = _fitting(chosen)
    if fitting == len(chosen) and wanted.is_whole:
        return text.replace("\r\n", "\n")
    shown = "\n".join(chosen[:fitting])
    last = wanted.start + max(fitting, 1)
    header = f"lines {wanted.start + 1}-{last} of {len(lines)}"
    if fitting == 0:
        return f"{header}\n{_cut_line(chosen[0])}\n{_long_line_mark(wanted.start + 1, len(lines))}"
    mark = "" if fitting == len(chosen) else f"\n[cut at 256 KB; go on with offset {last + 1}]"
    return f"{header}\n{shown}{mark}"


def _fitting(lines: list[str]) -> int:
    """How many of the lines fit into a result."""
    room = MAX_RESULT_BYTES
    for count, line in enumerate(lines):
        room -= len(line.encode("utf-8", "surrogatepass")) + 1
        if room < 0:
            return count
    return len(lines)


def _cut_line(line: str) -> str:
    return line.encode("utf-8", "replace")[:MAX_RESULT_BYTES].decode("utf-8", "ignore")


def _long_line_mark(number: int, count: int) -> str:
    mark = f"[line {number} cut at 256 KB; read the rest of it with a command"
    return f"{mark}]" if number == count else f"{mark}, or go on with offset {number + 1}]"
