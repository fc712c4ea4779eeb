"""The parameters of tools as OpenAI's formats take them. Pure.

One tool whose schema is refused would make every request fail, so what is refused is left out. That only makes the
schema laxer: arguments are checked against the whole one before a tool runs.
"""

from __future__ import annotations

from typing import Any, Final

_REFUSED_AT_THE_TOP: Final = frozenset({"oneOf", "anyOf", "allOf", "enum", "not"})


def openai_parameters(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that OpenAI accepts: an object, with ``properties``, and no alternatives at its top."""
    if schema.get("type") == "object" and "properties" in schema and _REFUSED_AT_THE_TOP.isdisjoint(schema):
        return schema
    kept = {key: value for key, value in schema.items() if key not in _REFUSED_AT_THE_TOP}
    return {**kept, "type": "object", "properties": schema.get("properties") or {}}
