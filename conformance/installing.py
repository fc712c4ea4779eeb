"""Other people's programs in a cache of this machine, so that each pinned set of them is installed once."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

INSTALL_S = 120.0
"""The longest that one installation may take, in seconds."""


class NotInstalled(Exception):
    """What was asked for is not on this machine and cannot be brought here; the text says why."""


def once(name: str, fill: Callable[[Path], None]) -> Path:
    """Return the cached directory of that name, which ``fill`` makes out of an empty one if it is not there yet.

    The name says everything that the content depends on. Processes may ask side by side: each fills a directory of its
    own, and the first one to finish wins.

    Raises:
        NotInstalled: ``fill`` failed.
    """
    cached = _cache() / name
    if cached.is_dir():
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=cached.parent))
    try:
        fill(fresh)
        try:
            fresh.rename(cached)
        except OSError:
            if not cached.is_dir():
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return cached


def run(what: str, command: Sequence[str], directory: Path) -> None:
    """Run the command of an installer in the directory; ``what`` names it to whoever reads the failure.

    Raises:
        NotInstalled: It failed, or took longer than ``INSTALL_S``.
    """
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, encoding="utf-8", timeout=INSTALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{what} did not end within {INSTALL_S:.0f} s") from None
    if done.returncode:
        raise NotInstalled(f"{what} failed: {done.stderr[-2000:]}")


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(root) if root else Path.home() / ".cache") / "agent-server-tests"
