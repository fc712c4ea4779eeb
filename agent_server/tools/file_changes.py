"""What the tools that change files have in common: read before, show the change, and do it only if it still holds.

An approval is given for one path, one old text and one new text. If the file, or what its path leads to, has changed
between the question and the answer, nothing is written.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from agent_server.errors import ToolError
from agent_server.tools.ports import TextFile, Workspace
from agent_server.tools.text_files import decode_text, encode_text
from agent_server.tools.titles import shown_path


@dataclass(frozen=True, slots=True)
class Target:
    """One file of a call: its absolute path, symlinks resolved, and how it is shown."""

    path: str
    shown: str


def target_of(workspace: Workspace, given: str) -> Target:
    """The file that a model's path means; it need not exist.

    Raises:
        ToolError: it is outside the roots, or a directory.
    """
    path = workspace.resolve(given)
    shown = shown_path(workspace, path)
    if workspace.is_directory(path):
        raise ToolError(f"{shown} is a directory")
    return Target(path, shown)


def existing_file_of(workspace: Workspace, given: str) -> Target:
    """The existing file that a model's path means. Symlinks are refused: what would go is unclear.

    Raises:
        ToolError: it is missing, outside the roots, a directory or a symlink.
    """
    target = target_of(workspace, given)
    if os.path.islink(os.path.join(workspace.cwd, given)):
        raise ToolError(f"{shown_path(workspace, os.path.join(workspace.cwd, given))} is a symbolic link")
    if not workspace.exists(target.path):
        raise ToolError(f"{target.shown} does not exist")
    return target


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A new text for one file, and the one it had (None: there was no file)."""

    target: Target
    old: TextFile | None
    new: TextFile

    async def write(self, workspace: Workspace) -> None:
        """Write it if the file is still as it was.

        Raises:
            ToolError: it is not, or it cannot be written.
        """
        refuse_moved(workspace, self.target)
        if not await self._still_holds(workspace):
            raise changed_since(self.target)
        await workspace.write_text(self.target.path, self.new)

    async def _still_holds(self, workspace: Workspace) -> bool:
        if self.old is None:
            return not workspace.exists(self.target.path)
        try:
            return await workspace.read_text(self.target.path) == self.old
        except ToolError:
            return False


def prepared_text(target: Target, old: TextFile | None, new: TextFile) -> PreparedText:
    """A change that can be written as far as anybody knows.

    Raises:
        ToolError: the file's encoding has no such character.
    """
    encode_text(new)
    return PreparedText(target, old, new)


async def text_at(workspace: Workspace, target: Target) -> TextFile | None:
    """The text of a file; None if there is no file.

    Raises:
        ToolError: it is binary, too large or unreadable.
    """
    return await workspace.read_text(target.path) if workspace.exists(target.path) else None


def refuse_moved(workspace: Workspace, target: Target) -> None:
    """Make sure that the path still leads where it led.

    Raises:
        ToolError: a symlink took the place of the file or of a directory above it.
    """
    if workspace.resolve(target.path) != target.path:
        raise changed_since(target)


def changed_since(target: Target) -> ToolError:
    """What to say when a file is no longer what was shown."""
    return ToolError(f"{target.shown} changed since it was read; read it again")


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file as it was when a call was prepared. ``text`` is None where it is binary or too large to read."""

    target: Target
    data: bytes | None
    text: str | None

    async def refuse_changed(self, workspace: Workspace) -> None:
        """Make sure that it still is what it was.

        Raises:
            ToolError: it is not.
        """
        refuse_moved(workspace, self.target)
        if not workspace.exists(self.target.path) or await _bytes_at(workspace, self.target) != self.data:
            raise changed_since(self.target)


async def held_file(workspace: Workspace, target: Target) -> HeldFile:
    """Take note of what a file on disk holds now."""
    data = await _bytes_at(workspace, target)
    file = None if data is None else decode_text(data)
    return HeldFile(target, data, file.text if file else None)


async def _bytes_at(workspace: Workspace, target: Target) -> bytes | None:
    try:
        return await workspace.read_bytes(target.path)
    except ToolError:  # too large or unreadable, which is no reason why it could not be deleted or moved
        return None
