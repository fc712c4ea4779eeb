"""Questions to the user besides permissions: forms to fill in and pages to visit. Spec: elicitation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

TextFormat: TypeAlias = Literal["email", "uri", "date", "date-time"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values. ``title`` is what people see; None: the value itself."""

    value: str
    title: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    title: str | None = None
    description: str | None = None
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TextField(_Field):
    """A text; with ``choices``, one of them. ``pattern`` is searched for in it. Lengths are in characters."""

    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    format: TextFormat | None = None
    default: str | None = None
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberField(_Field):
    """A number; the bounds belong to it."""

    minimum: float | None = None
    maximum: float | None = None
    default: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerField(_Field):
    """A whole number; the bounds belong to it."""

    minimum: int | None = None
    maximum: int | None = None
    default: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagField(_Field):
    """Yes or no."""

    default: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoicesField(_Field):
    """Any number of the choices, each at most once."""

    choices: tuple[Choice, ...]
    min_items: int | None = None
    max_items: int | None = None
    default: tuple[str, ...] | None = None


FormField: TypeAlias = TextField | NumberField | IntegerField | FlagField | ChoicesField


@dataclass(frozen=True, slots=True)
class UserForm:
    """Please fill this in. ``tool_call_id`` is the call that asks, where one does."""

    message: str
    fields: tuple[FormField, ...]
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class UserVisit:
    """Please do something at this page. ``elicitation_id`` cannot be guessed, so it is unique among all open ones."""

    message: str
    url: str
    elicitation_id: str
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class UserAnswer:
    """What the user did.

    ``accept`` of a form comes with its ``content``: texts, numbers, flags and lists of texts by field name. ``accept``
    of a visit means that the user agreed to go, not that anything is done there.
    """

    action: Literal["accept", "decline", "cancel"]
    content: dict[str, Any] | None = None
