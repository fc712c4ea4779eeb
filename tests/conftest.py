"""What holds for every test, and where other people's programs are."""

from __future__ import annotations

import os
import tempfile
from itertools import chain
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from agent_server.config.keys import KEY_VARIABLES, URL_VARIABLES
from conformance import npm, pypi
from conformance.installing import NotInstalled

# How long an example takes says something of the machine and its other work, not of the code.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For a test of its own: pytest --hypothesis-profile=thorough --timeout=0 tests/promises/test_replay_property.py
settings.register_profile("thorough", settings.get_profile("steady"), max_examples=3000, report_multiple_bugs=False)
settings.load_profile("steady")

# The sessions of the agents that are started here are not the user's, nor are their settings, keys and models.
for _kind in ("STATE", "CONFIG"):
    os.environ[f"XDG_{_kind}_HOME"] = tempfile.mkdtemp(prefix="agent-server-tests-")
for _variable in (*chain.from_iterable(KEY_VARIABLES.values()), *URL_VARIABLES.values()):
    os.environ.pop(_variable, None)
os.environ["AGENT_SERVER_LOCAL_MODELS"] = "false"


@pytest.fixture(scope="session")
def node() -> str:
    """Return the path of a node that is new enough for the official TypeScript SDK."""
    try:
        return npm.node()
    except NotInstalled as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def sdk_root(node: str) -> Path:
    """Return a directory that holds node_modules as the lock file wants them; install them once per lock file."""
    try:
        return npm.root()
    except NotInstalled as failure:
        _absent(failure)


@pytest.fixture(scope="session")
def prerelease() -> Path:
    """Return a directory for the front of ``sys.path`` with the newest pre-release of the official Python SDK."""
    try:
        return pypi.installed(Path(npm.__file__).parent / "interop" / "requirements-prerelease.txt")
    except NotInstalled as failure:
        _absent(failure)


def _absent(failure: NotInstalled) -> NoReturn:
    # On a developer's train there is no network; in CI a skip would hide that nothing was tested.
    if os.environ.get("CI"):
        pytest.fail(str(failure))
    pytest.skip(str(failure))
