"""The official Python SDK's client drives our agent over a real pipe (conformance/interop/py_client.py)."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from conformance.installing import INSTALL_S

from .client_program import CONFORMANCE, EVERY_STEP, Report, named_steps, run_program

PROGRAM = [sys.executable, "-m", "conformance.interop.py_client"]

STEPS = (
    *EVERY_STEP,
    pytest.param("load", marks=[pytest.mark.spec("N-29"), pytest.mark.promise("P12")]),
    pytest.param("resume", marks=pytest.mark.spec("N-30")),
    "list_sessions",
    "form",
)
PRERELEASE_STEPS = (*STEPS, "delete")
STEPS_WITHOUT_FS = (
    "initialize",
    "new_session",
    pytest.param("permission_allow", marks=pytest.mark.req("JR-12")),
    pytest.param("permission_reject", marks=pytest.mark.req("JR-12")),
    pytest.param("fs_read", marks=pytest.mark.req("JR-12")),
    "close",
    "end_of_input",
    "no_complaints",
)

# The first test of a module pays for the installation and for the whole run of the program.
pytestmark = pytest.mark.timeout(INSTALL_S + 120)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return run_program(PROGRAM, tmp_path_factory.mktemp("python-client"))


@pytest.fixture(scope="module")
def report_without_fs(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return run_program(PROGRAM, tmp_path_factory.mktemp("python-client-without-fs"), "--without-fs")


@pytest.fixture(scope="module")
def prerelease_report(prerelease: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return run_program(PROGRAM, tmp_path_factory.mktemp("python-prerelease"), ACP_SDK_ROOT=str(prerelease))


@pytest.mark.parametrize("step", STEPS)
def test_the_python_sdk_finds_the_step_ok(step: str, report: Report) -> None:
    report.expect(step)


@pytest.mark.parametrize("step", STEPS_WITHOUT_FS)
def test_the_python_sdk_finds_the_step_ok_without_file_methods(step: str, report_without_fs: Report) -> None:
    report_without_fs.expect(step)


@pytest.mark.parametrize("step", PRERELEASE_STEPS)
def test_the_prerelease_of_the_python_sdk_finds_the_step_ok(step: str, prerelease_report: Report) -> None:
    prerelease_report.expect(step)


def test_the_python_client_runs_on_the_pinned_versions(report: Report, prerelease_report: Report) -> None:
    stable = (CONFORMANCE.parent / "pyproject.toml").read_text("utf-8")
    newest = (CONFORMANCE / "interop" / "requirements-prerelease.txt").read_text("utf-8")
    for run, text in ((report, stable), (prerelease_report, newest)):
        (pinned,) = re.findall(r"agent-client-protocol==([\w.]+)", text)
        assert run.steps["initialize"][1].endswith(f"with the SDK {pinned}")


def test_the_python_client_judges_no_step_that_is_not_asserted_here(
    report: Report, report_without_fs: Report, prerelease_report: Report
) -> None:
    assert set(report.steps) == named_steps(STEPS)
    assert set(report_without_fs.steps) == named_steps(STEPS_WITHOUT_FS)
    assert set(prerelease_report.steps) == named_steps(PRERELEASE_STEPS)
    assert (report.status, report_without_fs.status, prerelease_report.status) == (0, 0, 0)


def test_the_python_client_leaves_no_agent_running(
    report: Report, report_without_fs: Report, prerelease_report: Report
) -> None:
    assert [*report.left_running, *report_without_fs.left_running, *prerelease_report.left_running] == []
