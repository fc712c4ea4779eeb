"""What the documents say is so: commands run, flags and files exist, snippets are the files that they show."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

import agent_server
from agent_server.cli.exit_codes import DESCRIPTION
from agent_server.config.keys import KEY_VARIABLES, URL_VARIABLES
from agent_server.config.settings import ENVIRONMENT_PREFIX, KINDS, resolve
from agent_server.protocol.extensions import EXTENSION_AGENT_METHODS, EXTENSION_CLIENT_METHODS
from agent_server.providers.offline.menu import COMMANDS
from agent_server.providers.offline.self_tests import KNOWN

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = sorted(ROOT.glob("*.md"))
EXAMPLES = [ROOT / "agent_server/examples" / name for name in ("client.py", "custom_agent.py")]

KEYS_COMMANDS = ("login", "logout", "models", "doctor")
SESSIONS_COMMANDS = ("list", "show", "export", "delete", "prune")
NOT_OURS = {"--approve-all"}  # acpx's


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of a language."""
    return [match[1] for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def section(heading: str) -> str:
    """What stands under a heading of the README, with the headings below it."""
    level = heading.index(" ")
    match = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{level}}} |\Z)", README, re.MULTILINE | re.DOTALL)
    assert match, heading
    return match[1]


@cache
def usage(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "agent_server", *command, "--help"],
        capture_output=True, text=True, timeout=30, check=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    return done.stdout


