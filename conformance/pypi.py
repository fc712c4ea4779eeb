"""Python packages in versions that cannot live beside those of this environment, installed once per machine."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from pathlib import Path

from .installing import once, run

PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--retries=1")


def installed(requirements: Path) -> Path:
    """Return a directory to put first on ``sys.path`` that holds what the requirements file pins.

    The directory is for the interpreter that runs this, and goes before the packages that are installed for it.

    Raises:
        NotInstalled: pip failed, or is not there.
    """

    def install(directory: Path) -> None:
        run("pip install", [sys.executable, *PIP, "--target", str(directory), "-r", str(requirements)], directory)

    # Compiled packages fit one interpreter on one platform.
    fits = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
    pinned = hashlib.sha256(f"{fits}\n{requirements.read_text(encoding='utf-8')}".encode()).hexdigest()
    return once(f"pypi-{pinned[:16]}", install)
