"""The official TypeScript SDK's client drives our agent over a real pipe (conformance/interop/ts_client.mjs)."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.installing import INSTALL_S

from .client_program import CONFORMANCE, EVERY_STEP, Report, named_steps, run_program

# The first test of the module pays for the installation and for the whole run of the program.
pytestmark = pytest.mark.timeout(INSTALL_S + 120)


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
