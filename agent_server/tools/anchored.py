"""Files reached from a directory that is held open, so that no symlink can lead an operation elsewhere.

A path that was checked and is then opened by name can be swapped in between. Here every component below the root is
opened relative to the one before it and refused if it is a symlink, and the operation itself is relative to the last
directory. Where the platform cannot do that (Windows), plain paths are used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

CAN_ANCHOR = {os.open, os.stat, os.mkdir, os.unlink, os.rename} <= os.supports_dir_fd
"""Whether this platform can work relative to an open directory."""

_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
# O_PATH needs only the right to pass through a directory, as opening by a path would.
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _FLAGS
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _FLAGS
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS


@dataclass(frozen=True, slots=True)
class Place:
    """A name in a directory held open, or a whole path where ``directory`` is None."""

    name: str
    directory: int | None

    def status(self) -> os.stat_result | None:
        """What is there, no symlink followed; None if nothing is."""
        try:
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open_to_read(self) -> int:
        """A descriptor of what is there; a FIFO without a writer does not block.

        Raises:
            OSError: it is a symlink, missing, or cannot be opened.
        """
        return os.open(self.name, _READ, dir_fd=self.directory)

    def create(self) -> int:
        """A descriptor of a new file that nobody else may have made.

        Raises:
            OSError: something has that name, or it cannot be made.
        """
        return os.open(self.name, _CREATE, 0o666, dir_fd=self.directory)

    def beside(self, name: str) -> Place:
        """Another name in the same directory."""
        if self.directory is not None:
            return Place(name, self.directory)
        return Place(os.path.join(os.path.dirname(self.name), name), None)

    def unlink(self) -> None:
        """Remove the name."""
        os.unlink(self.name, dir_fd=self.directory)

    def replace(self, target: Place) -> None:
        """Take the target's name, atomically, whatever had it."""
        os.replace(self.name, target.name, src_dir_fd=self.directory, dst_dir_fd=target.directory)


@contextmanager
def place(root: str, below: Sequence[str], *, make_parents: bool = False) -> Iterator[Place]:
    """The place reached from ``root`` by the names ``below`` it; no name is followed if it is a symlink.

    Raises:
        OSError: a component is missing, no directory, or a symlink.
    """
    if not below:
        yield Place(root, None)
    elif not CAN_ANCHOR:
        yield _by_path(root, below, make_parents)
    else:
        directory = _descend(root, below[:-1], make_parents)
        try:
            yield Place(below[-1], directory)
        finally:
            os.close(directory)


def _by_path(root: str, below: Sequence[str], make_parents: bool) -> Place:
    path = os.path.join(root, *below)
    if make_parents:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    return Place(path, None)


def _descend(root: str, names: Sequence[str], make: bool) -> int:
    directory = os.open(root, _STEP)
    for name in names:
        try:
            child = _step(directory, name, make)
        finally:
            os.close(directory)
        directory = child
    return directory


def _step(directory: int, name: str, make: bool) -> int:
    try:
        return os.open(name, _STEP, dir_fd=directory)
    except FileNotFoundError:
        if not make:
            raise
    try:
        os.mkdir(name, dir_fd=directory)
    except FileExistsError:
        pass  # somebody made it just now, which is as good
    return os.open(name, _STEP, dir_fd=directory)
