"""``python -m conformance``: what it prints and writes, and how it exits."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from conformance.programs import words
from conformance.requirements import requirements

ROOT = Path(__file__).parents[2]
OURS = shlex.join([sys.executable, "-m", "agent_server"])
RUN_S = 50

ECHOING = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        result = {"protocolVersion": message["params"]["protocolVersion"], "agentCapabilities": {}}
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
    elif "id" in message and message.get("method") == "session/new" and sys.argv[1:] == ["locked"]:
        answer = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32000, "message": "Log in first"}}
    elif "id" in message:
        answer = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}}
    else:
        continue
    print(json.dumps(answer), flush=True)
"""


def kit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_S, check=False)


@pytest.fixture
def echoing(tmp_path: Path) -> str:
    program = tmp_path / "echoing.py"
    program.write_text(ECHOING, encoding="utf-8")
    return shlex.join([sys.executable, str(program)])


def verdicts(report: Path) -> dict[str, str]:
    results: Sequence[dict[str, str]] = json.loads(report.read_bytes())["results"]
    return {row["id"]: row["verdict"] for row in results}


def test_every_requirement_is_listed_with_its_level_and_its_sentence() -> None:
    listed = kit("--list", "--unstable")
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == len(requirements("agent"))
    assert len(kit("--list", "--client", "x").stdout.splitlines()) == len(requirements("client"))
    one = kit("--list", "--only", "init.same-version").stdout
    assert one.split(maxsplit=3)[:3] == ["init.same-version", "MUST", "initialization"]


@pytest.mark.parametrize("arguments", [[], ["--agent", "x", "--only", "no.such"], ["--nonsense"]])
def test_a_wrong_command_line_exits_with_2(arguments: list[str]) -> None:
    done = kit(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "error:" in done.stderr


def test_an_agent_that_keeps_everything_asked_for_exits_with_0(tmp_path: Path) -> None:
    report, junit = tmp_path / "report.json", tmp_path / "report.xml"
    done = kit("--agent", OURS, "--only", "init.*", "frame.utf-8", "--json", str(report), "--junit", str(junit))
    assert done.returncode == 0, done.stdout
    assert set(verdicts(report).values()) <= {"pass", "not applicable"}
    jsonschema.validate(json.loads(report.read_bytes()), report_schema())
    suite = ElementTree.parse(junit).getroot()[0]
    assert suite.get("failures") == "0"
    assert [case.get("name") for case in suite] == list(verdicts(report))


def test_a_failure_comes_with_the_transcript_that_shows_it(tmp_path: Path, echoing: str) -> None:
    report, junit, transcripts = tmp_path / "report.json", tmp_path / "report.xml", tmp_path / "transcripts"
    done = kit(
        *("--agent", echoing, "--only", "init.own-newest-version", "init.agent-info", "init.same-version"),
        *("--json", str(report), "--junit", str(junit), "--transcript", str(transcripts)),
    )
    assert done.returncode == 1
    assert verdicts(report) == {
        "init.same-version": "pass",
        "init.own-newest-version": "fail",
        "init.agent-info": "fail",
    }
    document = json.loads(report.read_bytes())
    jsonschema.validate(document, report_schema())
    assert document["counts"]["MUST"]["fail"] == document["counts"]["SHOULD"]["fail"] == 1
    shown = document["results"][1]["transcripts"][0]
    assert '-> {"jsonrpc":"2.0"' in shown
    assert "65535" in shown
    assert "65535" in (transcripts / "init.own-newest-version.txt").read_text()
    suite = ElementTree.parse(junit).getroot()[0]
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "1")  # a SHOULD that failed fails no build
    assert "FAIL" in done.stdout


def test_a_relative_path_of_a_program_is_found_wherever_the_program_is_started(tmp_path: Path, echoing: str) -> None:
    python, program = shlex.split(echoing)
    assert words(shlex.join([python, os.path.relpath(program)])) == [os.path.abspath(python), program]
    assert words("agent 'a/word that is no file' hello") == ["agent", "a/word that is no file", "hello"]


def test_what_was_not_exercised_is_no_pass(tmp_path: Path, echoing: str) -> None:
    report = tmp_path / "report.json"
    done = kit("--agent", echoing, "--only", "prompt.again", "--json", str(report))
    assert (done.returncode, verdicts(report)) == (3, {"prompt.again": "not exercised"})


def test_an_agent_that_wants_a_login_blocks_what_needs_a_session(tmp_path: Path, echoing: str) -> None:
    report = tmp_path / "report.json"
    done = kit("--agent", f"{echoing} locked", "--only", "prompt.again", "mode.set", "--json", str(report))
    assert done.returncode == 3
    assert set(verdicts(report).values()) == {"blocked by authentication"}


def test_an_agent_that_does_not_start_is_said_to_be_so(tmp_path: Path) -> None:
    done = kit("--agent", str(tmp_path / "nothing"), "--only", "init.*")
    assert done.returncode == 3
    assert "cannot be started" in done.stdout


def report_schema() -> dict[str, object]:
    schema: dict[str, object] = json.loads((ROOT / "schemas" / "conformance.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema
