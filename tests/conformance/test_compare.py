"""Several agents in one table: what is counted, and what each does not meet."""

from __future__ import annotations

import datetime

import pytest

from conformance.compare import Judged, main, rendered
from conformance.requirements import Requirement, requirements
from conformance.verdicts import Result, Verdict

MUST = next(row for row in requirements("agent") if row.level == "MUST")
SHOULD = next(row for row in requirements("agent") if row.level == "SHOULD")


def judged(*verdicts: tuple[Requirement, Verdict]) -> Judged:
    return Judged([Result(row, verdict) for row, verdict in verdicts], 2.4)


def test_each_agent_has_a_line_for_each_level_and_its_failures_by_name() -> None:
    good = judged((MUST, Verdict.PASS), (SHOULD, Verdict.NOT_EXERCISED))
    bad = judged((MUST, Verdict.FAIL), (SHOULD, Verdict.PASS))
    lines = list(rendered({"good": good, "bad": bad}, datetime.date(2026, 1, 2)))
    assert lines[0].startswith("| 2026-01-02 | level | pass | fail | not applicable | not exercised |")
    assert lines[2:] == [
        "| good | MUST | 1 | 0 | 0 | 0 | 0 | 2 s |",
        "| good | SHOULD | 0 | 0 | 0 | 1 | 0 | 2 s |",
        "| bad | MUST | 0 | 1 | 0 | 0 | 0 | 2 s |",
        "| bad | SHOULD | 1 | 0 | 0 | 0 | 0 | 2 s |",
        "",
        f"- bad fails 1 MUST: `{MUST.id}`",
    ]


def test_an_agent_without_a_name_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--agent", "nameless"])
    assert ended.value.code == 2
    assert "NAME=CMD" in capsys.readouterr().err
