"""Secrets are taken out of what is told and kept of a call: values whose key says that they are secret. Pure.

It happens when the event is made, so the live stream, the log and the replay agree; the tool itself gets the real
values. What a value looks like is not judged: only the name that it stands under (Req: EV-02, promise P13).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

REDACTED: Final = "[redacted]"

MAX_DEPTH: Final = 100
"""Deeper values are not looked into, so they are not shown either."""

_WORD_STARTS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD: Final = re.compile(r"[^a-z0-9]+")
_ALWAYS: Final = re.compile(
    r"(?:password|passwd|passphrase|passcode|secret|credential|authorization|cookie)s?(?:_|$)"
    r"|(?:api|private|access|signing|encryption|ssh|master|account|service|auth)_?keys?(?:_|$)"
)
_IF_TEXT: Final = re.compile(r"token(?:_|$)|(?:access|refresh|auth|bearer|session|id|api|csrf|secret)_?tokens(?:_|$)")
_ABOUT_ONE: Final = frozenset(
    {
        "arn", "at", "count", "counts", "dir", "enabled", "encoding", "endpoint", "expires", "expiry", "field", "file",
        "format", "in", "index", "kind", "length", "limit", "limits", "name", "path", "policy", "required", "size",
        "status", "ttl", "type", "uri", "url", "usage", "budget",
    }
)  # fmt: skip
"""A name that ends so says something about a secret, and not the secret."""

_IN_TEXT: Final = re.compile(
    r"""(?P<name>[\w.-]{0,40}(?:passw|passphrase|passcode|secret|credential|authorization|cookie|token|key)[\w.-]{0,40})"""
    r"""(?P<between>["']?\s*[:=]\s*)(?P<value>"[^"]*"|'[^']*'|(?:(?:bearer|basic|token)\s+)?[^\s"',;&]+)""",
    re.IGNORECASE,
)


def redacted(value: Any) -> Any:
    """The value with every secret replaced by `REDACTED`; the very same value where there is none.

    Dictionaries and sequences are looked through, and a list of variables or headers (a name beside a ``value``) is
    understood too. What is no JSON comes back as it is.
    """
    return _redacted(value, 0)


def is_secret(name: str, value: Any) -> bool:
    """Whether what stands under this name must not be shown.

    Nothing, flags and empty texts give nothing away, and a number called a token is a count.
    """
    sort = _sort_of(name)
    if not sort or value is None or value is True or value is False or value == "":
        return False
    return sort == 2 or not isinstance(value, int | float)


def redacted_text(text: str) -> str:
    """A text with the values of what looks like ``api_key=…`` or ``Authorization: Bearer …`` replaced."""
    if ":" not in text and "=" not in text:
        return text
    return _IN_TEXT.sub(_hidden, text)


def _redacted(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str or kind is int:  # nearly everything
        return value
    if isinstance(value, dict):
        return _redacted_dict(value, depth + 1) if depth < MAX_DEPTH else REDACTED
    if isinstance(value, list | tuple):
        return _redacted_items(value, depth + 1) if depth < MAX_DEPTH else REDACTED
    return value


def _redacted_dict(value: dict[Any, Any], depth: int) -> dict[Any, Any]:
    changed: dict[Any, Any] | None = None
    for key, item in value.items():
        if type(key) is str and _sort_of(key) and is_secret(key, item):
            shown: Any = REDACTED
        elif type(item) is str:
            continue
        else:
            shown = _redacted(item, depth)
        if shown is not item:
            changed = changed if changed is not None else dict(value)
            changed[key] = shown
    if "value" in value and _names_a_secret(value):
        changed = changed if changed is not None else dict(value)
        changed["value"] = REDACTED
    return value if changed is None else changed


def _names_a_secret(variable: dict[Any, Any]) -> bool:
    names = (variable.get("name"), variable.get("key"))
    return any(isinstance(name, str) and is_secret(name, variable["value"]) for name in names)


def _redacted_items(value: list[Any] | tuple[Any, ...], depth: int) -> list[Any] | tuple[Any, ...]:
    items = [item if type(item) is str else _redacted(item, depth) for item in value]
    return value if all(map(_is, items, value)) else items


def _is(one: object, other: object) -> bool:
    return one is other


@lru_cache(maxsize=4096)
def _sort_of(name: str) -> int:
    """0: no secret; 1: a secret unless it is a number; 2: a secret."""
    if len(name) > 200:
        return 0
    words = _NO_WORD.sub("_", _WORD_STARTS.sub("_", name).lower()).strip("_")
    if words.rpartition("_")[2] in _ABOUT_ONE:
        return 0
    if _ALWAYS.search(words):
        return 2
    return 1 if _IF_TEXT.search(words) else 0


def _hidden(found: re.Match[str]) -> str:
    value = found["value"]
    number = value.strip("\"'")
    if not is_secret(found["name"], int(number) if number.isdecimal() and len(number) < 20 else value):
        return found[0]
    return f"{found['name']}{found['between']}{REDACTED}"
