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
_UNSEEN = frozenset(chr(code) for first, last in _UNSEEN_RANGES for code in range(first, last + 1))


def visible(text: str) -> str:
    """The text with every control, bidi, zero-width, lone-surrogate and odd blank character as its escape.

    ``\\n`` and ``\\t`` are escaped too, so the result is one line. Letters, marks, emoji and the plain space stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_seen(char) else _escape(char) for char in text)


def _is_seen(char: str) -> bool:
    return char.isprintable() and char not in _UNSEEN


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
