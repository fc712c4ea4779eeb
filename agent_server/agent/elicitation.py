"""Forms and visits between the two vocabularies: what the session asks and the client answers. Spec: elicitation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_server.conversation.questions import (
    ChoicesField,
    FlagField,
    FormField,
    IntegerField,
    NumberField,
    TextField,
    UserAnswer,
    UserForm,
    UserVisit,
)
from agent_server.protocol.v1.elicitation import (
    BooleanPropertySchema,
    ElicitationAccepted,
    ElicitationCancelled,
    ElicitationDeclined,
    ElicitationPropertySchema,
    ElicitationSchema,
    EnumOption,
    FormElicitation,
    IntegerPropertySchema,
    MultiSelectPropertySchema,
    NumberPropertySchema,
    StringMultiSelectItems,
    StringPropertySchema,
    TitledMultiSelectItems,
    UrlElicitation,
)

if TYPE_CHECKING:
    from agent_server.conversation.questions import Choice
    from agent_server.protocol.v1.elicitation import CreateElicitationResponse


def form_request(session_id: str, form: UserForm, meta: dict[str, Any] | None) -> FormElicitation:
    """The form as the client is asked to show it."""
    schema = ElicitationSchema(
        properties={field.name: _property(field) for field in form.fields},
        required=[field.name for field in form.fields if field.required] or None,
    )
    return FormElicitation(
        message=form.message,
        session_id=session_id,
        tool_call_id=form.tool_call_id,
        requested_schema=schema,
        meta=meta,
    )


def visit_request(session_id: str, visit: UserVisit, meta: dict[str, Any] | None) -> UrlElicitation:
    """The visit as the client is asked to arrange it."""
    return UrlElicitation(
        message=visit.message,
        session_id=session_id,
        tool_call_id=visit.tool_call_id,
        elicitation_id=visit.elicitation_id,
        url=visit.url,
        meta=meta,
    )


def answer_of(response: CreateElicitationResponse) -> UserAnswer | None:
    """What the user did; None for an action that we do not know, which is no answer."""
    if isinstance(response, ElicitationAccepted):
        return UserAnswer("accept", response.content)
    if isinstance(response, ElicitationDeclined):
        return UserAnswer("decline")
    return UserAnswer("cancel") if isinstance(response, ElicitationCancelled) else None


def _property(field: FormField) -> ElicitationPropertySchema:
    title, description = field.title, field.description
    if isinstance(field, TextField):
        return _text(field)
    if isinstance(field, ChoicesField):
        return MultiSelectPropertySchema(
            title=title,
            description=description,
            min_items=field.min_items,
            max_items=field.max_items,
            items=_items(field.choices),
            default=list(field.default) if field.default is not None else None,
        )
    if isinstance(field, FlagField):
        return BooleanPropertySchema(title=title, description=description, default=field.default)
    kind: Any = IntegerPropertySchema if isinstance(field, IntegerField) else NumberPropertySchema
    assert isinstance(field, IntegerField | NumberField)
    bounds = {"minimum": field.minimum, "maximum": field.maximum}
    prop: ElicitationPropertySchema = kind(title=title, description=description, default=field.default, **bounds)
    return prop


def _text(field: TextField) -> StringPropertySchema:
    titled = any(choice.title is not None for choice in field.choices)
    return StringPropertySchema(
        title=field.title,
        description=field.description,
        min_length=field.min_length,
        max_length=field.max_length,
        pattern=field.pattern,
        format=field.format,
        default=field.default,
        enum=[choice.value for choice in field.choices] if field.choices and not titled else None,
        one_of=[_option(choice) for choice in field.choices] if titled else None,
    )


def _items(choices: tuple[Choice, ...]) -> StringMultiSelectItems | TitledMultiSelectItems:
    if any(choice.title is not None for choice in choices):
        return TitledMultiSelectItems(any_of=[_option(choice) for choice in choices])
    return StringMultiSelectItems(enum=[choice.value for choice in choices])


def _option(choice: Choice) -> EnumOption:
    return EnumOption(const=choice.value, title=choice.title or choice.value, description=choice.description)
