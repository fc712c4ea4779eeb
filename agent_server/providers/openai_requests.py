"""What requests in both of OpenAI's formats have in common. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from agent_server.providers.provider import ModelInfo
from agent_server.providers.turns import fitting_name

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME: Final = 64
_REFUSED_AT_THE_TOP: Final = frozenset({"oneOf", "anyOf", "allOf", "enum", "not"})


def tool_name(name: str) -> str:
    """The name of a tool that was asked for, as it may be sent."""
    return fitting_name(name, _NOT_IN_NAMES, _LONGEST_NAME)


def tool_parameters(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that OpenAI accepts: an object, with ``properties``, and no alternatives at its top.

    One tool whose schema is refused would make every request fail, so what is refused is left out. That only makes the
    schema laxer: arguments are checked against the whole one before a tool runs.
    """
    if schema.get("type") == "object" and "properties" in schema and _REFUSED_AT_THE_TOP.isdisjoint(schema):
        return schema
    kept = {key: value for key, value in schema.items() if key not in _REFUSED_AT_THE_TOP}
    return {**kept, "type": "object", "properties": schema.get("properties") or {}}


def longest_answer(info: ModelInfo) -> int | None:
    """How long the answer may be, where that is known. Some servers add it to the input and refuse the sum."""
    if info.output_tokens is None or info.window_tokens is None:
        return info.output_tokens
    return min(info.output_tokens, max(1, info.window_tokens // 2))
