"""The npm packages that package-lock.json pins, installed once per machine and lock file."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from .installing import NotInstalled, once, run

HERE = Path(__file__).resolve().parent
LOCK_FILE = HERE / "package-lock.json"
OLDEST_NODE = 20
NPM_CI = ("ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1")


def installed(package: str) -> Path:
    """Return the directory of one of the packages that package.json names.

    Raises:
        NotInstalled: There is no node (of ``OLDEST_NODE`` or newer) and npm here, or the installation failed.
        KeyError: package.json does not name the package.
    """
    if package not in _wanted():
        raise KeyError(package)
    return root() / "node_modules" / package


def command(package: str) -> list[str]:
    """Return the command line that runs the program of the package, without arguments for it.

    Raises:
        NotInstalled: As ``installed``.
        KeyError: package.json does not name the package.
    """
    directory = installed(package)
    programs = _read(directory / "package.json")["bin"]
    return [node(), str(directory / programs[package])]


def root() -> Path:
    """Return the directory that holds ``node_modules``: that of package.json if somebody installed there, or a cache.

    Raises:
        NotInstalled: As ``installed``.
    """
    node()
    if _is_installed(HERE):
        return HERE
    return once(f"npm-{hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()[:16]}", _install)


@functools.cache
def node() -> str:
    """Return the path of a node that is new enough.

    Raises:
        NotInstalled: There is none, or no npm beside it.
    """
    path = shutil.which("node")
    if path is None or shutil.which("npm") is None:
        raise NotInstalled("node and npm are not both installed")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        raise NotInstalled(f"node is {version}; {OLDEST_NODE} is needed")
    return path


def _install(directory: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, directory)
    npm = shutil.which("npm")
    assert npm is not None
    run("npm ci", [npm, *NPM_CI], directory)


def _is_installed(directory: Path) -> bool:
    packages = ((directory / "node_modules" / name / "package.json", version) for name, version in _wanted().items())
    return all(file.is_file() and _read(file)["version"] == version for file, version in packages)


def _wanted() -> dict[str, str]:
    wanted: dict[str, str] = _read(HERE / "package.json")["dependencies"]
    return wanted


def _read(file: Path) -> Any:
    return json.loads(file.read_bytes())
