"""The kit knows our agent by what it writes, and by nothing else."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS, KIT = "agent_server", "conformance"


def imported(file: Path) -> Iterator[str]:
    """The packages at the top of what a file imports."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]


@pytest.mark.parametrize(("importer", "stranger"), [(KIT, OURS), (OURS, KIT), (KIT, "tests"), (OURS, "tests")])
def test_the_kit_and_the_product_do_not_know_each_other(importer: str, stranger: str) -> None:
    files = [file for file in (ROOT / importer).rglob("*.py") if "node_modules" not in file.parts]
    assert len(files) > 50
    assert [str(file) for file in files if stranger in imported(file)] == []


def test_the_kit_needs_nothing_but_two_packages_and_the_standard_library() -> None:
    allowed = {"jsonschema", "orjson", KIT}
    sdk_programs = {"interop", "peers"}  # programs on other people's SDKs, started as such
    foreign = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in (ROOT / KIT).rglob("*.py")
        if not sdk_programs & set(file.parts) and "node_modules" not in file.parts
        for name in imported(file)
        if name not in sys.stdlib_module_names | allowed
    }
    assert foreign == set()
