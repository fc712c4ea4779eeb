"""Whether an answer fits its form: what a client sends is checked before anybody believes it. Pure.

No text that is made here holds anything of the answer, which may be private. Spec: elicitation.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any, Final

from agent_server.conversation.questions import (
    ChoicesField,
    FlagField,
    FormField,
    IntegerField,
    NumberField,
    TextField,
    UserForm,
)

MAX_ANSWER_CHARS: Final = 100_000
MAX_MATCHED_CHARS: Final = 200
"""A text with a pattern may be so long: a regular expression takes its time."""


class UnfitAnswer(ValueError):
    """The answer does not fit the form; the text names the field and what was expected, never what came."""


def fitting_content(form: UserForm, content: dict[str, Any] | None) -> dict[str, Any]:
    """The values of the form's fields. What was not asked for is left out, and so is an optional field without a value.

    Raises:
        UnfitAnswer: a required value is missing, or a value is not of the kind that was asked for.
    """
    given = content or {}
    values = ((field.name, _value_of(field, given.get(field.name))) for field in form.fields)
    return {name: value for name, value in values if value is not None}


def _value_of(field: FormField, value: Any) -> Any:
    if value is None and not field.required:
        return None
    try:
        return _checked(field, value)
    except UnfitAnswer:
        if value == "" and not field.required:  # many clients send what was left blank so
            return None
        raise


def _checked(field: FormField, value: Any) -> Any:
    if value is None:
        raise _unfit(field, "a value")
    if isinstance(field, TextField):
        return _text(field, value)
    if isinstance(field, FlagField):
        return value if isinstance(value, bool) else _refuse(field, "yes or no")
    if isinstance(field, ChoicesField):
        return _choices(field, value)
    return _number(field, value)


def _text(field: TextField, value: Any) -> str:
    if not isinstance(value, str):
        raise _unfit(field, "a text")
    if field.choices:
        return value if value in {choice.value for choice in field.choices} else _refuse(field, "one of its choices")
    most = MAX_ANSWER_CHARS if field.max_length is None else min(field.max_length, MAX_ANSWER_CHARS)
    if not (field.min_length or 0) <= len(value) <= most:
        raise _unfit(field, f"a text of {field.min_length or 0} to {most} characters")
    if field.format is not None and not _has_format(field.format, value):
        raise _unfit(field, f"a text of the format {field.format}")
    if field.pattern is not None:
        import re

        if len(value) > MAX_MATCHED_CHARS or re.search(field.pattern, value) is None:
            raise _unfit(field, "a text that matches its pattern")
    return value


def _has_format(name: str, value: str) -> bool:
    if name == "email":
        local, at, domain = value.rpartition("@")
        return bool(local and at and domain) and not any(char.isspace() for char in value)
    if name == "uri":
        scheme, colon, rest = value.partition(":")
        return bool(scheme[:1].isalpha() and colon and rest) and not any(char.isspace() for char in value)
    try:
        if name == "date":
            return len(value) == 10 and value[4] == value[7] == "-" and date.fromisoformat(value) is not None
        return "T" in value.upper() and datetime.fromisoformat(value.upper()) is not None
    except ValueError:
        return False


def _number(field: NumberField | IntegerField, value: Any) -> float | int:
    kind = "a number" if isinstance(field, NumberField) else "a whole number"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _unfit(field, kind)
    if isinstance(field, IntegerField):
        if value != int(value):
            raise _unfit(field, kind)
        value = int(value)
    if field.minimum is not None and value < field.minimum:
        raise _unfit(field, f"{kind} of at least {field.minimum}")
    if field.maximum is not None and value > field.maximum:
        raise _unfit(field, f"{kind} of at most {field.maximum}")
    checked: float | int = value
    return checked


def _choices(field: ChoicesField, value: Any) -> list[str]:
    known = {choice.value for choice in field.choices}
    if not isinstance(value, list) or not all(isinstance(item, str) and item in known for item in value):
        raise _unfit(field, "some of its choices")
    if len(set(value)) != len(value):
        raise _unfit(field, "each choice at most once")
    most = len(known) if field.max_items is None else field.max_items
    if not (field.min_items or 0) <= len(value) <= most:
        raise _unfit(field, f"{field.min_items or 0} to {most} of its choices")
    return value


def _refuse(field: FormField, expected: str) -> Any:
    raise _unfit(field, expected)


def _unfit(field: FormField, expected: str) -> UnfitAnswer:
    return UnfitAnswer(f"{field.name}: {expected} was expected")
