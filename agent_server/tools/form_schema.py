"""Forms written as JSON Schema, the way models and other programs describe them: flat, of simple types.

Spec: elicitation.
"""

from __future__ import annotations

from typing import Any, Final

from agent_server.conversation.questions import (
    Choice,
    ChoicesField,
    FlagField,
    FormField,
    IntegerField,
    NumberField,
    TextField,
)
from agent_server.conversation.visible import visible
from agent_server.errors import ToolError
from agent_server.tools.arguments import json_type

_SHARED: Final = ("type", "title", "description", "default")
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "string": (*_SHARED, "minLength", "maxLength", "pattern", "format", "enum", "oneOf"),
    "number": (*_SHARED, "minimum", "maximum"),
    "integer": (*_SHARED, "minimum", "maximum"),
    "boolean": _SHARED,
    "array": (*_SHARED, "items", "minItems", "maxItems"),
}
_FORMATS: Final = ("email", "uri", "date", "date-time")
_TEXT: Final = (str,)
_WHOLE: Final = (int,)
_NUMBER: Final = (int, float)


def fields_of(properties: Any, required: Any) -> tuple[FormField, ...]:
    """The fields of a form from ``{NAME: {"type": "string", ...}}`` and the names that must have a value.

    Raises:
        ToolError: it is no such description; the text says where and what was expected.
    """
    if not isinstance(properties, dict) or not properties:
        raise ToolError("fields must be an object with at least one field: its name and what may be entered")
    names = [] if required is None else required
    if not isinstance(names, list) or not all(isinstance(name, str) and name in properties for name in names):
        raise ToolError(f"required must be a list of names of fields: {', '.join(visible(str(n)) for n in properties)}")
    return tuple(_field(name, schema, required=name in names) for name, schema in properties.items())


def _field(name: str, schema: Any, *, required: bool) -> FormField:
    where = f"fields.{visible(name)}"
    kind = schema.get("type") if isinstance(schema, dict) else None
    if not isinstance(kind, str) or kind not in _KEYS:
        raise ToolError(f"{where} must be an object with a type, one of {', '.join(_KEYS)}")
    unknown = [visible(str(key)) for key in schema if key not in _KEYS[kind]]
    if unknown:
        raise ToolError(f"{where} does not take {', '.join(unknown)}; a {kind} takes {', '.join(_KEYS[kind])}")
    named: Any = {
        "name": name,
        "title": _get(schema, "title", _TEXT, where),
        "description": _get(schema, "description", _TEXT, where),
        "required": required,
    }
    if kind == "string":
        return _text_field(named, schema, where)
    if kind == "boolean":
        return FlagField(**named, default=_get(schema, "default", (bool,), where))
    if kind == "array":
        return _choices_field(named, schema, where)
    types = _NUMBER if kind == "number" else _WHOLE
    bounds: Any = {key: _get(schema, key, types, where) for key in ("minimum", "maximum", "default")}
    return NumberField(**named, **bounds) if kind == "number" else IntegerField(**named, **bounds)


def _text_field(named: Any, schema: dict[str, Any], where: str) -> TextField:
    shape = _get(schema, "format", _TEXT, where)
    if shape is not None and shape not in _FORMATS:
        raise ToolError(f"{where}.format must be one of {', '.join(_FORMATS)}")
    return TextField(
        **named,
        min_length=_get(schema, "minLength", _WHOLE, where),
        max_length=_get(schema, "maxLength", _WHOLE, where),
        pattern=_get(schema, "pattern", _TEXT, where),
        format=shape,
        default=_get(schema, "default", _TEXT, where),
        choices=_choices(schema, "oneOf", where),
    )


def _choices_field(named: Any, schema: dict[str, Any], where: str) -> ChoicesField:
    items = schema.get("items")
    if not isinstance(items, dict):
        raise ToolError(f"{where}.items must be an object with the choices: enum or anyOf")
    default = _get(schema, "default", (list,), where)
    return ChoicesField(
        **named,
        choices=_choices(items, "anyOf", f"{where}.items"),
        min_items=_get(schema, "minItems", _WHOLE, where),
        max_items=_get(schema, "maxItems", _WHOLE, where),
        default=None if default is None else tuple(default),
    )


def _choices(schema: dict[str, Any], titled: str, where: str) -> tuple[Choice, ...]:
    """The choices of ``enum``, or of the key that holds them with titles."""
    options = _get(schema, titled, (list,), where)
    if options is not None:
        return tuple(_titled(option, f"{where}.{titled}") for option in options)
    values = _get(schema, "enum", (list,), where) or []
    if not all(isinstance(value, str) for value in values):
        raise ToolError(f"{where}.enum must hold strings")
    return tuple(Choice(value) for value in values)


def _titled(option: Any, where: str) -> Choice:
    if not isinstance(option, dict) or not isinstance(option.get("const"), str):
        raise ToolError(f"{where} must hold objects with a const, which is a string, and a title")
    return Choice(option["const"], _get(option, "title", _TEXT, where), _get(option, "description", _TEXT, where))


def _get(schema: dict[str, Any], key: str, types: tuple[type, ...], where: str) -> Any:
    """The value of a key, None where it is absent or null."""
    value = schema.get(key)
    if value is None or type(value) in types:
        return value
    expected = " or ".join(json_type(made()) for made in types)
    raise ToolError(f"{where}.{key} is of type {json_type(value)}: {expected} is required")
