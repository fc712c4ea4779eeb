"""Every program that drives our agent, every agent that our client drives, and the steps that each of them judges."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance import npm

from . import our_client
from .client_program import AGENT, CONFORMANCE, Report, named_steps, run_program

INTEROP = CONFORMANCE / "interop"

_ASKING = pytest.mark.req("JR-12")
_LOADING = (pytest.mark.spec("N-29"), pytest.mark.promise("P12"))

EVERYDAY = (
    pytest.param("initialize", marks=pytest.mark.req("JR-21")),
    "new_session",
    "stream",
    "order",
    pytest.param("permission_allow", marks=_ASKING),
    pytest.param("permission_reject", marks=_ASKING),
    pytest.param("fs_read", marks=_ASKING),
    "terminal",
    "cancel_waiting",
    "cancel_streaming",
    pytest.param("cancel_asking", marks=_ASKING),
    pytest.param("two_sessions", marks=pytest.mark.req("JR-22")),
    pytest.param("many_sessions", marks=pytest.mark.req("JR-22")),
    pytest.param("big_prompt", marks=pytest.mark.req("JR-22")),
    pytest.param("big_image", marks=pytest.mark.req("JR-22")),
    "unknown_session",
    "close",
    "no_complaints",
)
PYTHON = (
    *EVERYDAY,
    "end_of_input",
    pytest.param("load", marks=_LOADING),
    pytest.param("resume", marks=pytest.mark.spec("N-30")),
    "list_sessions",
    "form",
)
WITHOUT_FS = (
    "initialize",
    "new_session",
    pytest.param("permission_allow", marks=_ASKING),
    pytest.param("permission_reject", marks=_ASKING),
    pytest.param("fs_read", marks=_ASKING),
    "close",
    "end_of_input",
    "no_complaints",
)
SESSIONS = (
    "initialize",
    pytest.param("load_reads_as_lived", marks=_LOADING),
    pytest.param("load_while_a_prompt_runs", marks=pytest.mark.spec("N-29")),
    pytest.param("resume", marks=pytest.mark.spec("N-30")),
    "list",
    "close_and_delete",
    pytest.param("form", marks=pytest.mark.spec("N-68")),
    "url",
    "notices",
    "many_at_once",
    "no_complaints",
)
BRIDGE = (*EVERYDAY, "load_reads_as_lived", "list", "close_and_delete", "end_of_socket")
ACPX = (
    "initialize", "new_session", "stream", "permission_allow", "permission_reject", "fs_read", "terminal",
    "cancel_streaming", "goes_on", "set_mode", "list_sessions", "close", "big_prompt",
)  # fmt: skip
OUR_CLIENT = tuple(step.__name__ for step in our_client.STEPS)


@dataclass(frozen=True)
class Program:
    """How a program is run, and every step that it judges (some are parameters with marks).

    ``needs`` names the fixtures whose values ``run`` gets, after the directory that it may use: where a package is.
    """

    steps: Sequence[object]
    run: Callable[..., Report]
    needs: Sequence[str] = ()

    @property
    def judged(self) -> frozenset[str]:
        """The names of the steps."""
        return named_steps(self.steps)


def _python(*flags: str) -> Callable[..., Report]:
    program = [sys.executable, "-m", "conformance.interop.py_client"]

    def run(directory: Path, root: Path | None = None) -> Report:
        return run_program(program, directory, *flags, **_sdk(root))

    return run


def _typescript(name: str) -> Callable[..., Report]:
    def run(directory: Path, root: Path) -> Report:
        return run_program([npm.node(), str(INTEROP / name)], directory, **_sdk(root))

    return run


def _sessions(*flags: str) -> Callable[..., Report]:
    def run(directory: Path, root: Path) -> Report:
        program = [npm.node(), str(INTEROP / "ts_sessions.mjs")]
        return run_program(program, directory, str(directory / "frames"), *flags, agent=[*AGENT, *flags], **_sdk(root))

    return run


def _acpx(directory: Path, _root: Path) -> Report:
    program = [sys.executable, "-m", "conformance.interop.acpx_client"]
    agent = [*AGENT, "--trace-file", str(directory / "trace")]
    return run_program(program, directory, json.dumps(npm.command("acpx")), agent=agent)


def _python_agent(directory: Path, root: Path | None = None) -> Report:
    return our_client.drive([sys.executable, "-m", "conformance.interop.py_agent"], directory, **_sdk(root))


def _typescript_agent(directory: Path, root: Path) -> Report:
    return our_client.drive([npm.node(), str(INTEROP / "ts_agent.mjs")], directory, **_sdk(root))


def _sdk(root: Path | None) -> dict[str, str]:
    return {} if root is None else {"ACP_SDK_ROOT": str(root)}


PROGRAMS = {
    "python-client": Program(PYTHON, _python()),
    "python-client-without-fs": Program(WITHOUT_FS, _python("--without-fs")),
    "python-prerelease-client": Program((*PYTHON, "delete"), _python(), ["prerelease"]),
    "typescript-client": Program((*EVERYDAY, "end_of_input"), _typescript("ts_client.mjs"), ["sdk_root"]),
    "typescript-sessions": Program(SESSIONS, _sessions(), ["sdk_root"]),
    "typescript-unstable": Program(
        (*SESSIONS, "fork", "archive", "title", "auth_status"), _sessions("--unstable"), ["sdk_root"]
    ),
    "websocket-bridge": Program(BRIDGE, _typescript("ts_bridge.mjs"), ["sdk_root"]),
    "acpx": Program(ACPX, _acpx, ["sdk_root"]),
    "our-client-python": Program(OUR_CLIENT, _python_agent),
    "our-client-python-prerelease": Program((*OUR_CLIENT, "delete"), _python_agent, ["prerelease"]),
    "our-client-typescript": Program((*OUR_CLIENT, "delete"), _typescript_agent, ["sdk_root"]),
}
