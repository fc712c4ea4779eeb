"""What every ACP type shares: camelCase on the wire, snake_case here, ``_meta``, and the schema's leniency.

Absent and null: a field that is None is left out of what we send. Where the protocol gives null a meaning of its own
(clear the title), the field takes `CLEARED`, which is null on the wire.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

T = TypeVar("T")


class DefaultOnError:
    """Marks a field whose malformed value is read as absent. Spec: ``x-deserialize-default-on-error``."""

    def __init__(self, default: Any = None) -> None:
        self.default = default

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The field's schema, with its default in place of an error."""
        schema = core_schema.with_default_schema(
            handler(source), default_factory=self._fresh, on_error="default", validate_default=False
        )
        # This wrapper hides the default from the model: it excuses a malformed value, never a missing required key.
        return core_schema.lax_or_strict_schema(core_schema.any_schema(), schema, strict=True)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The field's schema, with the mark."""
        return {**handler(schema), "x-deserialize-default-on-error": True}

    def _fresh(self) -> Any:
        return self.default() if callable(self.default) else self.default


class SkipInvalidItems:
    """Marks a list whose malformed items are dropped. Spec: ``x-deserialize-skip-invalid-items``."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The list's schema, with an item schema that omits what it cannot read."""
        schema = handler(source)
        for candidate in _list_schemas(schema):
            items = candidate.get("items_schema")
            if items is not None:
                candidate["items_schema"] = core_schema.with_default_schema(items, on_error="omit")
        return schema

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The list's schema, with the mark."""
        return {**handler(schema), "x-deserialize-skip-invalid-items": True}


def _list_schemas(schema: Any) -> list[Any]:
    if schema["type"] == "list":
        return [schema]
    return _list_schemas(schema["schema"]) if "schema" in schema else []


class Unstable:
    """Marks a field, or a member of a union, that the protocol is trying out; the stable schema leaves it out."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema, with the mark."""
        return {**handler(schema), "x-unstable": True}


class DefaultOnNull:
    """Marks a field whose null is read as an empty list. Spec: ``x-deserialize-default-on-null``."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The list's schema, with the mark."""
        return {**handler(schema), "x-deserialize-default-on-null": True}


class NeverNull:
    """Marks a field that is left out rather than null, although its null is forgiven when it comes."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The field's schema without null."""
        made = dict(handler(schema))
        members = [member for member in made.pop("anyOf", []) if member != {"type": "null"}]
        return {**made, **(members[0] if len(members) == 1 else {"anyOf": members})}


class OtherThan:
    """Marks a word as none of those that we know: they have models of their own, which must not be evaded."""

    def __init__(self, *known: str) -> None:
        self.known = known

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The word's schema, with the check."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The word's schema, with the exception."""
        return {**handler(schema), "not": {"enum": list(self.known)}}

    def _check(self, value: Any) -> Any:
        if isinstance(value, str) and value in self.known:
            raise PydanticCustomError("known_word", "a word that has a model of its own")
        return value


def _empty_for_null(value: Any) -> Any:
    return [] if value is None else value


Lenient: TypeAlias = Annotated[T | None, DefaultOnError()]
"""Optional; a malformed value is read as absent."""

LenientAny: TypeAlias = Annotated[Any, DefaultOnError()]
"""Any JSON value."""

LenientAbsent: TypeAlias = Annotated[T | None, NeverNull(), DefaultOnError()]
"""As `Lenient`, where the protocol has no null."""

LenientFlag: TypeAlias = Annotated[bool, DefaultOnError(False)]
"""A boolean that is False when absent, null or malformed."""

LenientList: TypeAlias = Annotated[list[T], SkipInvalidItems(), DefaultOnError(list)]
"""Malformed items are dropped; a malformed list is empty."""

LenientOptionalList: TypeAlias = Annotated[list[T] | None, SkipInvalidItems(), DefaultOnError()]
"""As `LenientList`, but absent and empty differ."""

LenientAbsentList: TypeAlias = Annotated[list[T] | None, NeverNull(), SkipInvalidItems(), DefaultOnError()]
"""As `LenientOptionalList`, where the protocol has no null."""

NullableList: TypeAlias = Annotated[list[T], FailFast(), BeforeValidator(_empty_for_null), DefaultOnNull()]
"""Null is the empty list; a malformed value is rejected, because the receiver acts on it.

Its first malformed item ends the check: a million of them must not cost a million error records."""


def is_empty(value: list[Any]) -> bool:
    """For ``exclude_if``: an empty list is left out of what we send, as only those who offer the field may get it."""
    return not value


class Cleared:
    """The type of `CLEARED`."""

    def __repr__(self) -> str:
        return "CLEARED"


CLEARED: Final = Cleared()
"""Null on the wire, where null means: remove what was there."""


def _cleared_for_null(value: Any) -> Any:
    return CLEARED if value is None else value


class _ClearedSchema:
    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(
            Cleared, serialization=core_schema.plain_serializer_function_ser_schema(lambda _: None)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return {"type": "null"}


Clearable: TypeAlias = Annotated[
    T | Annotated[Cleared, _ClearedSchema()] | None, BeforeValidator(_cleared_for_null), DefaultOnError()
]
"""Absent (None) leaves what was there, `CLEARED` (null) removes it; a malformed value is read as absent."""

StrictClearable: TypeAlias = Annotated[
    T | Annotated[Cleared, _ClearedSchema()] | None, BeforeValidator(_cleared_for_null)
]
"""As `Clearable`, but a malformed value is rejected."""

ClearableList: TypeAlias = Annotated[
    Annotated[list[T], SkipInvalidItems()] | Annotated[Cleared, _ClearedSchema()] | None,
    BeforeValidator(_cleared_for_null),
    DefaultOnError(),
]
"""As `Clearable`, for a list whose malformed items are dropped."""


def _camel(name: str) -> str:
    if name == "meta":
        return "_meta"
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


class Model(BaseModel):
    """An immutable ACP value.

    Unknown fields are ignored: the protocol adds fields without a version bump. A malformed ``_meta`` is read as
    absent.
    """

    model_config = ConfigDict(
        alias_generator=_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        defer_build=True,
        strict=True,
        hide_input_in_errors=True,  # params may hold secrets, and an exception's text may reach a log
    )

    meta: Lenient[dict[str, Any]] = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Puts ``_meta`` behind the fields of the subclass, so that it comes last on the wire."""
        fields = cls.__pydantic_fields__
        fields["meta"] = fields.pop("meta")

    def to_json(self) -> bytes:
        """The compact JSON text that goes over the wire."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True)

    def to_wire(self) -> dict[str, Any]:
        """The same as plain Python values."""
        return self.__pydantic_serializer__.to_python(self, mode="json", by_alias=True, exclude_none=True)  # type: ignore[no-any-return]


class OpenModel(Model):
    """A value whose further fields are kept as they came, null included."""

    model_config = ConfigDict(extra="allow")

    @model_serializer(mode="wrap")
    def _keep_nulls(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        wire: dict[str, Any] = serialize(self)
        for name, value in (self.__pydantic_extra__ or {}).items():
            wire.setdefault(name, value)
        return wire
