"""Runs a program that drives our agent, and reads what it reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

CONFORMANCE = Path(__file__).resolve().parents[2] / "conformance"
AGENT = [sys.executable, "-m", "agent_server"]
PROGRAM_S = 120.0
MARKER = "INTEROP_RUN"


def named_steps(parameters: Sequence[object]) -> frozenset[str]:
    """Return the names in a list of parameters, of which some carry marks."""
    return frozenset(str(getattr(parameter, "values", [parameter])[0]) for parameter in parameters)


@dataclass(frozen=True)
class Report:
    """What a program told: for each step whether it was ok and why, how it exited, and which processes it left running.

    ``directory`` is the one that it used; what it wrote there is still there.
    """

    steps: Mapping[str, tuple[bool, str]]
    status: int
    stderr: str
    left_running: Sequence[int]
    directory: Path

    def expect(self, step: str) -> None:
        """Fail, with what the program and the agent said, unless the step was run and ok."""
        assert step in self.steps, f"the program ended with {self.status} before the step {step}\n{self.stderr}"
        ok, detail = self.steps[step]
        assert ok, f"{step}: {detail}\n{self.stderr}"


def run_program(
    program: Sequence[str], directory: Path, *flags: str, agent: Sequence[str] = AGENT, **environment: str
) -> Report:
    """Run ``program AGENT WORKSPACE flags`` in a home of its own; ``directory`` is empty and ours."""
    workspace = directory / "workspace"
    workspace.mkdir()
    marker = uuid.uuid4().hex
    done = subprocess.run(
        [*program, json.dumps(agent), str(workspace), *flags],
        cwd=CONFORMANCE.parent,
        env={**_clean_environment(directory / "home"), **environment, MARKER: marker},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PROGRAM_S,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    steps = {line["step"]: (line["ok"], line["detail"]) for line in lines}
    return Report(steps, done.returncode, done.stderr[-4000:], processes_of(marker), directory)


def _clean_environment(home: Path) -> dict[str, str]:
    """Keep the developer's own settings, keys and stored sessions out of the run."""
    home.mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AGENT_SERVER_", "XDG_")) and not name.endswith(("_API_KEY", "_TOKEN"))
    }
    return {**kept, "HOME": str(home), "USERPROFILE": str(home), "AGENT_SERVER_LOCAL_MODELS": "false"}


def processes_of(marker: str) -> list[int]:
    """Return the ids of the living processes that were started with the marker in their environment."""
    return [process.pid for process in psutil.process_iter() if _marker_of(process) == marker]


def _marker_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARKER)
    except (psutil.Error, OSError):
        return None
