"""JSON as servers and models write it, read with what can be forgiven. Pure.

orjson reads what is right, which is nearly all. The rest is halves of emoji that a server cut apart, NaN, control
characters inside of strings, bytes that are no UTF-8: none of it is worth an answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import orjson

MAX_COUNT: Final = 10**12
"""Of tokens: what is more has another meaning, or none."""
MAX_PIECES: Final = 4096
"""How many texts, thoughts and tool calls one response may have."""
NO_ARGUMENTS: Final = "its arguments are not valid JSON"


def json_of(data: bytes | str) -> Any:
    """The value; strings in it can always be written again.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _forgiving(data)


def object_in(value: Any) -> dict[str, Any]:
    """The object; of a list the first element, because some servers wrap what they say in one.

    Raises:
        ValueError: there is none.
    """
    if type(value) is list and value:
        value = value[0]
    if type(value) is not dict:
        raise ValueError("no JSON object")
    return value


def count_in(said: Mapping[str, Any], name: str) -> int:
    """A number of tokens that a server tells: whole, and neither below zero nor beyond all reason; else 0."""
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 <= value <= MAX_COUNT else 0


def arguments_of(text: str) -> tuple[dict[str, Any], str | None]:
    """The arguments of a tool call, and what is wrong with them. Nothing at all is an object without members."""
    if not text or text.isspace():
        return {}, None
    try:
        value = json_of(text)
    except ValueError:
        return {}, NO_ARGUMENTS
    if value is None:
        return {}, None
    return (value, None) if type(value) is dict else ({}, NO_ARGUMENTS)


def _forgiving(data: bytes | str) -> Any:
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    try:
        value = json.loads(text, strict=False, parse_constant=lambda _: None)
        return orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error
