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
    except FileExistsError:
        if not os.path.isdir(directory):
            raise
    except FileNotFoundError:
        make_private(os.path.dirname(directory))
        make_private(directory)
