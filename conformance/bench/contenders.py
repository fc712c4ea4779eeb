"""Those that an agent is measured against: what they are called, which versions they are, how they are started."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Final

from conformance import npm, pypi
from conformance.bench.figures import Subject
from conformance.bench.start import Start

PEERS: Final = Path(__file__).parent / "peers"
REQUIREMENTS: Final = PEERS / "requirements.txt"
PY_SDK: Final = "agent-client-protocol"
TS_SDK: Final = "@agentclientprotocol/sdk"


def contender(name: str, timeout_s: float) -> Subject:
    """Return one of `CONTENDERS`, ready to be started; what it needs is installed once per machine.

    Raises:
        NotInstalled: that was not possible.
        KeyError: there is none of that name.
    """
    return CONTENDERS[name](timeout_s)


def floor(timeout_s: float) -> Subject:
    """Return the least that an agent in CPython can do; it has no client."""
    return Subject("floor", Start((sys.executable, str(PEERS / "floor.py")), timeout_s=timeout_s))


def versions(names: list[str]) -> dict[str, str]:
    """Return the pinned versions of the contenders among the names, for the record."""
    known = {
        "pysdk": lambda: f"{PY_SDK} {_pinned()}",
        "tssdk": lambda: f"{TS_SDK} {json.loads((npm.installed(TS_SDK) / 'package.json').read_bytes())['version']}",
    }
    return {name: known[name]() for name in names if name in known}


def _python_sdk(timeout_s: float) -> Subject:
    env = None if _installed() == _pinned() else {"PYTHONPATH": str(pypi.installed(REQUIREMENTS))}
    return _pair("pysdk", sys.executable, "py", env, timeout_s)


def _typescript_sdk(timeout_s: float) -> Subject:
    return _pair("tssdk", npm.node(), "mjs", {"ACP_SDK_ROOT": str(npm.root())}, timeout_s)


def _pair(name: str, program: str, suffix: str, env: Mapping[str, str] | None, timeout_s: float) -> Subject:
    agent, client = (
        Start((program, str(PEERS / f"{name}_{side}.{suffix}")), env, timeout_s=timeout_s)
        for side in ("agent", "client")
    )
    return Subject(name, agent, client)


def _pinned() -> str:
    _, _, version = REQUIREMENTS.read_text(encoding="utf-8").strip().partition("==")
    return version


def _installed() -> str | None:
    try:
        return metadata.version(PY_SDK)
    except metadata.PackageNotFoundError:
        return None


CONTENDERS: Final[Mapping[str, Callable[[float], Subject]]] = MappingProxyType(
    {"pysdk": _python_sdk, "tssdk": _typescript_sdk, "floor": floor}
)
"""The official SDKs, each with the smallest agent that its documentation would have one write, and the floor."""
