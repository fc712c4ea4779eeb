"""The ledger of requirements (requirements.toml) and the marks of the tests agree, in both directions.

Test files are read, not imported: a mark counts wherever it stands, on a test, a parameter or a whole module.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
LEDGER = TESTS / "requirements.toml"
PROMISES = [f"P{number}" for number in range(1, 15)]
HELD_PROMISES = PROMISES[:11]
"""The rest are kept by parts that do not exist yet; tests that show a piece of them may be marked already."""


def rows() -> list[dict[str, Any]]:
    requirements: list[dict[str, Any]] = tomllib.loads(LEDGER.read_text("utf-8"))["requirement"]
    return requirements


def marks(name: str) -> dict[str, list[str]]:
    """Every id that is marked with ``pytest.mark.NAME(id, ...)``, and where."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("*.py")):
        for line, mark_id in _marks_in(ast.parse(path.read_text("utf-8")), name):
            found.setdefault(mark_id, []).append(f"{path.relative_to(TESTS.parent)}:{line}")
    return found


def _marks_in(tree: ast.AST, name: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="mark"), attr=attr), args=ids) if attr == name:
                for mark_id in ids:
                    assert isinstance(mark_id, ast.Constant), f"the id of a mark is written out (line {node.lineno})"
                    yield node.lineno, str(mark_id.value)


def test_every_row_says_what_holds_and_where() -> None:
    for row in rows():
        assert set(row) == {"id", "behaviour", "surface"}, row
        assert re.fullmatch(r"[A-Z]{2}-\d\d", row["id"]), row
        assert row["behaviour"].strip() and row["surface"].strip(), row


def test_every_requirement_has_one_row_and_the_rows_are_in_order() -> None:
    ids = [row["id"] for row in rows()]
    assert [row_id for row_id, count in Counter(ids).items() if count > 1] == []
    assert ids == sorted(ids)


def test_every_row_of_the_ledger_is_shown_by_a_test() -> None:
    marked = marks("req")
    unshown = [f'{row["id"]}: {row["behaviour"]}' for row in rows() if row["id"] not in marked]
    assert not unshown, "no test is marked with\n" + "\n".join(unshown)


def test_every_requirement_that_a_test_shows_stands_in_the_ledger() -> None:
    known = {row["id"] for row in rows()}
    unknown = [f"{mark_id}: {', '.join(places)}" for mark_id, places in marks("req").items() if mark_id not in known]
    assert not unknown, "the ledger has no row for\n" + "\n".join(sorted(unknown))


@pytest.mark.parametrize("promise", HELD_PROMISES)
def test_the_promise_is_held_by_a_test(promise: str) -> None:
    assert promise in marks("promise")


def test_only_promises_that_were_given_are_marked() -> None:
    assert {mark_id: places for mark_id, places in marks("promise").items() if mark_id not in PROMISES} == {}
