"""Whether the answer to a form fits the schema that came with the question. Pure. Spec: elicitation."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic_core import SchemaError, SchemaValidator, core_schema

from agent_server.client.errors import FormAnswerInvalid
from agent_server.protocol.v1.elicitation import (
    BooleanPropertySchema,
    ElicitationContentValue,
    ElicitationPropertySchema,
    ElicitationSchema,
    IntegerPropertySchema,
    MultiSelectPropertySchema,
    NumberPropertySchema,
    StringMultiSelectItems,
    StringPropertySchema,
    TitledMultiSelectItems,
)


def check_answer(schema: ElicitationSchema, content: Mapping[str, Any]) -> None:
    """Check every field. Fields of a kind that we do not know are taken as they are.

    Raises:
        FormAnswerInvalid: the first field that is missing, was not asked for, or does not fit.
    """
    for name in schema.required or ():
        if name not in content:
            raise FormAnswerInvalid(name, "must be answered")
    for name, value in content.items():
        if name not in schema.properties:
            raise FormAnswerInvalid(name, "was not asked for")
        problem = _problem(schema.properties[name], value)
        if problem is not None:
            raise FormAnswerInvalid(name, problem)


def defaults_of(schema: ElicitationSchema) -> dict[str, ElicitationContentValue]:
    """What the form holds before the user has touched it: the defaults that fit."""
    defaults: dict[str, ElicitationContentValue] = {}
    for name, field in schema.properties.items():
        value = getattr(field, "default", None)
        if value is not None and _problem(field, value) is None:
            defaults[name] = value
    return defaults


def _problem(field: ElicitationPropertySchema, value: Any) -> str | None:
    check = _CHECKS.get(type(field), _any_value)
    return check(field, value)


def _any_value(_field: Any, value: Any) -> str | None:
    if isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return None
    return "must be a text, a number, a boolean or a list of texts"


def _string(field: StringPropertySchema, value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be a text"
    choices = field.enum if field.enum is not None else [option.const for option in field.one_of or ()]
    if (field.enum is not None or field.one_of is not None) and value not in choices:
        return "must be one of the choices"
    if field.pattern is not None and not _matches(field.pattern, value):
        return "must match the pattern"
    if field.format is not None and not _FORMATS[field.format](value):
        return _FORMAT_PROBLEMS[field.format]
    return _length(len(value), field.min_length, field.max_length, "characters")


def _length(length: int, least: int | None, most: int | None, unit: str) -> str | None:
    if least is not None and length < least:
        return f"must have at least {least} {unit}"
    if most is not None and length > most:
        return f"must have at most {most} {unit}"
    return None


def _number(field: NumberPropertySchema | IntegerPropertySchema, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "must be a number"
    if field.minimum is not None and value < field.minimum:
        return f"must be at least {field.minimum:g}"
    if field.maximum is not None and value > field.maximum:
        return f"must be at most {field.maximum:g}"
    return None


def _integer(field: IntegerPropertySchema, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        return "must be a whole number"
    return _number(field, value)


def _boolean(_field: BooleanPropertySchema, value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _several(field: MultiSelectPropertySchema, value: Any) -> str | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return "must be a list of texts"
    choices: Collection[str] | None = None
    if isinstance(field.items, StringMultiSelectItems):
        choices = field.items.enum
    elif isinstance(field.items, TitledMultiSelectItems):
        choices = [option.const for option in field.items.any_of]
    if choices is not None and not all(item in choices for item in value):
        return "must hold nothing but the choices"
    return _length(len(value), field.min_items, field.max_items, "choices")


_CHECKS: Final[dict[type, Callable[[Any, Any], str | None]]] = {
    StringPropertySchema: _string,
    NumberPropertySchema: _number,
    IntegerPropertySchema: _integer,
    BooleanPropertySchema: _boolean,
    MultiSelectPropertySchema: _several,
}


def _matches(pattern: str, value: str) -> bool:
    # An engine without backtracking: the pattern is the agent's, and must not be able to hang us. What it cannot read
    # is left to the agent, which checks the answer too.
    try:
        check = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        return True
    return check.isinstance_python(value)


def _is_email(value: str) -> bool:
    name, at, host = value.rpartition("@")
    return bool(name and at and host) and not any(character.isspace() for character in value)


def _is_uri(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme) and value.isprintable() and " " not in value


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_date_time(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None and value[10:11] in ("T", "t")
    except ValueError:
        return False


_FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "email": _is_email,
    "uri": _is_uri,
    "date": _is_date,
    "date-time": _is_date_time,
}

_FORMAT_PROBLEMS: Final = {
    "email": "must be an e-mail address",
    "uri": "must be a URI",
    "date": "must be a date (YYYY-MM-DD)",
    "date-time": "must be a date and time with its offset (RFC 3339)",
}
