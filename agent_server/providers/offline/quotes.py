"""Quoted texts: taking one from the front of a command, and hiding all of them in a sentence."""

from __future__ import annotations

import re

_CLOSING = {'"': '"', "'": "'", "`": "`", "“": "”", "\u2018": "\u2019", "«": "»"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "`": "`", "\\": "\\"}

# Long prompts pass here: no alternative may run past the next opening mark, or the search becomes quadratic.
_QUOTED = (
    r"```[^\n`]*\n(.*?)\n?```"
    r'|"([^"]*)"|“([^“”]*)”|«([^«»]*)»|`([^`]+)`'
    # An apostrophe inside a word (what's, don't) quotes nothing.
    r"|(?<!\w)'([^']*)'(?!\w)|(?<!\w)\u2018([^\u2018\u2019]*)\u2019(?!\w)"
)
_OPEN, _CLOSE = "\ue000", "\ue001"

MASK = rf"{_OPEN}\d+{_CLOSE}"
"""Matches what stands for a quoted text in a masked sentence."""


def take(text: str, *, escapes: bool = False) -> tuple[str, str] | None:
    """Take one word or quoted text from the front; return it and what follows, or None if a quote is not closed.

    With ``escapes``, backslash sequences inside the quotes are resolved; without, only one before the quote is.
    """
    text = text.lstrip()
    close = _CLOSING.get(text[:1])
    if close is None:
        word = text.split(None, 1)
        return (word[0], word[1] if len(word) > 1 else "") if word else ("", "")
    match = re.match(rf".((?:\\.|[^\\{close}])*){close}", text, re.DOTALL)
    if match is None:
        return None
    inner = unescaped(match[1]) if escapes else match[1].replace(f"\\{close}", close)
    return inner, text[match.end() :]


def unescaped(text: str) -> str:
    """Return the text with its backslash sequences resolved; unknown ones stay as they are."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text, flags=re.DOTALL)


class Masked:
    """A sentence whose quoted texts are replaced by marks without blanks, so that patterns see only its words."""

    __slots__ = ("_quoted", "text")

    def __init__(self, text: str) -> None:
        self._quoted: list[tuple[str, str]] = []
        clean = text.replace(_OPEN, "").replace(_CLOSE, "")
        self.text = re.sub(_QUOTED, self._hide, clean, flags=re.DOTALL).replace("\u2019", "'")

    def _hide(self, match: re.Match[str]) -> str:
        inner = next((group for group in match.groups() if group is not None), "")
        self._quoted.append((match[0], inner))
        return f"{_OPEN}{len(self._quoted) - 1}{_CLOSE}"

    def value(self, piece: str) -> str:
        """Return what a piece of the masked text means: a quoted text without its quotes, or the words as written."""
        if re.fullmatch(MASK, piece):
            return self._quoted[int(piece[1:-1])][1]
        return re.sub(MASK, lambda match: self._quoted[int(match[0][1:-1])][0], piece)
