"""What a model passed to a tool, read by name and type; every mistake is named so that the model can mend it."""

from __future__ import annotations

from typing import Any

from agent_server.conversation.visible import visible
from agent_server.errors import ToolError

_JSON_TYPES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


def object_schema(properties: dict[str, dict[str, Any]], *, required: tuple[str, ...]) -> dict[str, Any]:
    """A JSON Schema of type object that takes these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def json_type(value: Any) -> str:
    """The JSON name of a value's type, as models know it."""
    return _JSON_TYPES.get(type(value), type(value).__name__)


class Arguments:
    """The arguments of one call, checked against the tool's schema as they are read.

    ``null`` counts as absent for optional arguments, because some models fill in every name.

    Raises:
        ToolError: an argument that the schema does not know was given.
    """

    def __init__(self, given: dict[str, Any], schema: dict[str, Any]) -> None:
        known = schema["properties"]
        unknown = [visible(str(name)) for name in given if name not in known]
        if unknown:
            raise ToolError(f"unknown argument {', '.join(unknown)}; this tool takes {', '.join(known)}")
        self._given = given

    def string(self, name: str) -> str:
        """A required string, which may be empty.

        Raises:
            ToolError: it is missing or no string.
        """
        value = self.optional_string(name)
        if value is None:
            raise ToolError(f"{name} is missing: a string is required")
        return value

    def filled_string(self, name: str) -> str:
        """A required string that is not empty.

        Raises:
            ToolError: it is missing, empty or no string.
        """
        value = self.string(name)
        if not value:
            raise ToolError(f"{name} is empty: a string with at least one character is required")
        return value

    def optional_string(self, name: str) -> str | None:
        """A string, or None where it is absent.

        Raises:
            ToolError: it is no string.
        """
        value = self._given.get(name)
        if value is None or isinstance(value, str):
            return value
        raise _wrong_type(name, value, "a string")

    def optional_integer(self, name: str, *, minimum: int) -> int | None:
        """A whole number (``3.0`` is one, ``true`` is not), or None where it is absent.

        Raises:
            ToolError: it is no whole number, or below ``minimum``.
        """
        value = self._given.get(name)
        if value is None:
            return None
        number = _whole_number(name, value)
        if number < minimum:
            raise ToolError(f"{name} is {number}: it must be at least {minimum}")
        return number

    def flag(self, name: str) -> bool:
        """A boolean, False where it is absent.

        Raises:
            ToolError: it is no boolean.
        """
        value = self._given.get(name)
        if value is None:
            return False
        if isinstance(value, bool):
            return value
        raise _wrong_type(name, value, "a boolean")


def _whole_number(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise _wrong_type(name, value, "an integer")


def _wrong_type(name: str, value: Any, expected: str) -> ToolError:
    return ToolError(f"{name} is of type {json_type(value)}: {expected} is required")
