from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

SCRIPTED = Path(__file__).parents[1] / "client" / "scripted_agent.py"
AGENT = shlex.join([sys.executable, str(SCRIPTED)])
EXEC = [sys.executable, "-m", "agent_server", "exec"]


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_SERVER_")}
    kept["AGENT_SERVER_LOCAL_MODELS"] = "false"
    return {**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "TERM": "xterm"}


@contextmanager
def start(
    home: Path, *arguments: str, agent: str | None = AGENT, stdin: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[str]]:
    own = [] if agent is None else ["--agent", agent]
    with subprocess.Popen(
        [*EXEC, *own, *arguments],
        cwd=home,
        env=environment(home),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(home: Path, *arguments: str, agent: str | None = AGENT, prompt: str | None = None) -> tuple[int, str, str]:
    stdin = subprocess.DEVNULL if prompt is None else subprocess.PIPE
    with start(home, *arguments, agent=agent, stdin=stdin) as process:
        out, err = process.communicate(prompt, timeout=30)
    return process.returncode, out, err


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    while text not in seen:
        piece = process.stdout.read(1)
        assert piece, seen
        seen += piece
    return seen


def assert_gone(processes: Sequence[psutil.Process]) -> None:
    assert processes
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert not alive


@pytest.mark.req("JR-12")
def test_the_text_alone_goes_to_stdout(tmp_path: Path) -> None:
    assert run(tmp_path, "say", "Hello |you") == (0, "Hello you\n", "")


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_the_prompt_may_come_from_stdin(tmp_path: Path, arguments: list[str]) -> None:
    assert run(tmp_path, *arguments, prompt="say ä") == (0, "ä\n", "")


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("stop refusal", 4), ("stop max_tokens", 6), ("stop max_turn_requests", 6), ("stop end_turn", 0)],
)
def test_the_stop_reason_decides_the_exit_code(tmp_path: Path, prompt: str, code: int) -> None:
    assert run(tmp_path, prompt)[0] == code


def test_a_failed_turn_is_one_line_with_its_details_made_harmless(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "fail")
    assert (code, out, err) == (1, "", "error: Internal error: it broke\\x1b[31m\n")


def test_an_agent_that_dies_or_cannot_start_is_told_apart_from_a_failed_turn(tmp_path: Path) -> None:
    code, _, err = run(tmp_path, "die")
    assert code == 3
    assert "last words" in err
    code, _, err = run(tmp_path, "hi", agent="no-such-agent")
    assert code == 3
    assert "'no-such-agent' could not be started: No such file" in err
    code, _, err = run(tmp_path, "hi", agent=f"{AGENT} 2")
    assert code == 3
    assert "ACP version 2" in err


@pytest.mark.parametrize(
    "arguments",
    [
        [""],
        ["--cwd", "missing", "hi"],
        ["--timeout", "0", "hi"],
        ["--agent", "'", "hi"],
        ["--yes", "--read-only", "hi"],
        ["--model", "x", "hi"],
    ],
)
def test_a_wrong_command_line_is_2(tmp_path: Path, arguments: list[str]) -> None:
    code, out, err = run(tmp_path, *arguments)
    assert (code, out) == (2, "")
    assert err


def test_the_help_explains_the_exit_codes(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, "--help")
    assert code == 0
    assert "124  timed out" in out


@pytest.mark.req("JR-12")
def test_without_a_terminal_a_permission_is_rejected_and_that_is_said(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "edit /x/a.txt")
    assert (code, out) == (5, "Editing.\nIt failed.\n")
    assert "permission rejected: Edit /x/a.txt (no terminal to ask at" in err
    assert "--- /x/a.txt\n+++ /x/a.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+TWO\n" in err
    assert "! Edit /x/a.txt (failed)" in err


@pytest.mark.req("JR-12")
def test_yes_approves_once(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "--yes", "edit /x/a.txt")
    assert (code, out) == (0, "Editing.\nIt completed.\n")
    assert "+ Edit /x/a.txt (completed)" in err


def test_read_only_rejects_sets_the_mode_plan_and_serves_no_writing(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "--read-only", "ask")
    assert (code, out) == (5, "no\n")
    assert "mode: plan\n" in err
    assert "Do it\\x1b[2J\\u202e (--read-only)" in err
    assert run(tmp_path, "--read-only", f"write {tmp_path}/a b")[0] == 1
    assert run(tmp_path, f"write {tmp_path}/b b")[0] == 0
    assert [name.name for name in tmp_path.iterdir() if name.is_file()] == ["b"]


