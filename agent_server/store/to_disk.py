"""Having what was written outlive a loss of power."""

from __future__ import annotations

import fcntl
import os
import sys


def sync_file(descriptor: int) -> None:
    """Have what was written to a file outlive a loss of power.

    Raises:
        OSError: it cannot.
    """
    if sys.platform == "darwin":  # where a usual sync leaves it in the disk's own memory
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


def sync_folders(folder: str) -> None:
    """Likewise what is new in a directory, and that directory itself.

    Raises:
        OSError: it cannot.
    """
    _sync_folder(folder)
    _sync_folder(os.path.dirname(folder))


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
