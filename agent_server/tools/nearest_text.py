"""Where a text that was not found may have been meant: the lines of a file that are most like it.

The work is bounded: lines are scored by the three-letter groups that they share with the text, and only the best
windows are compared in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from heapq import nlargest
from itertools import accumulate

from agent_server.tools.text_files import split_lines

_MAX_SCANNED_CHARS = 512 * 1024
_MAX_COMPARED_CHARS = 1_000
_MAX_COMPARED_WINDOWS = 5
_GRAM_CHARS = 3
_MIN_SIMILARITY = 0.5


@dataclass(frozen=True, slots=True)
class NearestText:
    """The nearest lines: ``line`` is the 1-based number of the first, ``similarity`` goes from 0 to 1."""

    line: int
    last_line: int
    similarity: float
    text: str


def nearest_text(text: str, wanted: str) -> NearestText | None:
    """The run of as many lines as ``wanted`` has that is most like it; None if nothing is at least half like it.

    Only the first 512 Ki characters of ``text`` are looked at.
    """
    lines = split_lines(text[:_MAX_SCANNED_CHARS])
    count = min(len(split_lines(wanted)), len(lines))
    if count == 0:
        return None
    starts = _promising_starts(lines, count, _grams(wanted))
    windows = ((start, "\n".join(lines[start : start + count])) for start in starts)
    similarity, start, window = max(((_similarity(window, wanted), -start, window) for start, window in windows))
    if similarity < _MIN_SIMILARITY:
        return None
    return NearestText(1 - start, count - start, similarity, window)


def _promising_starts(lines: list[str], count: int, wanted: set[str]) -> list[int]:
    """The starts of the windows that share most groups with the wanted text, for what they hold besides."""
    scores = [2 * len(grams & wanted) - len(grams) for grams in map(_grams, lines)]
    sums = [0, *accumulate(scores)]
    starts = range(len(lines) - count + 1)
    return nlargest(_MAX_COMPARED_WINDOWS, starts, key=lambda start: sums[start + count] - sums[start])


def _grams(text: str) -> set[str]:
    bare = " ".join(text.split())
    return {bare[at : at + _GRAM_CHARS] for at in range(max(1, len(bare) - _GRAM_CHARS + 1))}


def _similarity(window: str, wanted: str) -> float:
    first, second = window[:_MAX_COMPARED_CHARS], wanted.rstrip("\n")[:_MAX_COMPARED_CHARS]
    return SequenceMatcher(None, first, second, autojunk=False).ratio()
