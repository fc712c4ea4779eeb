from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.conversation.content import text_of
from agent_server.tools.find import Find
from agent_server.tools.globs import Glob
from agent_server.tools.grep import Grep
from agent_server.tools.ignore_rules import files_below
from agent_server.tools.line_search import LineSearch, found_lines
from agent_server.tools.required_text import required_text
from agent_server.tools.tool import PreparedCall

from .tool_calls_on_disk import Desk, desk

needs_ripgrep = pytest.mark.skipif(shutil.which("rg") is None, reason="ripgrep is not installed: equality is unproven")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.py", ["a.py", "x/y/a.py", ".hidden.py"], ["a.pyc", "a.py/x"]),
        ("src/*.py", ["src/a.py"], ["src/x/a.py", "x/src/a.py"]),
        ("src/**/*.py", ["src/a.py", "src/x/y/a.py"], ["a.py", "src/a.txt"]),
        ("**/test_*", ["test_a", "x/y/test_b"], ["a/test_b/c"]),
        ("src/**", ["src/a", "src/x/y"], ["src", "srcs/a"]),
        ("/a.txt", ["a.txt"], ["x/a.txt"]),
        ("./a.txt", ["a.txt"], ["x/a.txt"]),
        ("a?c", ["abc", "x/abc"], ["ac", "a/c"]),
        ("[a-c]*[!0-9]", ["bx"], ["dx", "b1"]),
        ("[^a]", ["b"], ["a"]),
        ("*.{ts,tsx}", ["a.ts", "x/a.tsx"], ["a.t", "a.{ts,tsx}"]),
        ("{src,tests/{unit,e2e}}/*", ["src/a", "tests/unit/a", "tests/e2e/a"], ["tests/a", "unit/a"]),
        ("a.b+(c)", ["a.b+(c)"], ["aXb+(c)", "a.bb(c)"]),
        ("A*", ["Ab"], ["ab"]),
    ],
)
def test_globs_match_what_they_say(pattern: str, yes: list[str], no: list[str]) -> None:
    glob = Glob(pattern)
    assert [path for path in yes + no if glob.matches(path)] == yes


def test_no_glob_takes_forever() -> None:
    path = "/".join(["a" * 200] * 40)
    started_s = time.perf_counter()
    for pattern in ("*a" * 200 + "b", "**/" * 300 + "b", "/".join(["*a*a*a*", "**"] * 30) + "/b"):
        assert not Glob(pattern).matches(path)
    assert time.perf_counter() - started_s < 5


def _tree(here: Desk) -> None:
    here.file(".gitignore", "*.log\n/build/\n!keep.log\n# a comment\nnode_modules/\n\\#literal\n")
    here.file("a.py", "import os\n")
    here.file("a.log", "os\n")
    here.file("keep.log", "os\n")
    here.file("build/out.py", "os\n")
    here.file("src/build/out.py", "os\n")
    here.file("src/.gitignore", "secret*\n!secret_but_wanted.py\n!*.log\n")
    here.file("src/secret.py", "os\n")
    here.file("src/secret_but_wanted.py", "os\n")
    here.file("src/b.log", "os\n")
    here.file("src/node_modules/.gitignore", "!x.py\n")
    here.file("src/node_modules/x.py", "os\n")
    here.file(".hidden/c.py", "os\n")
    here.file(".git/config.py", "os\n")
    here.file("sub/.git", "gitdir: elsewhere os\n")
    here.file("#literal", "os\n")


VISIBLE = [
    ".gitignore", ".hidden/c.py", "a.py", "keep.log", "src/.gitignore", "src/b.log", "src/build/out.py",
    "src/secret_but_wanted.py",
]  # fmt: skip


@pytest.mark.req("TL-06")
def test_find_honours_nested_ignore_files_and_shows_hidden_ones(tmp_path: Path) -> None:
    here = desk(tmp_path)
    _tree(here)
    assert here.lines(Find(), pattern="**") == VISIBLE
    assert here.lines(Find(), pattern="*.py") == [path for path in VISIBLE if path.endswith(".py")]
    assert here.lines(Find(), pattern="*.py", path="src") == ["src/build/out.py", "src/secret_but_wanted.py"]
    assert here.text(Find(), pattern="*.rs") == "no files found"


