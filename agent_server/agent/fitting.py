"""Updates as JSON text that can be sent, whatever models, tools and file systems put into them.

What JSON cannot hold (half of a surrogate pair, a key that is no string, a foreign object) is replaced, and an update
that would not fit into a frame is cut with marks: neither is a reason for a turn to fail.
"""

from __future__ import annotations

from typing import Any, Final

from orjson import dumps

from agent_server.conversation.holdable import holdable

MAX_UPDATE_BYTES: Final = 8 * 1024 * 1024 - 64 * 1024
"""What remains of a frame beside its envelope."""

_CUTS: Final = ((256 * 1024, 64), (16 * 1024, 32), (256, 8))
"""Characters of a text and items of a list that are kept, tried in this order."""


def whole(value: dict[str, Any]) -> bytes:
    """The value as JSON text, however long."""
    try:
        return dumps(value)
    except TypeError:
        return dumps(holdable(value))


def encoded(update: dict[str, Any]) -> bytes:
    """An update as JSON text of at most `MAX_UPDATE_BYTES`."""
    try:
        data = dumps(update)
    except TypeError:
        update = holdable(update)
        data = dumps(update)
    for most_chars, most_items in _CUTS:
        if len(data) <= MAX_UPDATE_BYTES:
            break
        data = dumps(_cut(update, most_chars, most_items))
    return data


def _cut(value: Any, most_chars: int, most_items: int) -> Any:
    if isinstance(value, str) and len(value) > most_chars:
        return f"{value[:most_chars]}\n[{len(value) - most_chars} more characters not shown]"
    if isinstance(value, dict):
        return {key: _cut(item, most_chars, most_items) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item, most_chars, most_items) for item in value[:most_items]]
    return value
