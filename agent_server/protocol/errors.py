"""The error codes of ACP, and what we tell the far end about params that do not fit. Spec: error."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from agent_server.protocol.model import Model


class ErrorCode:
    """The codes of JSON-RPC, of ACP, and one of our own."""

    PARSE_ERROR: Final = -32700
    INVALID_REQUEST: Final = -32600
    METHOD_NOT_FOUND: Final = -32601
    INVALID_PARAMS: Final = -32602
    INTERNAL_ERROR: Final = -32603
    AUTH_REQUIRED: Final = -32000
    RESOURCE_NOT_FOUND: Final = -32002
    STATE_CONFLICT: Final = -32010
    """Ours: the session exists, but its state forbids this; ``data.reason`` is a stable word."""
    UNSUPPORTED_PROTOCOL_VERSION: Final = -32022
    REQUEST_CANCELLED: Final = -32800


def describe_validation_error(exc: ValidationError, root: str = "params", model: Any = None) -> str:
    """One sentence on the first thing that does not fit: where it is, what was expected, what JSON type came.

    It is made of names that the models know and never holds anything that was received, because params carry secrets.

    Args:
        exc: what validating a `Model` raised.
        root: what the validated value is called, for example ``result``.
        model: what it was validated as; found by the name of a single model where it is left out.
    """
    error = exc.errors(include_url=False)[0]
    place = _locate(exc.title, error["loc"]) if model is None else _walk(model, error["loc"])
    return _sentence(root + place.path, place.annotation, error)


class _Place(NamedTuple):
    path: str
    annotation: Any
    complete: bool


_UNKNOWN: Final = object()


def _sentence(path: str, annotation: Any, error: ErrorDetails) -> str:
    kind, context, received = error["type"], error.get("ctx", {}), json_type(error["input"])
    if kind == "missing":
        return f"{path} is missing (expected {_expected(annotation)})"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _about_tag(path, annotation, error)
    if kind == "scope_missing":
        return f"{path}.sessionId is missing (expected a string, or a requestId instead)"
    if kind == "greater_than_equal":
        return f"{path} must be at least {context['ge']}, but a smaller number was given"
    if kind == "string_too_short":
        return f"{path} must not be empty"
    expected = context["expected"] if kind == "expected" else _expected(annotation)
    if kind == "literal_error" and isinstance(error["input"], str):
        received = "another string"
    return f"{path} must be {expected}, but {received} was given"


def _about_tag(path: str, annotation: Any, error: ErrorDetails) -> str:
    # The library names the discriminator in quotes, by its Python name, its wire name or both.
    names = str(error["ctx"]["discriminator"]).replace("'", "").split(" | ")
    members = _members(annotation)
    field = next((name for name in names if any(_tags(member, name) for member in members)), names[-1])
    tags = _one_of([tag for member in members for tag in _tags(member, field)])
    received = error["input"].get(field) if isinstance(error["input"], dict) else None
    if received is None:
        return f"{path}.{field} is missing (expected {tags})"
    came = "another string" if isinstance(received, str) else json_type(received)
    return f"{path}.{field} must be {tags}, but {came} was given"


def json_type(value: Any) -> str:
    """What people call the JSON type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, float) and abs(value) >= _BEYOND_INT64:  # so whole numbers arrive that fit into no integer
        return "a number beyond 64 bits"
    for python_type, name in _JSON_TYPES:
        if isinstance(value, python_type):
            return name
    return "something that is not JSON"


_BEYOND_INT64: Final = 2.0**63

_JSON_TYPES: Final[tuple[tuple[type, str], ...]] = (
    (str, "a string"),
    (int, "a number"),
    (float, "a number with a fraction"),
    (list, "an array"),
    (dict, "an object"),
)

_EXPECTED: Final[dict[Any, str]] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "an array",
    dict: "an object",
    type(None): "null",
    Any: "any value",
    _UNKNOWN: "another value",
}


def _expected(annotation: Any) -> str:
    members = [_plain(member) for member in _members(annotation)]
    names = list(dict.fromkeys(_expected_one(member) for member in members))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _expected_one(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return _one_of(get_args(annotation))
    return _EXPECTED.get(get_origin(annotation) or annotation, "an object")


def _one_of(words: Any) -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"one of {', '.join(quoted)}"


def _locate(title: str, loc: tuple[int | str, ...]) -> _Place:
    """Where an error is, walked along the model of that name; several versions may share the name."""
    places = [_walk(model, loc) for model in _models_named(title)]
    return next((place for place in places if place.complete), places[0] if places else _Place("", _UNKNOWN, False))


def _models_named(title: str) -> Iterator[type[Model]]:
    from agent_server.protocol.model import Model

    pending: list[type[Model]] = [Model]
    while pending:
        model = pending.pop()
        pending.extend(model.__subclasses__())
        if model.__name__ == title:
            yield model


def _walk(annotation: Any, loc: tuple[int | str, ...]) -> _Place:
    path = ""
    for segment in loc:
        members = [member for member in _members(annotation) if member is not type(None)]
        if len(members) > 1:  # the segment names the member of a union, which is no part of the path
            chosen = next((member for member in members if _answers_to(member, segment)), None)
            if chosen is None:
                return _Place(path, annotation, True)
            annotation = chosen
            continue
        step = _step(_plain(members[0]), segment)
        if step is None:
            return _Place(path, _UNKNOWN, False)
        path, annotation = path + step[0], step[1]
    return _Place(path, annotation, True)


def _step(container: Any, segment: int | str) -> tuple[str, Any] | None:
    """The path's next piece and the annotation there; the keys of free maps are not ours to repeat."""
    if get_origin(container) is list and isinstance(segment, int):
        return f"[{segment}]", get_args(container)[0]
    if get_origin(container) is dict:
        return ".*", get_args(container)[1]
    fields = getattr(container, "__pydantic_fields__", {})
    return next(((f".{segment}", field.annotation) for field in fields.values() if field.alias == segment), None)


def _members(annotation: Any) -> tuple[Any, ...]:
    plain = _plain(annotation)
    return get_args(plain) if get_origin(plain) in (Union, types.UnionType) else (plain,)


def _plain(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _answers_to(member: Any, segment: int | str) -> bool:
    marks = {getattr(mark, "tag", None) for mark in get_args(member)[1:]} if get_origin(member) is Annotated else set()
    model = _plain(member)
    return segment in marks or any(segment in _tags(model, field.alias) for field in _fields(model))


def _tags(member: Any, alias: str | None) -> tuple[Any, ...]:
    literals = [field.annotation for field in _fields(_plain(member)) if field.alias == alias]
    return get_args(literals[0]) if literals and get_origin(literals[0]) is Literal else ()


def _fields(model: Any) -> list[Any]:
    return list(getattr(model, "__pydantic_fields__", {}).values())