def flags(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


# The two commands


def test_the_readme_opens_with_one_command_to_run_it_and_one_to_test_it() -> None:
    opening = README.partition("\n## ")[0]
    to_run, to_test = blocks("sh")
    assert "agent-server exec" in to_run and "-m pytest" in to_test
    assert re.findall(r"^```(\w+)$", opening, re.MULTILINE) == ["sh", "sh"]


def test_the_first_command_edits_the_file_it_says(tmp_path: Path) -> None:
    setup, separator, rest = blocks("sh")[0].partition("install -q -e . && ")
    assert setup.startswith("python3 -m venv .venv && ") and separator
    here = rest.replace(".venv/bin/agent-server", f"{shlex.quote(sys.executable)} -m agent_server")
    assert here != rest
    done = subprocess.run(
        ["/bin/sh", "-c", here], cwd=tmp_path, env=_clean(tmp_path), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Goodbye, world!\n")
    assert "-Hello, world!\n+Goodbye, world!\n" in done.stderr
    (edited,) = tmp_path.glob("*/hello.txt")
    assert edited.read_text() == "Goodbye, world!\n"


def _clean(directory: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    places = {"HOME": str(directory), "XDG_CONFIG_HOME": str(directory), "TMPDIR": str(directory)}
    return {**ours, **places, f"{ENVIRONMENT_PREFIX}LOCAL_MODELS": "false"}


def test_ci_runs_the_command_for_the_tests_as_it_stands() -> None:
    script = (ROOT / ".ci/run").read_text("utf-8")
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "README.md" in script and "-m pytest" not in script


# The command line


def test_every_flag_that_is_named_exists_and_every_flag_is_named() -> None:
    exec_part, sessions_part, schema_part = section("### exec"), section("### sessions"), section("### schema")
    serve_part = section("## The command line")
    for part in (exec_part, sessions_part, schema_part):
        serve_part = serve_part.replace(part, "")
    of_sessions = set().union(*(flags(usage("sessions", command)) for command in SESSIONS_COMMANDS))
    assert flags(exec_part) == flags(usage("exec")) - {"--help"}
    assert flags(sessions_part) == of_sessions - {"--help"}
    assert flags(schema_part) == flags(usage("schema")) - {"--help"}
    assert flags(serve_part) == flags(usage())
    of_others = set().union(*(flags(usage(command)) for command in ("exec", "schema", *KEYS_COMMANDS)))
    assert flags(README) - NOT_OURS <= flags(usage()) | of_sessions | of_others


@pytest.mark.parametrize("command", KEYS_COMMANDS)
def test_the_commands_for_keys_and_models_are_told_with_their_flags(command: str) -> None:
    (row,) = [cells for cells in _table(section("## Models and keys")) if cells[0].split(" ")[0].strip("`") == command]
    assert flags(row[1]) == flags(usage(command)) - {"--help"}


def test_the_variables_of_keys_are_those_that_are_looked_at() -> None:
    told = set(re.findall(r"`([A-Z_]+)`", section("## Models and keys")))
    assert told == {*chain.from_iterable(KEY_VARIABLES.values()), *URL_VARIABLES.values()}


def test_every_setting_has_its_row_with_its_names_and_its_default() -> None:
    rows = {cells[2]: cells for cells in _table(section("## The command line")) if len(cells) == 4 and cells[2]}
    del rows["in a file"]
    assert set(rows) == {f"`{name}`" for name in KINDS}
    defaults = resolve({}, {}, user_file=os.devnull).settings
    for name in KINDS:
        flag, variable, _, default = rows[f"`{name}`"]
        assert variable == f"`{ENVIRONMENT_PREFIX}{name.upper()}`"
        assert not flag or f"--{name.replace('_', '-')}" in flag
        value = getattr(defaults, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert default.split(":")[0] == f"{value:.0f}", name


def _table(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("shown", blocks("toml"))
def test_a_settings_file_that_is_shown_is_taken_without_a_warning(shown: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(shown)
    resolved = resolve({}, {}, user_file=str(path))
    assert resolved.warnings == ()
    assert {name for name, source in resolved.sources.items() if source == str(path)} == set(tomllib.loads(shown))


def test_what_a_project_may_set_is_what_the_readme_says(tmp_path: Path) -> None:
    closed = set()
    for name in KINDS:
        (tmp_path / "agent-server.toml").write_text(f"{name} = []")
        warnings = resolve({}, {}, project_dir=str(tmp_path), user_file=os.devnull).warnings
        if any(f" {name} is ignored: a project may not" in line for line in warnings):
            closed.add(name)
    (sentence,) = re.findall(r"It may set (.*?); everything else", section("## The command line"), re.DOTALL)
    assert set(re.findall(r"`(\w+)`", sentence)) == set(KINDS) - closed


def test_the_exit_codes_are_those_of_the_help() -> None:
    told = [(cells[0], cells[1].replace("`", "")) for cells in _table(section("### exec")) if cells[0].isdigit()]
    assert told == [(code, text) for code, text in re.findall(r"^ +(\d+) +(.+)$", DESCRIPTION, re.MULTILINE)]


# The offline provider


def test_the_commands_of_the_offline_provider_are_all_there_and_written_right() -> None:
    told = [cells[0] for cells in _table(section("## What the offline provider understands")) if cells[0] != "command"]
    assert told == [f"`/{command.name} {command.hint or ''}".rstrip() + "`" for command in COMMANDS]


def test_the_test_prompts_are_all_there_and_written_right() -> None:
    told = [cells[0] for cells in _table(section("## For people who test editors")) if cells[0] != "prompt"]
    assert told == [f"`/test {form}`" for form in KNOWN.split(", ")]


# Files


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_readme_shows_the_example_as_it_is(path: Path) -> None:
    assert path.read_text("utf-8") in blocks("python")


def test_the_readme_shows_no_python_but_the_examples() -> None:
    assert len(blocks("python")) == len(EXAMPLES)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            linked = document.parent / path if path else document
            assert linked.exists(), target
            assert not anchor or anchor in _anchors(linked), target


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_of_ours_that_is_named_exists(document: Path) -> None:
    named = set(re.findall(r"`((?:agent_server|tests|schemas|conformance)/[\w./-]*)`", document.read_text("utf-8")))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_settings_of_the_editors_are_json() -> None:
    for block in blocks("json"):
        (agent,) = json.loads(block)["agent_servers"].values()
        assert agent["command"].endswith("/.venv/bin/agent-server")


def test_the_map_of_the_code_names_every_room_and_no_other() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    rooms = {path.parent.name for path in (ROOT / "agent_server").glob("*/__init__.py")}
    assert set(re.findall(r"^### `agent_server/(\w+)/`", text, re.MULTILINE)) == rooms


def test_the_changelog_has_a_part_for_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[0] == "Unreleased"
    assert re.search(rf"^## {re.escape(agent_server.__version__)}\b", text, re.MULTILINE)


# Our own methods


def test_every_method_of_our_own_is_told_of_and_no_other() -> None:
    told = set(re.findall(r"`(_agent_server/[a-z_/]+)`", section("## Beyond the protocol")))
    assert told == {method.name for method in (*EXTENSION_AGENT_METHODS, *EXTENSION_CLIENT_METHODS)}
