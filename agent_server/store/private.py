"""Directories that are the user's alone."""

from __future__ import annotations

import os


def make_private(directory: str) -> None:
    """Make the directory, and those above it that are missing, for nobody but the user. Nothing where it is there.

    Raises:
        OSError: it cannot be made.
    """
    try:
        os.mkdir(directory, 0o700)
        _sync(os.path.dirname(directory))
    except FileExistsError:
        if not os.path.isdir(directory):
            raise
    except FileNotFoundError:
        make_private(os.path.dirname(directory))
        make_private(directory)


def _sync(directory: str) -> None:
    """Have what is new in a directory outlive a loss of power."""
    descriptor = os.open(directory or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError:  # not every file system can
        pass
    finally:
        os.close(descriptor)
