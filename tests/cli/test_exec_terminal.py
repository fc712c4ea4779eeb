"""``exec`` at a real terminal: a pseudo terminal whose other end the test holds."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .test_exec import AGENT, EXEC, environment

LIMIT_S = 20


class Screen:
    """What the program wrote, and its keyboard."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor = descriptor
        self._ended = False
        self.text = ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait_for(self, text: str, times: int = 1) -> None:
        deadline_s = time.monotonic() + LIMIT_S
        while self.text.count(text) < times:
            assert self._read(deadline_s), self.text

    def exit_code(self) -> int:
        deadline_s = time.monotonic() + LIMIT_S
        while self._read(deadline_s):
            pass
        status = os.waitpid(self.pid, 0)[1]
        self._ended = True
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._descriptor)

    def _read(self, deadline_s: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], max(0, deadline_s - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)


@contextmanager
def at_terminal(home: Path, *arguments: str, **variables: str) -> Iterator[Screen]:
    with on_terminal(home, [*EXEC, "--agent", AGENT, *arguments], **variables) as screen:
        yield screen


@contextmanager
def on_terminal(home: Path, argv: list[str], **variables: str) -> Iterator[Screen]:
    """Run a Python program."""
    env = {**environment(home), **variables}
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.execve(sys.executable, argv, env)
    screen = Screen(pid, descriptor)
    try:
        yield screen
    finally:
        screen.close()


@pytest.mark.parametrize(("keys", "code", "said"), [("2", 0, "yes"), ("9x3", 5, "no"), ("\n", 5, "cancelled")])
def test_a_permission_is_asked_for_by_number(tmp_path: Path, keys: str, code: int, said: str) -> None:
    with at_terminal(tmp_path, "ask", NO_COLOR="1") as screen:
        for number, key in enumerate(keys[:-1], 1):
            screen.wait_for("Answer 1-3", number)
            screen.type(f"{key}\n")
        screen.wait_for("Answer 1-3", len(keys))
        assert "? Do it\\x1b[2J\\u202e\r\n" in screen.text
        assert "  2  Yes\r\n" in screen.text
        screen.type(keys[-1].strip() + "\n")
        assert screen.exit_code() == code
        assert f"{said}\r\n" in screen.text
        assert "\x1b" not in screen.text


def test_no_color_is_plain_and_a_terminal_is_not(tmp_path: Path) -> None:
    for variables, fancy in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        with at_terminal(tmp_path, "--yes", "edit /x/a.txt", **variables) as screen:
            assert screen.exit_code() == 0
            assert ("✓" in screen.text, "\x1b[32m" in screen.text) == (fancy, fancy)
            assert "+TWO" in screen.text


def test_the_status_line_says_what_goes_on_and_is_gone_at_the_end(tmp_path: Path) -> None:
    with at_terminal(tmp_path, "deaf") as screen:
        screen.wait_for("deaf")
        assert "Working" not in screen.text.partition("deaf")[2]  # never drawn over a line of text
        screen.type("\x03")
        screen.wait_for("once more")
        screen.type("\x03")
        assert screen.exit_code() == 130
        assert screen.text.rstrip().endswith("cancelled")
    with at_terminal(tmp_path, "quiet") as screen:
        screen.wait_for("Working")
        screen.type("\x03")
        assert screen.exit_code() == 130
        assert "Working" not in screen.text.rpartition("\r\x1b[K")[2]


def test_text_of_the_agent_cannot_steer_the_terminal(tmp_path: Path) -> None:
    with at_terminal(tmp_path, "say a\x1b[2Jb\tc|\nd\x07", NO_COLOR="1") as screen:
        assert screen.exit_code() == 0
        assert "\x1b" not in screen.text and "\x07" not in screen.text
        assert "a\\x1b[2Jb\tc\r\nd\\x07\r\n" in screen.text


def test_ctrl_c_at_a_question_withdraws_it(tmp_path: Path) -> None:
    with at_terminal(tmp_path, "ask") as screen:
        screen.wait_for("Answer 1-3")
        screen.type("\x03")
        assert screen.exit_code() == 130
        assert "cancelled" in screen.text


def test_what_was_typed_before_the_question_is_no_answer(tmp_path: Path) -> None:
    with at_terminal(tmp_path, "ask", NO_COLOR="1") as screen:
        screen.type("1\n")
        screen.wait_for("Answer 1-3")
        screen.type("3\n")
        assert screen.exit_code() == 5
        assert "no\r\n" in screen.text
