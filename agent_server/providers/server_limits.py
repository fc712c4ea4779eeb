"""What servers refuse, whatever the format: some schemas of tools, and answers that would not fit. Pure."""

from __future__ import annotations

from typing import Any, Final

from agent_server.providers.provider import ModelInfo

_REFUSED_AT_THE_TOP: Final = frozenset({"oneOf", "anyOf", "allOf", "enum", "not"})
"""By OpenAI and by Anthropic."""


def tool_parameters(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that every server accepts: an object, with ``properties``, and no alternatives at its top.

    One tool whose schema is refused would make every request fail, so what is refused is left out. That only makes the
    schema laxer: arguments are checked against the whole one before a tool runs.
    """
    if schema.get("type") == "object" and "properties" in schema and _REFUSED_AT_THE_TOP.isdisjoint(schema):
        return schema
    kept = {key: value for key, value in schema.items() if key not in _REFUSED_AT_THE_TOP}
    return {**kept, "type": "object", "properties": schema.get("properties") or {}}


def longest_answer(info: ModelInfo, unknown: int | None = None) -> int | None:
    """How many tokens the answer may have; ``unknown`` where the model's limit is not known.

    At most half of the context: some servers add it to the input and refuse the sum.
    """
    limit = info.output_tokens or unknown
    if limit is None or not info.window_tokens:
        return limit
    return min(limit, max(1, info.window_tokens // 2))
