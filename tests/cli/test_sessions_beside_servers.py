"""``agent-server sessions`` as a program, on stores that servers wrote, write, or died over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent_server.conversation.events import TitleChanged
from agent_server.store.files import FileStore
from agent_server.store.sqlite_catalogue import SqliteCatalogue
from tests.conversation.stories import beginning, turn
from tests.promises.agent_process import SERVER, agent_process
from tests.store.stocked import put, session_id

from .test_exec_terminal import on_terminal


def run(store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*SERVER, "sessions", arguments[0], "--store-dir", str(store), *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)


def listed(store: Path) -> list[dict[str, object]]:
    done = run(store, "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.req("PE-10")
def test_what_a_server_does_just_now_can_be_listed_shown_and_exported_and_not_deleted(tmp_path: Path) -> None:
    store, work = tmp_path / "store", tmp_path / "work"
    work.mkdir()
    with agent_process(work, "--store-dir", str(store)) as agent:
        name = agent.new_session(work)
        agent.answer(agent.prompt(name, "what is in this directory?"))
        shown = run(store, "show", name)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "user:\nwhat is in this directory?\n" in shown.stdout
        assert run(store, "export", name[:20], "--format", "html").stdout.startswith("<!doctype html>")
        refused = run(store, "delete", "--yes", name)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert f"in use by process {agent.popen.pid}" in refused.stderr
        answer = agent.answer(agent.prompt(name, "and now?"))
        assert answer["result"]["stopReason"] == "end_turn"
    (row,) = listed(store)
    assert (row["sessionId"], row["turnCount"], row["firstPrompt"]) == (name, 2, "what is in this directory?")
    assert run(store, "delete", "--yes", "1").stdout == f"deleted {name}\n"
    assert listed(store) == []


def test_what_a_server_left_that_was_killed_is_there(tmp_path: Path) -> None:
    store, work = tmp_path / "store", tmp_path / "work"
    work.mkdir()
    with agent_process(work, "--store-dir", str(store)) as agent:
        name = agent.new_session(work)
        agent.answer(agent.prompt(name, "hello"))
        os.kill(agent.popen.pid, signal.SIGKILL)
        agent.popen.wait(10)
    (row,) = listed(store)
    assert (row["sessionId"], row["firstPrompt"]) == (name, "hello")
    assert run(store, "delete", "--yes", name).returncode == 0


def test_a_list_that_was_lost_is_made_anew_from_the_logs(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "store"))
    catalogue = SqliteCatalogue(str(tmp_path / "store" / "catalogue.sqlite3"))
    names = [put(store, catalogue, number, f"2026-11-20T10:00:0{number}.000Z") for number in range(3)]
    store.close()
    catalogue.close()
    for path in (tmp_path / "store").glob("catalogue*"):
        path.unlink()
    assert sorted(str(row["sessionId"]) for row in listed(tmp_path / "store")) == names


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = run(tmp_path / "none", "list")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no sessions\n")
    assert run(tmp_path / "none", "show", "1").returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_a_file_is_a_failure_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "catalogue.sqlite3").mkdir()
    done = run(tmp_path / "store", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("agent-server sessions: ") and done.stderr.count("\n") == 1


def test_it_stops_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "store"))
    catalogue = SqliteCatalogue(str(tmp_path / "store" / "catalogue.sqlite3"))
    long = [event for number in range(1, 2000) for event in turn(number, "x" * 100, "y" * 100, 2 * number)]
    put(store, catalogue, 1, "2026-11-20T10:00:00.000Z", [*beginning(), *long])
    store.close()
    catalogue.close()
    command = [*SERVER, "sessions", "show", "--store-dir", str(tmp_path / "store"), "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reading:
        assert reading.stdout is not None and reading.stderr is not None
        assert reading.stdout.read(10)
        reading.stdout.close()
        assert reading.stderr.read() == b""
        assert reading.wait(10) == 0


def test_on_a_terminal_it_asks_before_it_deletes(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "store"))
    catalogue = SqliteCatalogue(str(tmp_path / "store" / "catalogue.sqlite3"))
    for number in (1, 2):
        events = [*beginning(), *turn(1, "a", "b", 2), TitleChanged("bell\x07", "user")]
        put(store, catalogue, number, f"2026-11-20T10:00:0{number}.000Z", events)
    store.close()
    catalogue.close()
    arguments = ["sessions", "delete", "--store-dir", str(tmp_path / "store"), "1"]
    with on_terminal(tmp_path, [sys.executable, "-m", "agent_server", *arguments]) as screen:
        screen.wait_for("[y/N] ")
        assert "bell\\x07" in screen.text and "\x07" not in screen.text
        screen.type("\n")
        assert screen.exit_code() == 1
        assert "nothing was deleted" in screen.text
    assert len(listed(tmp_path / "store")) == 2
    with on_terminal(tmp_path, [sys.executable, "-m", "agent_server", *arguments]) as screen:
        screen.wait_for("[y/N] ")
        screen.type("y\n")
        assert screen.exit_code() == 0
    assert [row["sessionId"] for row in listed(tmp_path / "store")] == [session_id(1)]


def test_on_a_terminal_it_is_in_colour_and_steers_nothing(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "store"))
    catalogue = SqliteCatalogue(str(tmp_path / "store" / "catalogue.sqlite3"))
    put(store, catalogue, 1, "2026-11-20T10:00:00.000Z", [*beginning(), *turn(1, "\x1b[2Jq", "a\u202e\x9b1m", 2)])
    store.close()
    catalogue.close()
    for command in ("show", "export"):
        arguments = ["sessions", command, "--store-dir", str(tmp_path / "store"), "1"]
        with on_terminal(tmp_path, [sys.executable, "-m", "agent_server", *arguments]) as screen:
            assert screen.exit_code() == 0
        assert "\\x1b[2Jq" in screen.text and "a\\u202e\\x9b1m" in screen.text
        assert not {"\u202e", "\x9b"} & set(screen.text) and "\x1b[2J" not in screen.text
        assert ("\x1b[" in screen.text) == (command == "show")