def test_the_ignore_rules_are_those_of_git(tmp_path: Path) -> None:
    here = desk(tmp_path)
    _tree(here)
    shutil.rmtree(here.cwd / ".git")
    (here.cwd / "sub/.git").unlink()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    run = {"cwd": here.cwd, "env": environment, "check": True, "capture_output": True}
    subprocess.run(["git", "init", "-q"], **run)  # type: ignore[call-overload]
    listed = subprocess.run(  # type: ignore[call-overload]
        ["git", "ls-files", "--others", "--exclude-standard", "-z"], **run
    ).stdout
    assert sorted(path for path, _ in files_below(str(here.cwd), str(here.cwd))) == VISIBLE
    assert sorted(os.fsdecode(name) for name in listed.split(b"\0") if name) == VISIBLE


def test_an_ignored_directory_is_searched_when_it_is_named(tmp_path: Path) -> None:
    here = desk(tmp_path)
    _tree(here)
    assert here.lines(Find(), pattern="*", path="build") == ["build/out.py"]
    for grep in (Grep(), Grep(use_ripgrep=False)):
        assert here.lines(grep, pattern="os", path="build") == ["build/out.py:1:os"]
        assert here.lines(grep, pattern="os", path="a.log") == ["a.log:1:os"]


def test_a_broken_rule_leaves_the_others_standing(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file(".gitignore", b"!\n/\n*.log\n\xff\xfe\n")
    here.file("a.log")
    here.file("b.txt")
    assert here.lines(Find(), pattern="*") == [".gitignore", "b.txt"]


@pytest.mark.req("TL-06")
def test_find_is_cut_at_200_and_says_so(tmp_path: Path) -> None:
    here = desk(tmp_path)
    for number in range(201):
        here.file(f"{number:03}.txt")
    lines = here.lines(Find(), pattern="*.txt")
    assert lines[199:] == ["199.txt", "[200 of 201 files shown; narrow the pattern]"]
    assert len(here.lines(Find(), pattern="[01]*.txt")) == 200


def test_titles_tell_what_is_searched_where(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("src/a.py")
    assert here.prepare(Find(), pattern="**/*.py", path="src").title == "Find **/*.py in src"
    assert here.prepare(Grep(), pattern="x").title == "Search for /x/"
    assert here.prepare(Grep(), pattern="x\u200b\n", glob="*.py", path="src").title == (
        "Search for /x\\u200b\\n/ in *.py in src"
    )


GREP = [
    pytest.param(Grep(), id="ripgrep", marks=needs_ripgrep),
    pytest.param(Grep(use_ripgrep=False), id="python"),
]


@pytest.mark.req("TL-06")
@pytest.mark.parametrize("grep", GREP)
def test_grep_gives_path_line_and_text_in_order(tmp_path: Path, grep: Grep) -> None:
    here = desk(tmp_path)
    here.file("b.py", "def one():\n    pass\ndef two():\n")
    here.file("a/z.py", "x = 1\r\ndef three():\r\n")
    here.file("a.txt", "def four():")
    here.file("data.bin", b"def five():\x00")
    assert here.lines(grep, pattern=r"def \w+\(\):$") == [
        "a.txt:1:def four():", "a/z.py:2:def three():", "b.py:1:def one():", "b.py:3:def two():",
    ]  # fmt: skip
    assert here.lines(grep, pattern="def ", glob="*.py", path="a") == ["a/z.py:2:def three():"]
    assert here.lines(grep, pattern="DEF T", ignore_case=True) == ["a/z.py:2:def three():", "b.py:3:def two():"]
    assert here.text(grep, pattern="DEF T") == "no lines found"


@pytest.mark.parametrize("grep", GREP)
def test_grep_is_cut_at_100_lines_and_lines_at_300_characters(tmp_path: Path, grep: Grep) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "é" * 300 + "\n" + "é" * 301 + "\n" + "é\n" * 98)
    lines = here.lines(grep, pattern="é")
    assert len(lines) == 100
    assert lines[:3] == [f"a.txt:1:{'é' * 300}", f"a.txt:2:{'é' * 300}…", "a.txt:3:é"]
    here.file("b.txt", "é")
    assert here.lines(grep, pattern="é")[100:] == ["[the first 100 lines; narrow the pattern, path or glob]"]


@pytest.mark.parametrize("pattern", ["(", "[a", "*a", "(?P<x", "a{2,1}", "\\"])
def test_a_bad_expression_is_explained(tmp_path: Path, pattern: str) -> None:
    refusal = desk(tmp_path).refusal(Grep(), pattern=pattern)
    assert refusal.startswith("the pattern is no regular expression: ")


HARD_FILES: dict[str, bytes] = {
    "plain.txt": b"needle one\nnothing\nneedle.two\n",
    "latin.txt": "façade needle é\n".encode("latin-1"),
    "utf8.txt": "naïve needle →é\nKelvin Kneedle\n".encode(),
    "mark.txt": b"\xef\xbb\xbfneedle\n",
    "utf16.txt": b"\xff\xfe" + "a needle\r\né\r\n".encode("utf-16-le"),
    "utf16be.txt": b"\xfe\xff" + "a needle\n".encode("utf-16-be"),
    "utf32.txt": b"\xff\xfe\x00\x00" + "needle\n".encode("utf-32-le"),
    "late_nul.bin": b"needle\n" * 40_000 + b"\x00",
    "early_nul.bin": b"\x00needle\n",
    "crlf.txt": b"needle\r\nNEEDLE\r\n",
    "no_end.txt": b"x\nneedle",
    "-dash.txt": b"needle",
    "-": b"needle",
    "sp ace/né.txt": b"needle",
    "a.b": b"needle",
    "a/b": b"needle",
    "a-b": b"needle",
    "ignored.log": b"needle",
    "controls.txt": b"need\x0cle\x0bneedle\x1cneedle\xc2\x85needle\n",
    ".gitignore": b"*.log\nneedle\n",
    ".ignore": b"*.txt\n",
    ".rgignore": b"a*\n",
    "deep/.gitignore": b"!*.log\n*.tmp\n",
    "deep/x.log": b"needle",
    "deep/x.tmp": b"needle",
    "huge.txt": b"needle\n" + b"x" * (10 * 1024 * 1024),
}
PATTERNS: list[tuple[str, bool]] = [
    ("needle", False), ("NEEDLE", True), ("n.*e", False), ("needle$", False), ("^needle", False),
    (r"\bneedle\b", False), ("needle|façade", False), ("(needle|x)+", False), (r"needle\.two", False),
    (r"\w+ needle \w", False), ("é", False), (r"needle \S", False), (r"[^\W\d]eedle", False), ("kneedle", True),
    ("(?i)NEEDLE", False), (r"needle(?! one)", False), ("need{1}le", False), (r"\x6eeedle", False),
    ("need.le", False), ("not there", False), (r"(n)(e)\2dle", False), ("-e", False), ("--files", False),
    (r"needle\Z", False), ("needle\n", False), ("nai", True),
]  # fmt: skip


@needs_ripgrep
@pytest.mark.parametrize(("pattern", "ignore_case"), PATTERNS)
def test_ripgrep_makes_no_difference(tmp_path: Path, pattern: str, ignore_case: bool) -> None:
    here = desk(tmp_path)
    for path, content in HARD_FILES.items():
        here.file(path, content)
    os.symlink("plain.txt", here.cwd / "link.txt")
    (tmp_path / ".gitignore").write_text("*.txt\n")
    with_it, without_it = (
        here.text(Grep(use_ripgrep=use), pattern=pattern, ignore_case=ignore_case) for use in (True, False)
    )
    assert with_it == without_it
    if pattern == "needle":
        assert [line.split(":")[0] for line in with_it.split("\n")] == [
            "-", "-dash.txt", ".gitignore", "a-b", "a.b", "a/b", "controls.txt", "crlf.txt", "deep/x.log", "latin.txt",
            "mark.txt", "no_end.txt", "plain.txt", "plain.txt", "sp ace/né.txt", "utf16.txt", "utf16be.txt",
            "utf8.txt", "utf8.txt",
        ]  # fmt: skip


@needs_ripgrep
def test_a_search_in_several_batches_is_complete_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = desk(tmp_path)
    for number in range(30):
        here.file(f"d{number % 3}/{number:02}.txt", "needle" if number % 2 else "hay")
    monkeypatch.setattr("agent_server.tools.line_search._BATCH_BYTES", 100)
    search = LineSearch(str(here.cwd), str(here.cwd), "needle", 1_000, ripgrep=shutil.which("rg"))
    expected = sorted(f"d{number % 3}/{number:02}.txt" for number in range(1, 30, 2))
    assert [line.path for line in found_lines(search)] == expected
    (here.cwd / "d0/03.txt").unlink()
    (here.cwd / "bad").mkdir()
    (here.cwd / "bad/rg").write_text("#!/bin/sh\nexit 2\n")
    (here.cwd / "bad/rg").chmod(0o755)
    in_trouble = replace(search, ripgrep=str(here.cwd / "bad/rg"))
    assert [line.path for line in found_lines(in_trouble)] == [path for path in expected if path != "d0/03.txt"]


@needs_ripgrep
def test_ripgrep_sees_no_configuration_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "needle")
    (tmp_path / "rc").write_text("--invert-match\n--glob=!*.txt\n")
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(tmp_path / "rc"))
    assert here.lines(Grep(), pattern="needle") == ["a.txt:1:needle"]


