from __future__ import annotations

import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.client.errors import FormAnswerInvalid
from agent_server.client.forms import check_answer, defaults_of
from agent_server.protocol.v1.elicitation import ElicitationSchema


def form(**properties: Any) -> ElicitationSchema:
    return ElicitationSchema.model_validate({"properties": properties})


def fits(field: dict[str, Any], value: Any) -> bool:
    try:
        check_answer(form(x=field), {"x": value})
    except FormAnswerInvalid as error:
        assert error.field == "x"
        return False
    return True


TEXT = {"type": "string"}
CHOICES = [{"const": "a", "title": "A"}, {"const": "b", "title": "B"}]


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        (TEXT, ["", "x"], [None, 1, True, ["x"]]),
        ({**TEXT, "minLength": 2, "maxLength": 3}, ["ab", "äöü"], ["a", "abcd"]),
        ({**TEXT, "pattern": "^[a-z]+$"}, ["abc"], ["", "a1"]),
        ({**TEXT, "pattern": "b"}, ["abc"], ["ac"]),
        ({**TEXT, "pattern": "(?=x)("}, ["what the engine cannot read is the agent's to check"], []),
        ({**TEXT, "enum": ["a", "b"]}, ["a"], ["c", ""]),
        ({**TEXT, "enum": []}, [], ["a"]),
        ({**TEXT, "oneOf": CHOICES}, ["b"], ["B"]),
        ({**TEXT, "format": "email"}, ["a@b.c"], ["a", "@b", "a b@c", "a@"]),
        ({**TEXT, "format": "uri"}, ["https://x/y", "mailto:a@b"], ["x/y", "http://a b", "http://[::1"]),
        ({**TEXT, "format": "date"}, ["2026-11-20"], ["20261120", "2026-13-01", "today"]),
        (
            {**TEXT, "format": "date-time"},
            ["2026-11-20T10:00:00Z", "2026-11-20T10:00:00.5+01:00"],
            ["2026-11-20", "2026-11-20T10:00:00", "2026-11-20 10:00:00Z", "now"],
        ),
        ({"type": "number", "minimum": 1.5, "maximum": 2}, [1.5, 2], [1, 2.1, True, "2", float("nan")]),
        ({"type": "number"}, [0, -1e9], [float("inf")]),
        ({"type": "integer", "minimum": 1}, [1, 5], [0, 1.0, True, "1", 2**63]),
        ({"type": "boolean"}, [True, False], [0, "true", None]),
        ({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}, [[], ["a", "b"]], ["a", ["c"], [1]]),
        ({"type": "array", "items": {"anyOf": CHOICES}, "minItems": 1, "maxItems": 1}, [["a"]], [[], ["a", "b"]]),
        ({"type": "array", "items": {"type": "colour"}}, [["red"]], [[1]]),
        ({"type": "colour"}, ["red", 1, True, ["a"]], [None, {}, [1]]),
    ],
)
def test_an_answer_fits_its_field(field: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not fits(field, value)] == []
    assert [value for value in wrong if fits(field, value)] == []


def test_what_is_required_must_be_there_and_what_was_not_asked_for_must_not() -> None:
    schema = ElicitationSchema.model_validate({"properties": {"a": TEXT, "b": TEXT}, "required": ["a"]})
    check_answer(schema, {"a": "x"})
    for content, field in (({}, "a"), ({"b": "x"}, "a"), ({"a": "x", "c": "x"}, "c")):
        with pytest.raises(FormAnswerInvalid) as caught:
            check_answer(schema, content)
        assert caught.value.field == field


def test_an_agents_pattern_cannot_hang_us() -> None:
    started = time.monotonic()
    assert not fits({**TEXT, "pattern": "^(a+)+$"}, "a" * 5000 + "!")
    assert time.monotonic() - started < 5


def test_the_message_names_the_field_and_not_what_was_filled_in() -> None:
    with pytest.raises(FormAnswerInvalid, match="'pin' must have at most 4 characters") as caught:
        check_answer(form(pin={**TEXT, "maxLength": 4}), {"pin": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_defaults_fill_the_form_where_they_fit() -> None:
    schema = form(
        a={**TEXT, "default": "x"}, b={"type": "integer", "minimum": 5, "default": 1}, c=TEXT, d={"type": "?"}
    )
    assert defaults_of(schema) == {"a": "x"}


FIELDS = st.one_of(
    st.builds(
        lambda least, most: {**TEXT, "minLength": least, "maxLength": most}, st.integers(0, 3), st.integers(0, 5)
    ),
    st.builds(lambda words: {**TEXT, "enum": words}, st.lists(st.sampled_from("abc"), min_size=1, unique=True)),
    st.builds(lambda least: {"type": "number", "minimum": least}, st.integers(-3, 3)),
    st.builds(lambda most: {"type": "integer", "maximum": most}, st.integers(-3, 3)),
    st.just({"type": "boolean"}),
    st.builds(
        lambda words, least: {"type": "array", "items": {"type": "string", "enum": words}, "minItems": least},
        st.lists(st.sampled_from("abc"), min_size=1, unique=True),
        st.integers(0, 2),
    ),
)
VALUES = st.one_of(
    st.text("abcdä", max_size=6), st.integers(-5, 5), st.booleans(), st.lists(st.sampled_from("abcd"), max_size=3)
)


@given(FIELDS, VALUES)
def test_we_agree_with_json_schema(field: dict[str, Any], value: Any) -> None:
    assert fits(field, value) is jsonschema.Draft202012Validator(field).is_valid(value)
