"""What JSON can hold of any value: models, tools and file systems come up with what it cannot."""

from __future__ import annotations

from typing import Any, Final

_MAX_DEPTH: Final = 64
_INT64: Final = 2**63


def holdable(value: Any, depth: int = 0) -> Any:
    """The value with everything that JSON cannot hold replaced by a text that stands for it.

    That is half of a surrogate pair, an integer beyond 64 bit, a key that is no string, a foreign object, and what is
    nested more than 64 deep.
    """
    if depth > _MAX_DEPTH:
        return "[nested too deeply to be shown]"
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {holdable(str(key)): holdable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [holdable(item, depth + 1) for item in value]
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < _INT64):
        return value
    return holdable(str(value))
