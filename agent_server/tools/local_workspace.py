"""The session's files and shell on this machine's disk.

Containment has two halves (promise P14): `LocalWorkspace.resolve` decides by the components of the path with all
symlinks resolved, and every operation then walks to its file from the root without following a symlink (`anchored`).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from agent_server.conversation.visible import visible
from agent_server.errors import ToolError
from agent_server.tools.anchored import Place, place
from agent_server.tools.ports import CommandObserver, DirectoryEntry, ExitStatus, TextFile
from agent_server.tools.text_files import MAX_TEXT_BYTES, decode_text, encode_text

_REASONS = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "leads through something that is no directory",
    errno.EISDIR: "is a directory",
    errno.EACCES: "cannot be reached: permission denied",
    errno.EPERM: "cannot be changed: operation not permitted",
    errno.ELOOP: "leads through too many symbolic links, or one that appeared just now",
    errno.ENOSPC: "cannot be written: the disk is full",
    errno.EROFS: "cannot be written: the file system is read-only",
    errno.ENAMETOOLONG: "has a name that is too long",
    errno.EXDEV: "cannot be moved to another file system; copy it with a command",
}


class LocalWorkspace:
    """The directories of one session on disk; implements the Workspace port.

    ``cwd`` and ``roots`` are resolved once, when first needed. Reads and writes of up to 10 MiB run inline.
    ``env_allow`` names environment variables that commands get besides the harmless ones.
    """

    def __init__(self, cwd: str, roots: Sequence[str] = (), *, env_allow: Sequence[str] = ()) -> None:
        self._env_allow = env_allow
        self._cwd = os.path.abspath(cwd)
        self._roots = tuple(dict.fromkeys((self._cwd, *(os.path.abspath(root) for root in roots))))

    @property
    def cwd(self) -> str:
        """The session's working directory, absolute."""
        return self._cwd

    @property
    def roots(self) -> Sequence[str]:
        """``cwd`` and the additional directories, absolute."""
        return self._roots

    @cached_property
    def _resolved_roots(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        real = dict.fromkeys(os.path.realpath(root) for root in self._roots)
        return tuple((root, _components(root)) for root in real)

    def resolve(self, path: str) -> str:
        """The absolute path, symlinks resolved; ``~`` is a name like any other (Req: TL-02).

        Raises:
            ToolError: it lies outside the roots, is empty, holds a NUL, or its symlinks run in a circle.
        """
        if not path or "\0" in path:
            raise ToolError(f"{visible(path)!r} is no path")
        joined = os.path.join(self._cwd, path)
        _refuse_link_circle(joined, path)
        try:
            resolved = os.path.realpath(joined)
        except OSError as error:  # a link went away while it was followed
            raise _explained(error, visible(path)) from None
        self._root_and_names(resolved, path)
        return resolved

    def exists(self, path: str) -> bool:
        """Whether something is there on disk."""
        return os.path.exists(self.resolve(path))

    def is_directory(self, path: str) -> bool:
        """Whether it is a directory on disk."""
        return os.path.isdir(self.resolve(path))

    def list_directory(self, path: str) -> Sequence[DirectoryEntry]:
        """What a directory holds, sorted by name. A symlink counts as what it leads to within the roots.

        Raises:
            ToolError: it is no directory, or cannot be read.
        """
        with self._place(path) as there:
            status = there.status()
            if status is not None and not stat.S_ISDIR(status.st_mode):
                raise ToolError(f"{self._shown(path)} is no directory")
            return sorted(self._entries(there, path), key=lambda entry: entry.name)

    async def read_text(self, path: str) -> TextFile:
        """A whole text file from disk.

        Raises:
            ToolError: missing, no regular file, binary, over 10 MiB, unreadable.
        """
        file = decode_text(self._read(path))
        if file is None:
            raise ToolError(f"{self._shown(path)} is binary")
        return file

    async def read_bytes(self, path: str) -> bytes:
        """A whole file from disk.

        Raises:
            ToolError: missing, no regular file, over 10 MiB, unreadable.
        """
        return self._read(path)

    async def write_text(self, path: str, file: TextFile) -> None:
        """Replace a whole text file atomically, its mode kept; parents are made.

        Not synced to disk: a sync would hold up every session, and a crash of the process loses nothing.

        Raises:
            ToolError: it cannot be written, is no regular file, or is marked read-only.
        """
        data = encode_text(file)
        with self._place(path, make_parents=True) as there:
            existing = there.status()
            if existing is not None:
                _refuse_irregular(existing, self._shown(path))
                _refuse_read_only(existing, self._shown(path))
            _replace(there, data, existing)

    async def delete(self, path: str) -> None:
        """Remove one file.

        Raises:
            ToolError: missing, no regular file, or it cannot be removed.
        """
        with self._place(path) as there:
            self._regular(there, path)
            there.unlink()

    async def move(self, source: str, target: str) -> None:
        """Move one file; parents are made, an existing target is refused.

        Raises:
            ToolError: the source is missing, the target exists, or it cannot be moved.
        """
        with self._place(source) as origin:
            self._regular(origin, source)
            with self._place(target, make_parents=True) as goal:
                if goal.status() is not None:
                    raise ToolError(f"{self._shown(target)} exists already")
                origin.replace(goal)

    async def run(
        self, command: str, *, timeout_s: float, observer: CommandObserver, in_editor: bool = False
    ) -> ExitStatus:
        """Run a shell command in ``cwd`` until it ends or the time is out; its whole process tree is gone after.

        Raises:
            ToolError: it cannot be started, or a terminal of the client's was asked for: there is none here.
        """
        if in_editor:
            raise ToolError("the client offers no terminals")
        from agent_server.tools.local_shell import run_shell

        return await run_shell(
            command, cwd=self._cwd, timeout_s=timeout_s, observer=observer, env_allow=self._env_allow
        )

    def _root_and_names(self, resolved: str, given: str) -> tuple[str, tuple[str, ...]]:
        parts = _components(resolved)
        for root, root_parts in self._resolved_roots:
            if parts[: len(root_parts)] == root_parts:
                below = resolved.rstrip(os.sep).split(os.sep)[len(root_parts) :]
                return root, tuple(below)
        raise ToolError(f"{visible(given)} is outside the session's directories")

    @contextmanager
    def _place(self, path: str, *, make_parents: bool = False) -> Iterator[Place]:
        resolved = self.resolve(path)
        root, names = self._root_and_names(resolved, path)
        try:
            with place(root, names, make_parents=make_parents) as there:
                yield there
        except OSError as error:
            raise _explained(error, self._shown(path)) from None

    def _shown(self, path: str) -> str:
        """A path for people and models: as it was given, but short where it is absolute below the cwd."""
        base = os.path.join(self._resolved_roots[0][0], "")
        return visible(path.removeprefix(base) or path)

    def _regular(self, there: Place, path: str) -> None:
        status = there.status()
        if status is None:
            raise ToolError(f"{self._shown(path)} does not exist")
        _refuse_irregular(status, self._shown(path))

    def _read(self, path: str) -> bytes:
        with self._place(path) as there:
            self._regular(there, path)
            with open(there.open_to_read(), "rb") as stream:
                status = os.fstat(stream.fileno())
                _refuse_irregular(status, self._shown(path))
                _refuse_large(status.st_size, self._shown(path))
                data = stream.read(MAX_TEXT_BYTES + 1)
        _refuse_large(len(data), self._shown(path))
        return data

    def _entries(self, there: Place, path: str) -> Iterator[DirectoryEntry]:
        descriptor = there.open_to_read() if os.scandir in os.supports_fd else None
        try:
            with os.scandir(there.name if descriptor is None else descriptor) as entries:
                yield from (self._entry(entry, path) for entry in entries)
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _entry(self, entry: os.DirEntry[str], directory: str) -> DirectoryEntry:
        try:
            if entry.is_symlink():
                status = os.stat(self.resolve(os.path.join(directory, entry.name)))
            else:
                status = entry.stat(follow_symlinks=False)
        except (OSError, ToolError):
            return DirectoryEntry(entry.name, "other")
        if stat.S_ISDIR(status.st_mode):
            return DirectoryEntry(entry.name, "directory")
        return DirectoryEntry(entry.name, "file" if stat.S_ISREG(status.st_mode) else "other", status.st_size)


def _components(path: str) -> tuple[str, ...]:
    return tuple(os.path.normcase(path).rstrip(os.sep).split(os.sep))


def _refuse_link_circle(joined: str, given: str) -> None:
    """The kernel's own limit is asked (40 links on Linux), because `os.path.realpath` has none."""
    try:
        os.stat(joined)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _explained(error, visible(given)) from None


def _refuse_irregular(status: os.stat_result, shown: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ToolError(f"{shown} is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise ToolError(f"{shown} is no regular file")


def _refuse_read_only(status: os.stat_result, shown: str) -> None:
    if not status.st_mode & 0o222:
        raise ToolError(f"{shown} is marked read-only")


def _refuse_large(size_bytes: int, shown: str) -> None:
    if size_bytes > MAX_TEXT_BYTES:
        size_mib, cap_mib = size_bytes / 1024**2, MAX_TEXT_BYTES // 1024**2
        raise ToolError(f"{shown} is too large: {size_mib:.1f} MiB, and the limit is {cap_mib} MiB")


def _replace(there: Place, data: bytes, existing: os.stat_result | None) -> None:
    temporary = there.beside(f".{os.urandom(8).hex()}.tmp")
    descriptor = temporary.create()
    try:
        with open(descriptor, "wb") as stream:
            stream.write(data)
            if existing is not None:
                _keep_owner_and_mode(stream.fileno(), existing)
        temporary.replace(there)
    except BaseException:
        temporary.unlink()
        raise


def _keep_owner_and_mode(descriptor: int, existing: os.stat_result) -> None:
    if not hasattr(os, "fchmod"):
        return
    try:
        os.fchown(descriptor, existing.st_uid, existing.st_gid)
    except PermissionError:
        pass  # only root may give files away; the content matters more
    os.fchmod(descriptor, stat.S_IMODE(existing.st_mode))


def _explained(error: OSError, shown: str) -> ToolError:
    reason = _REASONS.get(error.errno or 0) or f"failed: {error.strerror or type(error).__name__}"
    return ToolError(f"{shown} {reason}")
