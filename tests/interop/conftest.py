"""Runs each program once, for all the tests that look at its report."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client_program import Report
from .programs import PROGRAMS
from .shared_run import once


@pytest.fixture
def report_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Report]:
    """Return a function from the name of a program to its report; the test is skipped if a package is missing."""

    def report(name: str) -> Report:
        program = PROGRAMS[name]
        packages = [request.getfixturevalue(need) for need in program.needs]
        return once(tmp_path_factory, name, lambda directory: program.run(directory, *packages))

    return report
