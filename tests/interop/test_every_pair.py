"""Our agent and the clients of others, our client and the agents of others, over real pipes and sockets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest

from conformance.installing import INSTALL_S

from .client_program import CONFORMANCE, Report
from .matrix import MATRIX, ROWS, NotOffered, Shown
from .programs import PROGRAMS

# The first test of a program pays for the installation and for the whole run.
pytestmark = pytest.mark.timeout(INSTALL_S + 120)

ReportOf = Callable[[str], Report]


def _every_step() -> Iterator[object]:
    for name, program in PROGRAMS.items():
        for step in program.steps:
            marks = getattr(step, "marks", ())
            (word,) = getattr(step, "values", (step,))
            yield pytest.param(name, word, marks=marks, id=f"{name}-{word}")


@pytest.mark.parametrize(("name", "step"), [*_every_step()])
def test_the_program_finds_the_step_ok(name: str, step: str, report_of: ReportOf) -> None:
    report_of(name).expect(step)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_judges_no_other_step_and_ends_well(name: str, report_of: ReportOf) -> None:
    report = report_of(name)
    assert set(report.steps) == PROGRAMS[name].judged
    assert report.status == 0


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_leaves_no_process_running(name: str, report_of: ReportOf) -> None:
    assert report_of(name).left_running == []


@pytest.mark.parametrize("pair", MATRIX)
def test_every_cell_of_the_matrix_is_a_step_that_is_tested_or_a_reason(pair: str) -> None:
    cells = MATRIX[pair]
    assert tuple(cells) == ROWS
    for row, cell in cells.items():
        if isinstance(cell, Shown):
            assert cell.step in PROGRAMS[cell.program].judged, row
        else:
            assert cell.why, row


def test_what_a_client_does_not_offer_is_in_no_program_that_drives_for_the_pair() -> None:
    for cells in MATRIX.values():
        programs = {cell.program for cell in cells.values() if isinstance(cell, Shown)}
        absent = {row for row, cell in cells.items() if isinstance(cell, NotOffered)}
        for program in programs:
            assert not absent & PROGRAMS[program].judged


@pytest.mark.parametrize(
    ("name", "file", "sdk"),
    [
        ("python-client", "pyproject.toml", "SDK"),
        ("python-prerelease-client", "conformance/interop/requirements-prerelease.txt", "SDK"),
        ("our-client-python", "pyproject.toml", "interop-python"),
        ("our-client-python-prerelease", "conformance/interop/requirements-prerelease.txt", "interop-python"),
    ],
)
def test_the_python_programs_run_on_the_pinned_versions(name: str, file: str, sdk: str, report_of: ReportOf) -> None:
    (pinned,) = re.findall(r"agent-client-protocol==([\w.]+)", (CONFORMANCE.parent / file).read_text("utf-8"))
    assert report_of(name).steps["initialize"][1].endswith(f"{sdk} {pinned}")
    assert any(pinned in pair for pair in MATRIX)


def test_the_matrix_names_the_pinned_versions() -> None:
    pinned = json.loads((CONFORMANCE / "package.json").read_bytes())["dependencies"]
    named = " ".join(MATRIX)
    assert f"TypeScript SDK {pinned['@agentclientprotocol/sdk']}" in named
    assert f"acpx {pinned['acpx']}" in named
    assert f"stdio-to-ws {pinned['stdio-to-ws']}" in named


def test_acpx_makes_resumes_lists_and_closes_sessions_with_the_methods_of_the_protocol(report_of: ReportOf) -> None:
    report = report_of("acpx")
    lines = [json.loads(line) for line in (report.directory / "trace").read_text("utf-8").splitlines()]
    asked = {line["frame"].get("method") for line in lines if line["direction"] == "received"}
    assert {"session/new", "session/resume", "session/set_mode", "session/list", "session/close"} <= asked
    (closing,) = [line["frame"]["id"] for line in lines if line["frame"].get("method") == "session/close"]
    answers = [line["frame"] for line in lines if line["direction"] == "sent" and line["frame"].get("id") == closing]
    assert {} in [answer.get("result") for answer in answers]
