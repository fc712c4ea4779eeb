"""The official TypeScript SDK's client drives our agent over a real pipe (conformance/interop/ts_client.mjs)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from .client_program import CONFORMANCE, EVERY_STEP, Report, named_steps, run_program

SDK = "@agentclientprotocol/sdk"
OLDEST_NODE = 20
NPM_CI = ("ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1")
INSTALL_S = 120.0

# The first test of the module pays for the installation and for the whole run of the program.
pytestmark = pytest.mark.timeout(INSTALL_S + 120)


@pytest.fixture(scope="session")
def node() -> str:
    """Return the path of a node that the SDK supports."""
    path = shutil.which("node")
    if path is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not both installed")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is {version}; the SDK needs {OLDEST_NODE}")
    return path


@pytest.fixture(scope="session")
def sdk_root(node: str) -> Path:
    """Return a directory that holds node_modules as the lock file wants them; install them once per lock file."""
    cached = _cache_directory() / f"npm-{hashlib.sha256(_lock_file().read_bytes()).hexdigest()[:16]}"
    for directory in (CONFORMANCE, cached):
        if _is_installed(directory):
            return directory
    cached.parent.mkdir(parents=True, exist_ok=True)
    # Test processes run side by side, so each installs aside and the first one to rename wins.
    fresh = Path(tempfile.mkdtemp(dir=cached.parent))
    try:
        _install(fresh)
        try:
            fresh.rename(cached)
        except OSError:
            assert _is_installed(cached)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return cached


def _lock_file() -> Path:
    return CONFORMANCE / "package-lock.json"


def _cache_directory() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(root) if root else Path.home() / ".cache") / "agent-server-tests"


def _is_installed(directory: Path) -> bool:
    package = directory / "node_modules" / SDK / "package.json"
    locked = json.loads(_lock_file().read_bytes())["packages"][f"node_modules/{SDK}"]["version"]
    return package.is_file() and json.loads(package.read_bytes())["version"] == locked


def _install(directory: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(CONFORMANCE / name, directory)
    npm = shutil.which("npm")
    assert npm is not None
    try:
        done = subprocess.run(
            [npm, *NPM_CI], cwd=directory, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
        failure = done.stderr[-2000:] if done.returncode else None
    except subprocess.TimeoutExpired:
        failure = f"npm ci did not end within {INSTALL_S:.0f} s"
    if failure is not None:
        # On a developer's train there is no network; in CI a skip would hide that nothing was tested.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"the TypeScript SDK cannot be installed: {failure}")


@pytest.fixture(scope="module")
def report(node: str, sdk_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    program = [node, str(CONFORMANCE / "interop" / "ts_client.mjs")]
    return run_program(program, tmp_path_factory.mktemp("typescript-client"), ACP_SDK_ROOT=str(sdk_root))


@pytest.mark.parametrize("step", EVERY_STEP)
def test_the_typescript_sdk_finds_the_step_ok(step: str, report: Report) -> None:
    report.expect(step)


def test_the_typescript_client_judges_no_step_that_is_not_asserted_here(report: Report) -> None:
    assert set(report.steps) == named_steps(EVERY_STEP)
    assert report.status == 0


def test_the_typescript_client_leaves_no_agent_running(report: Report) -> None:
    assert report.left_running == []


def test_the_lock_file_pins_the_sdk_and_names_no_registry() -> None:
    wanted = json.loads((CONFORMANCE / "package.json").read_bytes())["dependencies"][SDK]
    lock_text = _lock_file().read_text(encoding="utf-8")
    assert json.loads(lock_text)["packages"][f"node_modules/{SDK}"]["version"] == wanted
    assert "resolved" not in lock_text
    assert "registry" not in lock_text
