"""Ledgers: lists of what must hold, and the marks of the tests that show it.

Test files are read, not imported: a mark counts wherever it stands, on a test, a parameter or a whole module.
"""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent

Row = dict[str, Any]


def rows(file: str, table: str) -> list[Row]:
    """The rows of a ledger beside this file."""
    found: list[Row] = tomllib.loads((TESTS / file).read_text("utf-8"))[table]
    return found


def marks(name: str) -> dict[str, list[str]]:
    """Every id that is marked with ``pytest.mark.NAME(id, ...)``, and where."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("*.py")):
        for line, mark_id in _marks_in(ast.parse(path.read_text("utf-8")), name):
            found.setdefault(mark_id, []).append(f"{path.relative_to(TESTS.parent)}:{line}")
    return found


def twice(ledger: list[Row]) -> list[str]:
    """The ids that more than one row has."""
    return [row_id for row_id, count in Counter(row["id"] for row in ledger).items() if count > 1]


def unshown(ledger: list[Row], name: str, says: str) -> list[str]:
    """The rows that no test is marked with, each with what it ``says``."""
    marked = marks(name)
    return [f"{row['id']}: {row[says]}" for row in ledger if row["id"] not in marked]


def unknown(ledger: list[Row], name: str) -> list[str]:
    """The marks that no row stands for, each with its places."""
    known = {row["id"] for row in ledger}
    return sorted(f"{mark_id}: {', '.join(places)}" for mark_id, places in marks(name).items() if mark_id not in known)


def _marks_in(tree: ast.AST, name: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="mark"), attr=attr), args=ids) if attr == name:
                for mark_id in ids:
                    assert isinstance(mark_id, ast.Constant), f"the id of a mark is written out (line {node.lineno})"
                    yield node.lineno, str(mark_id.value)
