"""The serving command as whoever launches it meets it: flags, files, exit codes."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_server import __version__
from agent_server.cli.trace import redacted, trace_line
from agent_server.conversation.redaction import REDACTED
from tests.promises.agent_process import SERVER, agent_process, scenario_file

SECRET = "canary-4f1d"


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SERVER, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env=environment,
    )


def test_the_version_is_said_on_stdout() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"agent-server {__version__}\n", "")


def test_the_help_names_the_commands_and_the_flags() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("exec", "--model", "--trace", "--log-file"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nonsense"], ["--nonsense"]),
        (["--model", "gpt-99"], ["--model", "offline"]),
        (["--model", "scenario:/nowhere.json"], ["/nowhere.json"]),
        (["--drain-s", "soon"], ["--drain-s", "expected"]),
        (["--max-frame-bytes", "-1"], ["--max-frame-bytes", "expected"]),
        (["--trace", "/nowhere/trace"], ["/nowhere/trace"]),
        (["--log-file", "/nowhere/log"], ["/nowhere/log"]),
    ],
)
def test_what_cannot_be_served_is_one_line_on_stderr_and_exit_code_2(arguments: list[str], words: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert all(word in done.stderr for word in words)
    assert "Traceback" not in done.stderr


def test_nobody_at_the_other_end_is_no_failure() -> None:
    done = run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.promise("P13")
def test_a_trace_holds_every_frame_without_what_is_secret(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    server: dict[str, Any] = {"name": "m", "command": "/bin/m", "args": [], "env": [{"name": "KEY", "value": SECRET}]}
    with agent_process(tmp_path, "--trace", str(trace)) as agent:
        agent.call("initialize", protocolVersion=1)
        agent.call("session/new", cwd=str(tmp_path), mcpServers=[server])
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [(line["direction"], line["frame"].get("method")) for line in lines[:3]] == [
        ("received", "initialize"),
        ("sent", None),
        ("received", "session/new"),
    ]
    assert SECRET not in trace.read_text()
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600


@pytest.mark.promise("P13")
def test_redaction_goes_by_the_names_of_fields_and_reaches_into_everything() -> None:
    frame = {
        "params": {
            "env": {"A": SECRET},
            "headers": [{"name": "x", "value": SECRET}, SECRET],
            "list": [{"apiKey": SECRET, "password": SECRET, "Authorization": SECRET, "kept": "text"}],
        }
    }
    shown = redacted(frame)
    assert SECRET not in json.dumps(shown)
    assert shown["params"]["list"][0]["kept"] == "text"
    assert shown["params"]["env"] == {"A": REDACTED}


def test_a_trace_line_of_garbage_says_only_how_much_there_was() -> None:
    assert json.loads(trace_line(1.0, "received", b"\xffnot json")) == {
        "time": 1.0,
        "direction": "received",
        "bytes": 9,
        "unreadable": True,
    }


@pytest.mark.req("TN-18")
def test_a_log_file_has_one_json_object_a_line_and_stderr_stays_silent(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with agent_process(tmp_path, "--log-file", str(log)) as agent:
        prompt = agent.prompt(agent.new_session(tmp_path), "/test noop")
        assert agent.answer(prompt)["result"]["stopReason"] == "end_turn"
        agent.end_of_input()
        assert agent.exit_code(within_s=1.8) == 0
        assert agent.popen.stderr is not None
        assert agent.popen.stderr.read() == b""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert any("turn 1 of session-1: end_turn" in entry["message"] for entry in entries)
    assert all({"time", "level", "logger", "message"} <= set(entry) for entry in entries)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_project_file_lowers_the_limit_of_its_own_sessions_only(tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    project.mkdir()
    elsewhere.mkdir()
    (project / "agent-server.toml").write_text("max_turn_requests = 1\nlog_file = '/tmp/never'\n")
    model = scenario_file(tmp_path, [{"tool": "list_directory", "arguments": {}}], [{"text": "done"}])
    with agent_process(tmp_path, "--model", model, "--max-turn-requests", "3") as agent:
        agent.call("initialize", protocolVersion=1)
        sessions = [agent.call("session/new", cwd=str(cwd), mcpServers=[])["sessionId"] for cwd in (project, elsewhere)]
        calls = []
        for session_id in sessions:
            before = len(agent.frames())
            agent.answer(agent.prompt(session_id, "go"))
            updates = [frame.get("params", {}).get("update", {}) for frame in agent.frames()[before:]]
            calls.append(sum(update.get("sessionUpdate") == "tool_call" for update in updates))
    assert calls == [1, 3]


def test_a_command_gets_the_variables_that_were_named_and_no_secrets(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    settings = tmp_path / "home/agent-server"
    settings.mkdir()
    (settings / "config.toml").write_text('tool_env_allow = ["MY_TOKEN"]\n')
    model = scenario_file(tmp_path, [{"tool": "run_command", "arguments": {"command": "env"}}])
    launcher = (
        "import os, sys; os.environ.update(MY_TOKEN='yes', OTHER_TOKEN='no');"
        "os.execv(sys.executable, [sys.executable, '-m', 'agent_server', *sys.argv[1:]])"
    )
    command = (sys.executable, "-c", launcher)
    with agent_process(tmp_path, "--model", model, "--max-turn-requests", "1", command=command) as agent:
        prompt = agent.prompt(agent.new_session(tmp_path), "go")
        question = agent.read_until(lambda: next((f for f in agent.frames() if "method" in f and "id" in f), None))
        agent.write({"id": question["id"], "result": {"outcome": {"outcome": "selected", "optionId": "approve"}}})
        agent.answer(prompt)
    assert b"MY_TOKEN=yes" in agent.raw
    assert b"OTHER_TOKEN" not in agent.raw
