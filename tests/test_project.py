"""The gates of the project: types, style, who may import whom, sizes, and what must not stand in a tracked file."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent_server
from agent_server.config.settings import KINDS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "agent_server"

MAX_FUNCTION_LINES = 55
MAX_FILE_LINES = 450

CHECKERS = {
    "ruff": ["ruff", "check", "--no-cache", "."],
    "mypy": ["mypy", "--strict"],
    "import-linter": ["lint-imports"],
}
CHECK_S = 300

_VENV = [Path(sys.prefix)] if sys.prefix != sys.base_prefix else []
_OWN_PLACES = [re.escape(str(place)) for place in (ROOT, *_VENV) if len(place.parts) > 2]

FORBIDDEN = {
    "a path of this machine": r"(?<![\w.])(?:" + "|".join([*_OWN_PLACES, "/root(?=/)"]) + r")(?!\w)",
    "the host of a package registry": r"https?://[^\s/\"]*(?:registry|pypi|pythonhosted|artifactory|jfrog)",
    "a document that is not here": r"\b(?!(?:ARCHITECTURE|CHANGELOG|README)\b)[A-Z]{3,}\.md\b",
    "a note that is not here": r"\bW-\d\d\b|\banchors[/]",
}


@pytest.mark.timeout(CHECK_S)
@pytest.mark.parametrize("checker", CHECKERS)
def test_the_checker_finds_nothing(checker: str) -> None:
    program, *arguments = CHECKERS[checker]
    beside_python = os.path.join(os.path.dirname(sys.executable), program)
    found = shutil.which(beside_python) or shutil.which(program)
    assert found, f"{program} is missing; install the project with its dev extra"
    done = subprocess.run(
        [found, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=CHECK_S, check=False, env=_plain()
    )
    assert done.returncode == 0, f"{program} {' '.join(arguments)}\n{done.stdout}{done.stderr}"


def _plain() -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "160"}


def tracked_files() -> list[Path]:
    """What git tracks, or would when it is added next."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout of git")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    paths = [Path(name) for name in done.stdout.split("\0") if name]
    return [path for path in paths if (ROOT / path).is_file()]


def test_no_tracked_file_names_what_only_its_authors_know() -> None:
    said: list[str] = []
    for path in tracked_files():
        text = (ROOT / path).read_bytes().decode("utf-8", "replace")
        for what, pattern in FORBIDDEN.items():
            for hit in re.finditer(pattern, text):
                said.append(f"{path}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]!r} is {what}")
    assert not said, "\n".join(said)


def test_the_version_is_written_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "version" not in project["project"] and project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "agent_server/__init__.py"
    quoted = re.compile(rf"""["']{re.escape(agent_server.__version__)}["']""")
    holders = [path.relative_to(ROOT) for path in sources() if quoted.search(path.read_text("utf-8"))]
    assert holders == [Path("agent_server/__init__.py")]


def test_no_module_is_longer_than_one_idea() -> None:
    lengths = {path.relative_to(ROOT): path.read_text("utf-8").count("\n") for path in sources()}
    too_long = [f"{path}: {lines} lines" for path, lines in lengths.items() if lines > MAX_FILE_LINES]
    assert not too_long, "\n".join(too_long)


def test_no_function_is_longer_than_a_screen() -> None:
    too_long: list[str] = []
    for path, node in functions():
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            too_long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines")
    assert not too_long, "\n".join(too_long)


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "common", "base", "core", "misc"}
    assert [path for path in sources() if path.stem in empty or path.parent.name in empty] == []


def test_every_setting_is_used_by_more_than_its_own_room() -> None:
    used: set[str] = set()
    for path in sources():
        if path.parent.name != "config":
            nodes = ast.walk(ast.parse(path.read_text("utf-8")))
            used.update(node.attr for node in nodes if isinstance(node, ast.Attribute))
    assert set(KINDS) - used == set()


def sources() -> Iterator[Path]:
    """The modules of the package; tests are exempt from its sizes."""
    yield from sorted(PACKAGE.rglob("*.py"))


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node
