"""Which files below a directory count: what ``.gitignore`` files hide does not, nor does anything called ``.git``.

The rules are git's: every directory may hold a ``.gitignore``, the deepest that says something decides, ``!`` takes
back, and below a hidden directory nothing can be taken back. Files outside ``top`` are not consulted.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    _Layer: TypeAlias = tuple[str, GitIgnoreSpec]

_MAX_RULES_BYTES = 1024 * 1024
_RULES_FILE = ".gitignore"
_NEVER = ".git"


class IgnoreRules:
    """The ``.gitignore`` files from ``top`` downward, read as they are needed.

    Paths are relative to ``top`` with forward slashes; ``""`` is ``top`` itself.
    """

    def __init__(self, top: str) -> None:
        self._top = top
        self._layers: dict[str, tuple[_Layer, ...]] = {}
        self._hidden_directories: dict[str, bool] = {"": False}

    def hides_directory(self, path: str) -> bool:
        """Whether a directory, or one above it, is hidden."""
        known = self._hidden_directories.get(path)
        if known is None:
            parent = path.rpartition("/")[0]
            known = self.hides_directory(parent) or self.hides_entry(path, is_directory=True)
            self._hidden_directories[path] = known
        return known

    def hides_entry(self, path: str, *, is_directory: bool = False) -> bool:
        """Whether the rules name this one, provided that the directories above it are not hidden."""
        parent, _, name = path.rpartition("/")
        if name == _NEVER:
            return True
        for base, spec in self._layers_for(parent):
            below = path[len(base) :]
            verdict = spec.check_file(below + "/" if is_directory else below).include
            if verdict is not None:
                return verdict
        return False

    def _layers_for(self, directory: str) -> tuple[_Layer, ...]:
        """The rules that reach into a directory, the deepest first, each with the prefix that they are relative to."""
        known = self._layers.get(directory)
        if known is None:
            above = self._layers_for(directory.rpartition("/")[0]) if directory else ()
            own = self._read(directory)
            known = ((f"{directory}/" if directory else "", own), *above) if own else above
            self._layers[directory] = known
        return known

    def _read(self, directory: str) -> GitIgnoreSpec | None:
        text = _rules_text(os.path.join(self._top, *directory.split("/"), _RULES_FILE))
        return _parsed(text.splitlines()) if text else None


def _rules_text(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            return stream.read(_MAX_RULES_BYTES).decode("utf-8-sig", "surrogateescape")
    except OSError:
        return ""


def _parsed(lines: Iterable[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    good = [line for line in lines if _is_rule(line)]
    return GitIgnoreSpec.from_lines(good)


def _is_rule(line: str) -> bool:
    """False for lines that cannot be understood: git passes over them, and so do we."""
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def rules_from(top: str, start: str) -> tuple[IgnoreRules, str]:
    """The rules for looking below ``start``, and the prefix of its paths in them.

    A directory that was asked for by name is looked into even where a rule above hides it.
    """
    prefix = "" if start == top else os.path.relpath(start, top).replace(os.sep, "/")
    rules = IgnoreRules(top)
    if prefix and rules.hides_directory(prefix):
        return IgnoreRules(start), ""
    return rules, f"{prefix}/" if prefix else ""


def files_below(top: str, start: str, *, give_up: Callable[[], bool] = lambda: False) -> Iterator[tuple[str, bool]]:
    """Every file and symlink below ``start`` that no rule hides, in no order, as (relative path, is a symlink).

    Symlinks are not followed; directories that cannot be read are passed over. ``give_up`` is asked once per directory.
    """
    rules, prefix = rules_from(top, start)
    waiting = [""]
    while waiting and not give_up():
        directory = waiting.pop()
        for entry in _entries(os.path.join(start, directory)):
            path = directory + entry.name
            is_directory = entry.is_dir(follow_symlinks=False)
            if rules.hides_entry(prefix + path, is_directory=is_directory):
                continue
            if is_directory:
                waiting.append(path + "/")
            elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
                yield path, entry.is_symlink()


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []
