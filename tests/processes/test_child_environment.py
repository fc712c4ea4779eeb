from __future__ import annotations

import os
import subprocess
import sys

import pytest

from agent_server.processes.environment import child_environment, command_environment, looks_secret

OURS = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "LC_ALL": "C",
    "TERM": "xterm",
    "EDITOR": "vi",
    "OPENAI_API_KEY": "canary",
    "LC_SECRET": "canary",
    "PYTHONPATH": "/x",
}


def test_only_allowlisted_variables_are_inherited() -> None:
    assert child_environment(inherited=OURS) == {
        "PATH": "/bin",
        "HOME": "/home/me",
        "LC_ALL": "C",
        "TERM": "xterm",
    }


def test_a_configured_name_is_inherited_too() -> None:
    assert child_environment(inherited=OURS, allow=["EDITOR"])["EDITOR"] == "vi"


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "GITHUB_TOKEN",
        "aws_secret_access_key",
        "DB_PASSWORD",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "APIKEY",
        "KEY",
        "KEY_FILE",
        "SSH_KEYS",
        "client-secret",
    ],
)
def test_a_name_that_looks_secret_passes_only_when_it_is_allowed_by_name(name: str) -> None:
    assert looks_secret(name)
    assert child_environment(inherited={name: "canary"}) == {}
    assert child_environment({name: "canary"}, inherited={}) == {}
    assert command_environment({name: "canary"}, inherited={}).get(name) is None
    assert child_environment({name: "given"}, inherited={}, allow=[name]) == {name: "given"}
    assert child_environment(inherited={name: "ours"}, allow=[name]) == {name: "ours"}


@pytest.mark.parametrize("name", ["KEYBOARD_LAYOUT", "PATH", "LC_ALL", "EDITOR", "TZ"])
def test_an_ordinary_name_does_not_look_secret(name: str) -> None:
    assert not looks_secret(name)


def test_what_is_given_wins_over_what_is_inherited() -> None:
    assert child_environment({"PATH": "/other"}, inherited=OURS)["PATH"] == "/other"


@pytest.mark.req("TL-07")
def test_a_command_gets_no_pager_and_a_dumb_terminal_unless_told_otherwise() -> None:
    plain = command_environment(inherited=OURS)
    assert (plain["PAGER"], plain["GIT_PAGER"], plain["TERM"]) == ("cat", "cat", "dumb")
    assert command_environment({"PAGER": "less"}, inherited=OURS)["PAGER"] == "less"


@pytest.mark.promise("P13")
def test_a_secret_in_our_own_environment_does_not_reach_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-5f1e")
    monkeypatch.setenv("SOME_SETTING", "canary-5f1e")
    dump = [sys.executable, "-c", "import os; print(dict(os.environ))"]
    seen = subprocess.run(dump, env=child_environment(), capture_output=True, text=True, check=True).stdout
    assert "canary-5f1e" not in seen
    assert os.environ["PATH"] in seen
