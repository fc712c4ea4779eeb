"""The plain text that every match of a regular expression must hold, so that files without it need no look.

The rule is cautious: only what is certain counts. Text inside groups and classes, repeated or optional characters and
everything but printable ASCII are left out, and a pattern with ``(?``, numeric escapes or references gives nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MIN_CHARS = 2
# What would need a real parser: flags and special groups, characters by number or name, references.
_UNREADABLE = re.compile(r"\(\?|\\[xuUN0-9]")
# A regular expression cut into what matters here: escapes, classes, repetitions, single characters.
_TOKEN = re.compile(
    r"""
    (?P<literal_escape>\\[^\w\s])     |
    (?P<other_escape>\\.)             |
    (?P<charset>\[\^?\]?(?:\\.|[^\]\\])*\])  |
    (?P<at_least_one>\+[?+]?)         |
    (?P<repeat>[*?][?+]?|\{\d*,?\d*\}[?+]?) |
    (?P<special>[|()^$.])             |
    (?P<char>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def required_text(pattern: str, *, ignore_case: bool = False) -> tuple[str, ...]:
    """Texts of which each match of a valid Python pattern holds at least one; empty if none is certain.

    With ``ignore_case`` they must be looked for without regard to the case of ASCII letters.
    """
    if _UNREADABLE.search(pattern):
        return ()
    branches = [max(_runs(tokens, ignore_case), key=len, default="") for tokens in _branches(pattern)]
    return tuple(branches) if all(len(text) >= _MIN_CHARS for text in branches) else ()


def _branches(pattern: str) -> Iterator[list[re.Match[str]]]:
    """The tokens between the ``|`` outside of groups; those inside groups become one opening parenthesis."""
    depth = 0
    tokens: list[re.Match[str]] = []
    for token in _TOKEN.finditer(pattern):
        text = token[0] if token.lastgroup == "special" else ""
        depth -= text == ")"
        if depth == 0 and text == "|":
            yield tokens
            tokens = []
        elif depth == 0:
            tokens.append(token)
        depth += text == "("
    yield tokens


def _runs(tokens: list[re.Match[str]], ignore_case: bool) -> Iterator[str]:
    """The stretches of literal characters in one branch."""
    run = ""
    for token in tokens:
        if token.lastgroup == "repeat":
            run = run[:-1]
        literal = _literal(token, ignore_case)
        if literal is None:
            yield run
            run = ""
        else:
            run += literal
    yield run


def _literal(token: re.Match[str], ignore_case: bool) -> str | None:
    if token.lastgroup not in ("char", "literal_escape"):
        return None
    char = token[0][-1]
    # Without regard to case, Python takes a dotless or a dotted capital I for an "i"; other programs do not.
    if not (" " <= char <= "~") or (ignore_case and char in "iI"):
        return None
    return char
