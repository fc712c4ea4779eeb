"""Text that a person can judge by looking at it: nothing in it is invisible or reorders what stands next to it."""

from __future__ import annotations

# Printable to Python, yet blank or invisible on a screen: joiners, fillers and variation selectors.
_UNSEEN_RANGES = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xE0100, 0xE01EF),
)
_SELECTORS = "\ufe0e\ufe0f"
_JOINERS = "\u200c\u200d"
_KEYCAPS = "0123456789#*"
_UNSEEN = frozenset(chr(code) for first, last in _UNSEEN_RANGES for code in range(first, last + 1))


def visible(text: str) -> str:
    """The text with every control, bidi, zero-width, lone-surrogate and odd blank character as its escape.

    ``\\n`` and ``\\t`` are escaped too, so the result is one line. Letters, marks, emoji and the plain space stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_seen(char) else _escape(char) for char in text)


def readable(text: str) -> str:
    """Text of several lines for reading: as `visible`, but line ends and tabs stay, and so do the joiners and variation
    selectors that make one sign of two, as in emoji.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line if line.isascii() and line.isprintable() else _readable_line(line) for line in lines)


def _readable_line(line: str) -> str:
    shown: list[str] = []
    before = ""
    for index, char in enumerate(line):
        kept = char == "\t" or _is_seen(char) or _joins(before, char, line[index + 1 : index + 2])
        shown.append(char if kept else _escape(char))
        before = char if kept else ""
    return "".join(shown)


def _joins(before: str, char: str, after: str) -> bool:
    """Whether it does what it is for: a selector behind one sign, a joiner between two that are no ASCII."""
    if not before or before in _JOINERS:
        return False
    if char in _SELECTORS:
        return before not in _SELECTORS and (not before.isascii() or before in _KEYCAPS)
    return char in _JOINERS and not before.isascii() and after != "" and not after.isascii() and _is_seen(after)


def _is_seen(char: str) -> bool:
    return char.isprintable() and char not in _UNSEEN


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
