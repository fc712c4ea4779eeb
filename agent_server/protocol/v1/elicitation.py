"""Asking the user for more than a permission: a form to fill in, or a page to visit. Spec: elicitation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from agent_server.protocol.model import DefaultOnError, Lenient, LenientOptionalList, Model, OpenModel, OtherThan
from agent_server.protocol.v1.numbers import Double, Int64, Uint32, Uint64
from agent_server.protocol.v1.prompt import RequestId

StringFormat: TypeAlias = Literal["email", "uri", "date", "date-time"]

ElicitationContentValue: TypeAlias = str | Int64 | Double | bool | list[str]
"""What one field of a form was answered with."""


class EnumOption(Model):
    """A choice: what is answered, and what people see."""

    const: str
    title: str
    description: Lenient[str] = None


class StringPropertySchema(Model):
    """A line of text, or one of several choices where ``enum`` or ``one_of`` is there."""

    type: Literal["string"] = "string"
    title: Lenient[str] = None
    description: Lenient[str] = None
    min_length: Uint32 | None = None
    max_length: Uint32 | None = None
    pattern: str | None = None
    format: StringFormat | None = None
    default: Lenient[str] = None
    enum: list[str] | None = None
    one_of: list[EnumOption] | None = None


class NumberPropertySchema(Model):
    """A number; the bounds are inclusive."""

    type: Literal["number"] = "number"
    title: Lenient[str] = None
    description: Lenient[str] = None
    minimum: Double | None = None
    maximum: Double | None = None
    default: Lenient[Double] = None


class IntegerPropertySchema(Model):
    """A whole number; the bounds are inclusive."""

    type: Literal["integer"] = "integer"
    title: Lenient[str] = None
    description: Lenient[str] = None
    minimum: Int64 | None = None
    maximum: Int64 | None = None
    default: Lenient[Int64] = None


class BooleanPropertySchema(Model):
    """Yes or no."""

    type: Literal["boolean"] = "boolean"
    title: Lenient[str] = None
    description: Lenient[str] = None
    default: Lenient[bool] = None


class StringMultiSelectItems(Model):
    """The choices of a field that takes several."""

    type: Literal["string"] = "string"
    enum: list[str]


class TitledMultiSelectItems(Model):
    """The choices of a field that takes several, with titles; the kind without a ``type``."""

    any_of: list[EnumOption]


class OtherMultiSelectItems(OpenModel):
    """Choices of a kind that we do not know, kept as they came."""

    type: Annotated[str, OtherThan("string")]


def _items_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    if not isinstance(kind, str):
        return "titled"
    return "string" if kind == "string" else "other"


MultiSelectItems: TypeAlias = Annotated[
    Annotated[StringMultiSelectItems, Tag("string")]
    | Annotated[TitledMultiSelectItems, Tag("titled")]
    | Annotated[OtherMultiSelectItems, Tag("other")],
    Discriminator(_items_kind),
]
"""What may be chosen."""


class MultiSelectPropertySchema(Model):
    """Any number of choices."""

    type: Literal["array"] = "array"
    title: Lenient[str] = None
    description: Lenient[str] = None
    min_items: Uint64 | None = None
    max_items: Uint64 | None = None
    items: MultiSelectItems
    default: LenientOptionalList[str] = None


_FIELD_KINDS = ("string", "number", "integer", "boolean", "array")


class OtherPropertySchema(OpenModel):
    """A kind of field that we do not know. It is kept as it came, and must not be shown as one that we know."""

    type: Annotated[str, OtherThan(*_FIELD_KINDS)]


def _field_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if kind in _FIELD_KINDS else "other"


ElicitationPropertySchema: TypeAlias = Annotated[
    Annotated[StringPropertySchema, Tag("string")]
    | Annotated[NumberPropertySchema, Tag("number")]
    | Annotated[IntegerPropertySchema, Tag("integer")]
    | Annotated[BooleanPropertySchema, Tag("boolean")]
    | Annotated[MultiSelectPropertySchema, Tag("array")]
    | Annotated[OtherPropertySchema, Tag("other")],
    Discriminator(_field_kind),
]
"""One field of a form."""


class ElicitationSchema(Model):
    """A form: its fields by name, and the names of those that must be answered."""

    type: Annotated[Literal["object"], DefaultOnError("object")] = "object"
    title: Lenient[str] = None
    properties: dict[str, ElicitationPropertySchema] = Field(default_factory=dict)
    required: list[str] | None = None
    description: Lenient[str] = None


def _one_scope(schema: dict[str, Any]) -> None:
    properties = schema["properties"]
    session = {"sessionId": {"type": "string"}, "toolCallId": properties.pop("toolCallId")}
    request = {"requestId": properties.pop("requestId")}
    del properties["sessionId"]
    schema["anyOf"] = [
        {"type": "object", "properties": session, "required": ["sessionId"]},
        {"type": "object", "properties": request, "required": ["requestId"]},
    ]


class _Elicitation(Model):
    model_config = ConfigDict(json_schema_extra=_one_scope)

    # A question belongs to a session (and perhaps to one of its tool calls), or to a request outside of any.
    message: str
    session_id: str | None = None
    tool_call_id: Lenient[str] = None
    request_id: RequestId = None

    @model_validator(mode="before")
    @classmethod
    def _belongs_somewhere(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "requestId" in value or "request_id" in value:
            return value
        if value.get("sessionId", value.get("session_id")) is None:
            raise PydanticCustomError("scope_missing", "neither sessionId nor requestId")
        return value

    @model_serializer(mode="wrap")
    def _keep_nulls(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Null is a request id, and the only one that says where a question outside of any session belongs.
        wire: dict[str, Any] = serialize(self)
        for name, value in (self.__pydantic_extra__ or {}).items():
            wire.setdefault(name, value)
        if self.session_id is None:
            wire.setdefault("requestId", None)
        return wire


class FormElicitation(_Elicitation):
    """Let the user fill in a form. It must not ask for secrets."""

    mode: Literal["form"] = "form"
    requested_schema: ElicitationSchema


class UrlElicitation(_Elicitation):
    """Send the user to a page; `CompleteElicitationNotification` says when that is done."""

    mode: Literal["url"] = "url"
    elicitation_id: str
    url: str = Field(repr=False, json_schema_extra={"format": "uri"})


class OtherElicitation(_Elicitation, OpenModel):
    """A way of asking that we do not know. It is kept as it came, and must not be shown as one that we know."""

    mode: Annotated[str, OtherThan("form", "url")]


def _mode(value: Any) -> str:
    mode = value.get("mode") if isinstance(value, dict) else getattr(value, "mode", None)
    return mode if mode in ("form", "url") else "other"


CreateElicitationRequest: TypeAlias = Annotated[
    Annotated[FormElicitation, Tag("form")]
    | Annotated[UrlElicitation, Tag("url")]
    | Annotated[OtherElicitation, Tag("other")],
    Discriminator(_mode),
]
"""A question to the user."""


class ElicitationAccepted(Model):
    """The user went along with it; ``content`` holds the answers to a form and is left out of ``repr``."""

    action: Literal["accept"] = "accept"
    content: dict[str, ElicitationContentValue] | None = Field(default=None, repr=False)


class ElicitationDeclined(Model):
    """The user said no."""

    action: Literal["decline"] = "decline"


class ElicitationCancelled(Model):
    """The user turned the question away without an answer."""

    action: Literal["cancel"] = "cancel"


class OtherElicitationAction(OpenModel):
    """Something that we do not know. It never counts as an answer."""

    action: Annotated[str, OtherThan("accept", "decline", "cancel")]


def _action(value: Any) -> str:
    action = value.get("action") if isinstance(value, dict) else getattr(value, "action", None)
    return action if action in ("accept", "decline", "cancel") else "other"


CreateElicitationResponse: TypeAlias = Annotated[
    Annotated[ElicitationAccepted, Tag("accept")]
    | Annotated[ElicitationDeclined, Tag("decline")]
    | Annotated[ElicitationCancelled, Tag("cancel")]
    | Annotated[OtherElicitationAction, Tag("other")],
    Discriminator(_action),
]
"""What the user did about a question."""


class CompleteElicitationNotification(Model):
    """What the user was sent away for is done."""

    elicitation_id: str
