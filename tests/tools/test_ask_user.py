"""The tool that asks the user, with a user who says what the test decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_server.agent.self_test import SelfTest
from agent_server.agent.self_test_form import FIELDS
from agent_server.conversation.content import text_of
from agent_server.conversation.question_rules import problem_with_form, secret_field
from agent_server.conversation.questions import (
    Choice,
    ChoicesField,
    FlagField,
    FormField,
    IntegerField,
    NumberField,
    TextField,
    UserAnswer,
    UserForm,
)
from agent_server.errors import ToolError
from agent_server.tools.ask_user import NO_FORMS, AskUser
from agent_server.tools.form_schema import fields_of
from agent_server.tools.ports import VisitAnswer

from .tool_calls_on_disk import Desk, RecordingContext, desk


class AskedContext(RecordingContext):
    """A context with somebody to ask."""

    reply: UserAnswer | None = None
    forms: tuple[tuple[str, tuple[FormField, ...]], ...] = ()
    visits: tuple[str, ...] = ()

    async def ask_user(self, message: str, fields: tuple[FormField, ...]) -> UserAnswer | None:
        self.forms += ((message, fields),)
        return self.reply

    async def ask_to_visit(self, message: str, url: str) -> VisitAnswer | None:
        self.visits += (url,)
        return None


def asked_desk(tmp_path: Path, reply: UserAnswer | None) -> tuple[Desk, AskedContext]:
    here = desk(tmp_path)
    context = AskedContext(here.workspace)
    context.reply = reply
    here.context = context
    return here, context


def test_every_kind_of_field_is_read() -> None:
    properties = {
        "a": {"type": "string", "title": "A", "description": "An a", "minLength": 1, "maxLength": 9, "pattern": "x"},
        "b": {"type": "string", "format": "email", "default": "a@b"},
        "c": {"type": "string", "enum": ["x", "y"]},
        "d": {"type": "string", "oneOf": [{"const": "x", "title": "X", "description": "An x"}, {"const": "y"}]},
        "e": {"type": "number", "minimum": 0, "maximum": 1.5, "default": 1},
        "f": {"type": "integer", "minimum": 0, "maximum": 9, "default": 1},
        "g": {"type": "boolean", "default": True},
        "h": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}, "minItems": 1, "default": ["x"]},
        "i": {"type": "array", "items": {"anyOf": [{"const": "x", "title": "X"}]}, "maxItems": 1},
    }
    assert fields_of(properties, ["a", "h"]) == (
        TextField(
            name="a", title="A", description="An a", required=True, min_length=1, max_length=9, pattern="x"
        ),
        TextField(name="b", format="email", default="a@b"),
        TextField(name="c", choices=(Choice("x"), Choice("y"))),
        TextField(name="d", choices=(Choice("x", "X", "An x"), Choice("y"))),
        NumberField(name="e", minimum=0, maximum=1.5, default=1),
        IntegerField(name="f", minimum=0, maximum=9, default=1),
        FlagField(name="g", default=True),
        ChoicesField(
            name="h", required=True, choices=(Choice("x"), Choice("y")), min_items=1, default=("x",)
        ),
        ChoicesField(name="i", choices=(Choice("x", "X"),), max_items=1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "required", "said"),
    [
        (None, None, "fields must be an object"),
        ({}, None, "fields must be an object"),
        ([], None, "fields must be an object"),
        ({"a": "string"}, None, "fields.a must be an object with a type"),
        ({"a": {}}, None, "fields.a must be an object with a type"),
        ({"a": {"type": "object"}}, None, "fields.a must be an object with a type"),
        ({"a": {"type": ["string"]}}, None, "fields.a must be an object with a type"),
        ({"a\n": {"type": "string", "minimum": 1}}, None, r"fields.a\n does not take minimum"),
        ({"a": {"type": "string", "minLength": "1"}}, None, "fields.a.minLength is of type string: integer"),
        ({"a": {"type": "string", "minLength": True}}, None, "fields.a.minLength is of type boolean"),
        ({"a": {"type": "string", "format": "ipv4"}}, None, "fields.a.format must be one of"),
        ({"a": {"type": "string", "enum": [1]}}, None, "fields.a.enum must hold strings"),
        ({"a": {"type": "string", "oneOf": ["x"]}}, None, "fields.a.oneOf must hold objects with a const"),
        ({"a": {"type": "number", "minimum": "0"}}, None, "fields.a.minimum is of type string: integer or number"),
        ({"a": {"type": "integer", "default": 1.5}}, None, "fields.a.default is of type number"),
        ({"a": {"type": "array"}}, None, "fields.a.items must be an object"),
        ({"a": {"type": "string"}}, ["b"], "required must be a list of names of fields: a"),
        ({"a": {"type": "string"}}, "a", "required must be a list of names of fields: a"),
        ({"a": {"type": "string"}}, [["a"]], "required must be a list of names of fields: a"),
    ],
)
def test_a_form_that_cannot_be_read_is_named_so_that_the_model_can_mend_it(
    properties: Any, required: Any, said: str
) -> None:
    with pytest.raises(ToolError) as caught:
        fields_of(properties, required)
    assert said in str(caught.value)


def test_the_question_is_asked_when_the_call_runs_and_not_before(tmp_path: Path) -> None:
    here, context = asked_desk(tmp_path, UserAnswer("accept", {"name": "Ada", "n": 1}))
    prepared = here.prepare(AskUser(), message="Who?\nTell\u202e me", fields={"name": {"type": "string"}})
    assert prepared.title == "Ask: Who?\\nTell\\u202e me"
    assert not context.forms
    result = here.run(prepared)
    assert context.forms == (("Who?\nTell\\u202e me", (TextField(name="name"),)),)
    assert text_of(result.parts) == 'The user answered:\n{\n  "name": "Ada",\n  "n": 1\n}'
    assert result.content is not None
    assert "Ada" not in repr(result.content)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (None, NO_FORMS),
        (UserAnswer("decline"), "declined"),
        (UserAnswer("cancel"), "closed the form"),
        (UserAnswer("accept", {}), "answered:\n{}"),
    ],
)
def test_whatever_the_user_did_the_model_reads_it(tmp_path: Path, reply: UserAnswer | None, said: str) -> None:
    here, _ = asked_desk(tmp_path, reply)
    result = here.call(AskUser(), message="?", fields={"a": {"type": "string"}})
    assert said in text_of(result.parts)
    assert not result.failed


def test_a_question_needs_a_message_and_fields(tmp_path: Path) -> None:
    here = desk(tmp_path)
    assert "message is missing" in here.refusal(AskUser(), fields={"a": {"type": "string"}})
    assert "fields must be" in here.refusal(AskUser(), message="?")
    assert "unknown argument" in here.refusal(AskUser(), message="?", fields={}, secret=True)


# The self tests


def test_the_form_of_the_self_test_has_every_kind_of_field_and_may_be_asked() -> None:
    form = UserForm("?", FIELDS)
    assert problem_with_form(form) is None
    assert secret_field(form) is None
    assert {type(field) for field in FIELDS} == {TextField, NumberField, IntegerField, FlagField, ChoicesField}


@pytest.mark.parametrize(
    ("action", "reply", "said"),
    [
        ("form", None, "the client offers no forms"),
        ("form", UserAnswer("accept", {"name": "Ada", "count": 1}), "accept, with name, count"),
        ("form", UserAnswer("decline"), "decline, with nothing"),
        ("url", None, "the client offers no visits"),
    ],
)
def test_the_self_test_says_what_came_but_not_what_was_entered(
    tmp_path: Path, action: str, reply: UserAnswer | None, said: str
) -> None:
    here, context = asked_desk(tmp_path, reply)
    assert here.text(SelfTest(), action=action) == said
    assert len(context.forms) + len(context.visits) == 1