def test_json_is_every_update_as_it_came_and_then_the_result(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "--json", "unknown")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [line["type"] for line in lines] == ["update", "update", "result"]
    assert lines[0]["update"] == {"sessionUpdate": "from_the_future", "x": 1}
    assert lines[-1] == {"type": "result", "stopReason": "end_turn", "exitCode": 0, "error": None}


def test_json_tells_the_error_too(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, "--json", "fail because")
    (result,) = [json.loads(line) for line in out.splitlines()]
    assert (code, result["exitCode"], result["stopReason"]) == (1, 1, None)
    assert result["error"] == {"message": "Internal error", "code": -32603, "data": {"details": "because"}}


def test_a_timeout_cancels_and_leaves_nobody_behind(tmp_path: Path) -> None:
    for prompt in ("wait", "deaf"):
        with start(tmp_path, "--timeout", "1.5", prompt) as process:
            read_until(process, prompt[:4])
            children = psutil.Process(process.pid).children(recursive=True)
            process.communicate(timeout=20)
            assert process.returncode == 124
            assert_gone(children)


def test_the_first_ctrl_c_asks_the_agent_to_stop(tmp_path: Path) -> None:
    with start(tmp_path, "wait") as process:
        read_until(process, "waiting")
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (130, " stopped\n")
        assert "cancelled" in err
        assert_gone(children)


def test_the_second_ctrl_c_ends_an_agent_that_does_not_listen(tmp_path: Path) -> None:
    with start(tmp_path, "deaf") as process:
        read_until(process, "deaf")
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "once more" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 130
        assert_gone(children)


def test_sigterm_ends_an_agent_that_does_not_listen(tmp_path: Path) -> None:
    with start(tmp_path, "deaf") as process:
        read_until(process, "deaf")
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 130
        assert_gone(children)


def test_a_killed_client_takes_its_agent_along(tmp_path: Path) -> None:
    with start(tmp_path, "wait") as process:
        read_until(process, "waiting")
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate(timeout=20)
        assert_gone(children)


@pytest.mark.parametrize("mode", [[], ["--json"]])
def test_a_reader_that_goes_away_ends_everything_quietly(tmp_path: Path, mode: list[str]) -> None:
    with start(tmp_path, *mode, "flood 10000000") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        process.stdout.close()
        process.wait(timeout=20)
        assert (process.returncode, process.stderr.read()) == (130, "")
        assert_gone(children)


def test_a_reader_that_does_not_read_cannot_hold_up_ctrl_c_or_fill_memory(tmp_path: Path) -> None:
    with start(tmp_path, "flood 10000000") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        _until_quiet(psutil.Process(process.pid))
        assert psutil.Process(process.pid).memory_info().rss < 200 * 1024 * 1024
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        assert process.returncode == 130
        assert_gone(children)


def _until_quiet(process: psutil.Process) -> None:
    """Wait until it uses no processor time for a while: everything between it and its agent is full."""
    before = -1.0
    for _ in range(100):
        times = process.cpu_times()
        if times.user + times.system == before:
            return
        before = times.user + times.system
        process.cpu_percent(interval=0.3)
    pytest.fail("it never came to rest")


@pytest.mark.req("JR-12")
def test_our_own_server_edits_a_file_after_the_permission_and_not_without(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello world\n")
    code, out, err = run(tmp_path, '/edit a.txt "hello" "goodbye"', agent=None)
    assert (code, path.read_text()) == (5, "hello world\n")
    assert "permission rejected" in err
    code, out, err = run(tmp_path, "--yes", '/edit a.txt "hello" "goodbye"', agent=None)
    assert (code, path.read_text()) == (0, "goodbye world\n")
    assert "-hello world\n+goodbye world\n" in err
    assert "changed" in out


def test_our_own_server_is_cancelled_and_gone(tmp_path: Path) -> None:
    with start(tmp_path, "/test wait", agent=None) as process:
        read_until(process, "cancelled.")
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 130
        assert_gone(children)


def test_what_lies_in_the_directory_to_work_in_is_never_imported(tmp_path: Path) -> None:
    (tmp_path / "agent_server").mkdir()
    (tmp_path / "agent_server" / "__init__.py").write_text("raise SystemExit(99)")
    (tmp_path / "orjson.py").write_text("raise SystemExit(99)")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "agent_server", "exec", "/test plan"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "[x] Check" in done.stderr
