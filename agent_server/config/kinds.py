"""What the value of a setting may be: how it is read from text (a flag, the environment) and from TOML.

No message made here holds a value: a key that was put in the wrong place must not end up in a log (promise P13).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

MAX_WHOLE: Final = 2**31 - 1
MAX_SECONDS: Final = 366 * 24 * 3600
MAX_DOLLARS: Final = 1_000_000


class Mismatch(Exception):
    """A value is not of its kind. The text says what was given, never the value itself."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    Attributes:
        expected: what it is, to follow the word "expected".
        from_text: makes the value of text; raises ValueError when that cannot be.
        accept: returns the value as settings hold it; raises Mismatch when it is not of this kind.
    """

    expected: str
    from_text: Callable[[str], object]
    accept: Callable[[object], Any]

    def read_text(self, text: str) -> Any:
        """The value that ``text`` stands for.

        Raises:
            Mismatch: it stands for none.
        """
        try:
            value = self.from_text(text)
        except ValueError:
            raise Mismatch("some other text") from None
        return self.accept(value)


def text() -> Kind:
    """Any text but the empty one."""

    def accept(value: object) -> str:
        if not isinstance(value, str):
            raise Mismatch(type_given(value))
        if not value.strip():
            raise Mismatch("an empty string")
        return value

    return Kind("a string", str, accept)


def path() -> Kind:
    """A path; a leading ``~`` is the home directory."""
    plain = text()
    return Kind("a path", str, lambda value: os.path.expanduser(plain.accept(value)))


def flag() -> Kind:
    """True or false."""

    def accept(value: object) -> bool:
        if not isinstance(value, bool):
            raise Mismatch(type_given(value))
        return value

    return Kind("true or false", _bool_of, accept)


def whole(minimum: int, unit: str) -> Kind:
    """A whole number of ``unit``."""

    def accept(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Mismatch(type_given(value))
        if value > MAX_WHOLE:
            raise Mismatch("a larger number")
        if value < minimum:
            raise Mismatch("a smaller number")
        return value

    return Kind(f"a whole number of {unit}, {minimum} to {MAX_WHOLE}", int, accept)


def seconds(minimum: float) -> Kind:
    """A number of seconds."""

    def accept(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Mismatch(type_given(value))
        # Compared before it is converted: an int of TOML may be too large for a float.
        if not minimum <= value <= MAX_SECONDS:
            raise Mismatch("a number outside of that")
        return float(value)

    return Kind(f"a number of seconds, {minimum:g} to {MAX_SECONDS}", float, accept)


def dollars() -> Kind:
    """An amount of US dollars above nothing."""

    def accept(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Mismatch(type_given(value))
        if not 0 < value <= MAX_DOLLARS:
            raise Mismatch("a number outside of that")
        return float(value)

    return Kind(f"an amount of dollars above 0, up to {MAX_DOLLARS}", float, accept)


def names() -> Kind:
    """A list of names; in text they are separated by commas."""

    def accept(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise Mismatch(type_given(value))
        if not all(isinstance(item, str) and item for item in value):
            raise Mismatch("a list that holds something else")
        return tuple(value)

    return Kind("a list of names (in text, separated by commas)", _list_of, accept)


def choice(*words: str) -> Kind:
    """One of some words."""

    def accept(value: object) -> str:
        if not isinstance(value, str):
            raise Mismatch(type_given(value))
        if value not in words:
            raise Mismatch("some other text")
        return value

    return Kind(f"one of {', '.join(words)}", str, accept)


def type_given(value: object) -> str:
    """What TOML calls the type of a value, with its article."""
    return _TYPES.get(type(value), "a date or time")


def _bool_of(word: str) -> bool:
    try:
        return _FLAG_WORDS[word.strip().lower()]
    except KeyError:
        raise ValueError(word) from None


def _list_of(line: str) -> list[str]:
    return [name.strip() for name in line.split(",") if name.strip()]


_FLAG_WORDS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_TYPES: Final[dict[type, str]] = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "an array",
    tuple: "an array",
    dict: "a table",
}