def test_an_expression_that_never_ends_is_ended_when_the_call_is_cancelled(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "a" * 5_000)

    async def cancelled_after_s() -> float:
        prepared = await Grep().prepare({"pattern": "(a+)+b"}, here.context)
        with anyio.move_on_after(0.5) as scope:
            await prepared.run()
        assert scope.cancelled_caught
        return anyio.current_time() - scope.deadline

    assert asyncio.run(cancelled_after_s()) < 2


def test_an_expression_that_never_ends_does_not_hold_up_anybody_else(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "a" * 5_000)

    async def longest_pause_s() -> float:
        prepared = await Grep().prepare({"pattern": "(a+)+b"}, here.context)
        longest = 0.0
        with anyio.move_on_after(0.6):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_run, prepared)
                while True:
                    before = anyio.current_time()
                    await anyio.sleep(0.01)
                    longest = max(longest, anyio.current_time() - before)
        return longest

    assert asyncio.run(longest_pause_s()) < 0.4


async def _run(prepared: PreparedCall) -> None:
    await prepared.run()


def test_a_search_that_is_out_of_time_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "a" * 5_000)
    monkeypatch.setattr("agent_server.tools.grep.SEARCH_TIMEOUT_S", 0.4)
    assert here.refusal(Grep(), pattern="(a+)+b").startswith("the search took longer than")


