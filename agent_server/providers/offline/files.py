"""Work on files and directories: one tool call each, except where one has to look first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent_server.providers.offline.results import (
    REFUSED,
    code,
    command_trouble,
    gist,
    search_gist,
    trouble,
)
from agent_server.providers.offline.steps import Call, Flow, Result, Step


def list_directory(path: str = "") -> Flow:
    """List a directory; the session's own if no path is given."""
    where = code(path) if path else "the working directory"
    [result] = yield Step(f"Listing {where}.", _listing(path))
    return Step(trouble(result) or f"The listing of {where} is in the tool call above.")


def read_file(path: str, first: int | None = None, last: int | None = None) -> Flow:
    """Read a file, or its lines ``first`` to ``last`` (1-based, both included)."""
    arguments: dict[str, Any] = {"path": path}
    if first is not None:
        arguments["offset"] = first
    if last is not None:
        arguments["limit"] = last - (first or 1) + 1
    [result] = yield Step(f"Reading {code(path)}.", Call("read_file", arguments))
    return Step(trouble(result) or f"The text of {code(path)} is in the tool call above.")


def look_at(path: str) -> Flow:
    """Show what a path holds when the words do not say whether it is a file or a directory."""
    has_suffix = "." in path.rstrip("/").rpartition("/")[2].lstrip(".")
    file, directory = read_file(path), list_directory(path)
    first, second = (file, directory) if has_suffix else (directory, file)
    step = next(first)
    results = yield step
    if trouble(results[0]) in ("", REFUSED):
        return _finish(first, results)
    results = yield next(second)
    return _finish(second, results)


def _finish(flow: Flow, results: list[Result]) -> Step:
    try:
        return flow.send(results)
    except StopIteration as end:
        last: Step = end.value
        return last


def find(pattern: str, path: str = "") -> Flow:
    """Find files by a glob, under ``path`` if it is given."""
    arguments = {"pattern": pattern, **({"path": path} if path else {})}
    return _one_call(f"Finding {code(pattern)}.", Call("find", arguments), gist)


def search(regex: str, *, path: str = "", glob: str = "", ignore_case: bool = False) -> Flow:
    """Search in files with a regular expression."""
    arguments: dict[str, Any] = {"pattern": regex}
    if path:
        arguments["path"] = path
    if glob:
        arguments["glob"] = glob
    if ignore_case:
        arguments["ignore_case"] = True
    return _one_call(f"Searching for {code(regex)}.", Call("grep", arguments), search_gist)


def write_file(path: str, content: str) -> Flow:
    """Write a whole file."""
    call = Call("write_file", {"path": path, "content": content})
    return _one_call(f"Writing {code(path)}.", call, lambda result: f"{code(path)} is written.")


def create_empty(path: str) -> Flow:
    """Make an empty file, but never empty one that is there already."""
    directory, _, name = path.rpartition("/")
    [listing] = yield Step(f"Looking whether {code(path)} is there already.", _listing(directory))
    why = trouble(listing)
    if why == REFUSED:
        return Step(why)
    # A listing that failed means that there is no such directory yet; the write makes it or says why not.
    if not why and name in listed_names(listing.text):
        return Step(f"{code(path)} is there already; nothing was changed.")
    return (yield from write_file(path, ""))


def listed_names(text: str) -> set[str]:
    """Return every word and every whole line of a listing, without the slash that marks a directory."""
    lines = [line.strip() for line in text.splitlines()]
    return {name.rstrip("/") for line in lines for name in (line, *line.split())}


def move_file(source: str, target: str) -> Flow:
    """Move or rename a file; a target with a slash at its end is the directory to move it to."""
    if target.endswith("/"):
        target += source.rstrip("/").rpartition("/")[2]
    call = Call("move_file", {"source": source, "target": target})
    done = f"{code(source)} is now {code(target)}."
    return _one_call(f"Moving {code(source)} to {code(target)}.", call, lambda result: done)


def run_command(command: str) -> Flow:
    """Run a shell command."""
    [result] = yield Step(f"Running {code(command)}.", Call("run_command", {"command": command}))
    return Step(command_trouble(result) or "The command has ended; its output is in the tool call above.")


_TEST_COMMANDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("pytest", ("pytest.ini", "conftest.py", "pyproject.toml", "tox.ini", "setup.py", "setup.cfg")),
    ("npm test", ("package.json",)),
    ("cargo test", ("Cargo.toml",)),
    ("go test ./...", ("go.mod",)),
    ("make test", ("Makefile", "makefile", "GNUmakefile")),
)


def run_tests() -> Flow:
    """Run the project's tests, with the command that the files in the working directory speak for."""
    [listing] = yield Step("Looking at the working directory to see which tests there are.", _listing(""))
    why = trouble(listing)
    if why:
        return Step(why)
    names = listed_names(listing.text)
    for command, marks in _TEST_COMMANDS:
        mark = next((mark for mark in marks if mark in names), None)
        if mark:
            call = Call("run_command", {"command": command})
            [result] = yield Step(f"{code(mark)} is there: running {code(command)}.", call)
            return Step(command_trouble(result) or f"{code(command)} succeeded; its output is in the tool call above.")
    known = ", ".join(code(marks[0]) for _, marks in _TEST_COMMANDS)
    return Step(f"Nothing here says how the tests are run (none of {known}). `/run COMMAND` runs a command.")


def _listing(path: str) -> Call:
    return Call("list_directory", {"path": path} if path else {})


def _one_call(text: str, call: Call, done: Callable[[Result], str]) -> Flow:
    [result] = yield Step(text, call)
    return Step(trouble(result) or done(result))
