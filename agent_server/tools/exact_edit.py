"""Replacing a text that must be there exactly, whatever line endings the file has. Nothing here touches a disk.

Both sides are compared with ``\\n`` for every line ending; what lies outside of a match keeps every character.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent_server.tools.text_files import line_ending, with_line_ending


@dataclass(frozen=True, slots=True)
class Span:
    """One match: character offsets into the text as it is, and the 1-based line on which it starts."""

    start: int
    end: int
    line: int


def occurrences(text: str, wanted: str) -> list[Span]:
    """Where ``wanted`` (not empty) stands in ``text``, overlapping matches included."""
    plain, pairs = text.replace("\r\n", "\n"), _pair_offsets(text)
    wanted = wanted.replace("\r\n", "\n")
    spans = []
    line, counted_to = 1, 0
    for start in _finds(plain, wanted):
        line += plain.count("\n", counted_to, start)
        counted_to = start
        end = start + len(wanted)
        spans.append(Span(start + bisect_left(pairs, start), end + bisect_left(pairs, end), line))
    return spans


def _pair_offsets(text: str) -> list[int]:
    """Where in the plain text the line feeds stand that were ``\\r\\n``."""
    found: list[int] = []
    at = text.find("\r\n")
    while at >= 0:
        found.append(at - len(found))
        at = text.find("\r\n", at + 2)
    return found


def _finds(plain: str, wanted: str) -> Iterator[int]:
    at = plain.find(wanted)
    while at >= 0:
        yield at
        at = plain.find(wanted, at + 1)


def apart(spans: Sequence[Span]) -> list[Span]:
    """The spans without those that overlap an earlier one."""
    kept: list[Span] = []
    for span in spans:
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def replaced(text: str, spans: Sequence[Span], new: str) -> str:
    """The text with ``new`` in place of each span (in order, none overlapping), in the line endings found there."""
    pieces: list[str] = []
    kept_to = 0
    file_ending = line_ending(text)
    for span in spans:
        old = text[span.start : span.end]
        ending = line_ending(old) if "\n" in old else file_ending
        pieces += (text[kept_to : span.start], with_line_ending(new, ending))
        kept_to = span.end
    return "".join((*pieces, text[kept_to:]))