REGEX_PIECES = [
    "a", "b", "ab", "needle", r"\.", r"\(", r"\w", r"\b", ".", "^", "$", "[ab]", "[^a]", "[]a]", r"[\]a]", "*",
    "+", "?", "{2}", "{0,1}", "{,2}", "{", "}", "*?", "++", "(", ")", "(?:", "|", "i", "I", " ", r"\x61", r"\1", "-",
    "é",
]  # fmt: skip


@given(st.lists(st.sampled_from(REGEX_PIECES), min_size=1, max_size=8).map("".join), st.booleans(), st.data())
def test_every_match_holds_one_of_the_required_texts(pattern: str, ignore_case: bool, data: st.DataObject) -> None:
    try:
        expression = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except (re.error, FutureWarning):
        return
    texts = required_text(pattern, ignore_case=ignore_case)
    lines = st.text("ab.(needl iI\u0131-\u212a", max_size=12) | st.from_regex(expression)
    line = data.draw(lines.filter(lambda drawn: "\n" not in drawn))
    if texts and expression.search(line):
        shown = line.lower() if ignore_case else line
        assert any((text.lower() if ignore_case else text) in shown for text in texts)


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (r"def \w+\(s", ("def ",)),
        ("TODO|FIXME", ("TODO", "FIXME")),
        ("TODO|x", ()),
        (r"os\.path", ("os.path",)),
        ("colou?r", ("colo",)),
        ("(foo|bar)bazz", ("bazz",)),
        ("ab+cd", ("ab",)),
        (r"a\d+b", ()),
        ("(?i)hello", ()),
    ],
)
def test_the_longest_certain_text_is_found(pattern: str, texts: tuple[str, ...]) -> None:
    assert required_text(pattern) == texts


def test_find_gives_up_walking_when_it_is_cancelled(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a/b/c.txt")
    asked: list[Any] = []

    def after_the_first_directory() -> bool:
        asked.append(None)
        return len(asked) > 1

    assert list(files_below(str(here.cwd), str(here.cwd), give_up=after_the_first_directory)) == []
    assert text_of(here.call(Find(), pattern="c.txt").parts) == "a/b/c.txt"
