"""The official Python SDK's client drives our agent over a real pipe (conformance/interop/py_client.py)."""

from __future__ import annotations

import sys

import pytest

from .client_program import EVERY_STEP, Report, named_steps, run_program

PROGRAM = [sys.executable, "-m", "conformance.interop.py_client"]

STEPS = (
    *EVERY_STEP,
    pytest.param("load", marks=[pytest.mark.spec("N-29"), pytest.mark.promise("P12")]),
    pytest.param("resume", marks=pytest.mark.spec("N-30")),
    "list_sessions",
    "form",
)
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

# The first test of a module pays for the whole run of the program.
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return run_program(PROGRAM, tmp_path_factory.mktemp("python-client"))


@pytest.fixture(scope="module")
def report_without_fs(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return run_program(PROGRAM, tmp_path_factory.mktemp("python-client-without-fs"), "--without-fs")


@pytest.mark.parametrize("step", STEPS)
def test_the_python_sdk_finds_the_step_ok(step: str, report: Report) -> None:
    report.expect(step)


@pytest.mark.parametrize("step", STEPS_WITHOUT_FS)
def test_the_python_sdk_finds_the_step_ok_without_file_methods(step: str, report_without_fs: Report) -> None:
    report_without_fs.expect(step)


def test_the_python_client_judges_no_step_that_is_not_asserted_here(report: Report, report_without_fs: Report) -> None:
    assert set(report.steps) == named_steps(STEPS)
    assert set(report_without_fs.steps) == named_steps(STEPS_WITHOUT_FS)
    assert (report.status, report_without_fs.status) == (0, 0)


def test_the_python_client_leaves_no_agent_running(report: Report, report_without_fs: Report) -> None:
    assert [*report.left_running, *report_without_fs.left_running] == []
