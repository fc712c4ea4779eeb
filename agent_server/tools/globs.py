"""Glob patterns over relative paths: ``*`` ``?`` ``[a-z]`` within a name, ``**`` across directories, ``{a,b}``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator

from agent_server.errors import ToolError

_MAX_ALTERNATIVES = 64
_MAX_CHARS = 1_000


class Glob:
    """A compiled pattern. Without a slash it matches names at any depth, with one the whole relative path.

    Matching takes time linear in names and quadratic in depth at worst, whatever the pattern.

    Raises:
        ToolError: the pattern is too long, or its braces multiply to too many alternatives.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > _MAX_CHARS:
            raise ToolError(f"the glob pattern is longer than {_MAX_CHARS} characters")
        alternatives = _expanded(pattern.replace("[^", "[!"))
        self._alternatives = [_compiled(alternative) for alternative in alternatives]

    def matches(self, path: str) -> bool:
        """Whether a relative path with forward slashes matches."""
        names = path.split("/")
        return any(_matches(parts, names) for parts in self._alternatives)


_Part = re.Pattern[str] | None
"""One name of a pattern; None for ``**``."""


def _compiled(pattern: str) -> list[_Part]:
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if "/" not in pattern:
        parts.insert(0, "**")
    if parts and parts[-1] == "**":
        parts.append("*")
    return [None if part == "**" else re.compile(fnmatch.translate(part)) for part in parts]


def _matches(parts: list[_Part], names: list[str]) -> bool:
    """Keeps the set of positions in ``parts`` that are reachable after each name, so it never backtracks."""
    reachable = _past_stars(parts, {0})
    for name in names:
        reachable = _past_stars(parts, set(_advanced(parts, reachable, name)))
        if not reachable:
            return False
    return len(parts) in reachable


def _advanced(parts: list[_Part], reachable: set[int], name: str) -> Iterator[int]:
    for index in reachable:
        if index < len(parts):
            part = parts[index]
            if part is None:
                yield index
            elif part.match(name):
                yield index + 1


def _past_stars(parts: list[_Part], reachable: set[int]) -> set[int]:
    """Where else one may stand, because ``**`` also stands for no name at all."""
    for index, part in enumerate(parts):
        if part is None and index in reachable:
            reachable.add(index + 1)
    return reachable


def _expanded(pattern: str) -> list[str]:
    """The pattern with its braces multiplied out, the innermost first."""
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        if len(done) + len(waiting) > _MAX_ALTERNATIVES:
            raise ToolError(f"the glob pattern has more than {_MAX_ALTERNATIVES} alternatives")
        current = waiting.pop()
        braces = re.search(r"\{([^{}]*,[^{}]*)\}", current)
        if braces is None:
            done.append(current)
        else:
            head, tail = current[: braces.start()], current[braces.end() :]
            waiting.extend(head + choice + tail for choice in braces[1].split(","))
    return done
