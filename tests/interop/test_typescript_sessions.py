"""The official TypeScript SDK's client comes back to our agent's sessions (conformance/interop/ts_sessions.mjs)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conformance.installing import INSTALL_S

from .client_program import AGENT, CONFORMANCE, Report, named_steps, run_program

STEPS = (
    "initialize",
    pytest.param("load_reads_as_lived", marks=[pytest.mark.spec("N-29"), pytest.mark.promise("P12")]),
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
UNSTABLE_STEPS = ("fork", "archive", "title", "auth_status")

# The first test of the module pays for the installation and for the whole run of the programs.
pytestmark = pytest.mark.timeout(INSTALL_S + 120)


@dataclass(frozen=True)
class Run:
    """What the program told, and every message that it saw with the published schema of what it speaks."""

    report: Report
    frames: Path
    schema: Mapping[str, Any]


@pytest.fixture(scope="module")
def stable(node: str, sdk_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _run(node, sdk_root, tmp_path_factory.mktemp("typescript-sessions"))


@pytest.fixture(scope="module")
def unstable(node: str, sdk_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _run(node, sdk_root, tmp_path_factory.mktemp("typescript-unstable"), "--unstable")


def _run(node: str, sdk_root: Path, directory: Path, *flags: str) -> Run:
    program = [node, str(CONFORMANCE / "interop" / "ts_sessions.mjs")]
    frames = directory / "frames.jsonl"
    report = run_program(program, directory, str(frames), *flags, agent=[*AGENT, *flags], ACP_SDK_ROOT=str(sdk_root))
    name = "schema.unstable.json" if flags else "schema.json"
    schema = json.loads((sdk_root / "node_modules" / "@agentclientprotocol/sdk" / "schema" / "v1" / name).read_bytes())
    return Run(report, frames, schema)


@pytest.mark.parametrize("step", STEPS)
def test_the_typescript_sdk_finds_the_step_with_sessions_ok(step: str, stable: Run) -> None:
    stable.report.expect(step)


@pytest.mark.parametrize("step", [*STEPS, *UNSTABLE_STEPS])
def test_the_unstable_typescript_sdk_finds_the_step_with_sessions_ok(step: str, unstable: Run) -> None:
    unstable.report.expect(step)


def test_the_program_judges_no_step_that_is_not_asserted_here(stable: Run, unstable: Run) -> None:
    assert set(stable.report.steps) == named_steps(STEPS)
    assert set(unstable.report.steps) == named_steps([*STEPS, *UNSTABLE_STEPS])
    assert (stable.report.status, unstable.report.status) == (0, 0)
    assert [*stable.report.left_running, *unstable.report.left_running] == []


def test_every_message_of_our_agent_fits_the_stable_schema(stable: Run) -> None:
    _check_messages(stable)


def test_every_message_of_our_agent_fits_the_unstable_schema(unstable: Run) -> None:
    _check_messages(unstable)


def _check_messages(run: Run) -> None:
    definitions = {
        (definition["x-method"], kind): jsonschema.Draft202012Validator(
            {**run.schema, "anyOf": [{"$ref": f"#/$defs/{name}"}]}
        )
        for name, definition in run.schema["$defs"].items()
        for kind in ("Request", "Response", "Notification")
        if "x-method" in definition and name.endswith(kind)
    }
    seen: set[str] = set()
    for method, kind, value in _sent_by_the_agent(run.frames):
        # Thousands of chunks differ in nothing that a schema looks at.
        key = f"{method} {kind} {json.dumps(value, sort_keys=True)}"
        if key not in seen:
            seen.add(key)
            definitions[method, kind].validate(value)
    methods = {key.split()[0] for key in seen}
    assert {"session/load", "session/list", "session/resume", "elicitation/create", "session/update"} <= methods


def _sent_by_the_agent(frames: Path) -> Iterator[tuple[str, str, Any]]:
    """The method, the kind and the params or result of each message; errors are looked at in the steps."""
    asked: dict[Any, str] = {}
    for line in frames.read_text(encoding="utf-8").splitlines():
        seen = json.loads(line)
        message = seen["message"]
        if not seen["ofAgent"]:
            if "method" in message and "id" in message:
                asked[message["id"]] = message["method"]
        elif "method" in message:
            yield message["method"], "Request" if "id" in message else "Notification", message["params"]
        elif "result" in message:
            yield asked[message["id"]], "Response", message["result"]
