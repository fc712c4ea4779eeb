from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.conversation.answers import MAX_ANSWER_CHARS, UnfitAnswer, fitting_content
from agent_server.conversation.questions import (
    Choice,
    ChoicesField,
    FlagField,
    FormField,
    IntegerField,
    NumberField,
    TextField,
    UserForm,
)

TWO = (Choice("a", "The first"), Choice("b"))


def taken(field: FormField, value: Any) -> Any:
    return fitting_content(UserForm("?", (field,)), {field.name: value})[field.name]


FIT: list[tuple[FormField, Any, Any]] = [
    (TextField(name="f"), "", ""),
    (TextField(name="f"), "ü\n", "ü\n"),
    (TextField(name="f", min_length=2, max_length=3), "abc", "abc"),
    (TextField(name="f", pattern=r"^\d+$"), "12", "12"),
    (TextField(name="f", pattern="b"), "abc", "abc"),
    (TextField(name="f", choices=TWO), "a", "a"),
    (TextField(name="f", format="email"), "a.b+c@example.com", "a.b+c@example.com"),
    (TextField(name="f", format="uri"), "https://example.com/?q=1", "https://example.com/?q=1"),
    (TextField(name="f", format="uri"), "urn:isbn:1", "urn:isbn:1"),
    (TextField(name="f", format="date"), "2028-02-29", "2028-02-29"),
    (TextField(name="f", format="date-time"), "2026-01-31T23:59:59Z", "2026-01-31T23:59:59Z"),
    (TextField(name="f", format="date-time"), "2026-01-31t23:59:59.5+01:00", "2026-01-31t23:59:59.5+01:00"),
    (NumberField(name="f"), 1, 1),
    (NumberField(name="f", minimum=0.5, maximum=0.5), 0.5, 0.5),
    (IntegerField(name="f"), 2**60, 2**60),
    (IntegerField(name="f", minimum=1, maximum=3), 3.0, 3),
    (FlagField(name="f"), False, False),
    (ChoicesField(name="f", choices=TWO), [], []),
    (ChoicesField(name="f", choices=TWO, min_items=2, max_items=2), ["b", "a"], ["b", "a"]),
]

UNFIT: list[tuple[FormField, Any]] = [
    (TextField(name="f"), 1),
    (TextField(name="f"), ["a"]),
    (TextField(name="f"), "x" * (MAX_ANSWER_CHARS + 1)),
    (TextField(name="f", min_length=2), "a"),
    (TextField(name="f", max_length=2), "abc"),
    (TextField(name="f", pattern=r"^\d+$"), "1x"),
    (TextField(name="f", pattern="x"), "x" * 201),
    (TextField(name="f", choices=TWO), "The first"),
    (TextField(name="f", format="email"), "nobody"),
    (TextField(name="f", format="email"), "@example.com"),
    (TextField(name="f", format="email"), "a b@example.com"),
    (TextField(name="f", format="uri"), "example.com"),
    (TextField(name="f", format="uri"), "1:2"),
    (TextField(name="f", format="uri"), "https://exa mple.com"),
    (TextField(name="f", format="date"), "2027-02-29"),
    (TextField(name="f", format="date"), "20270228"),
    (TextField(name="f", format="date"), "2027-W01-1"),
    (TextField(name="f", format="date-time"), "2027-01-01"),
    (TextField(name="f", format="date-time"), "2027-01-01 10:00"),
    (TextField(name="f", format="date-time"), "2027-01-01T25:00"),
    (NumberField(name="f"), "1"),
    (NumberField(name="f"), True),
    (NumberField(name="f"), math.nan),
    (NumberField(name="f"), math.inf),
    (NumberField(name="f", minimum=0.5), 0.4),
    (NumberField(name="f", maximum=0.5), 1),
    (IntegerField(name="f"), 1.5),
    (IntegerField(name="f"), False),
    (IntegerField(name="f", minimum=1), 0),
    (IntegerField(name="f", maximum=1), 2),
    (FlagField(name="f"), 1),
    (FlagField(name="f"), "yes"),
    (ChoicesField(name="f", choices=TWO), "a"),
    (ChoicesField(name="f", choices=TWO), ["c"]),
    (ChoicesField(name="f", choices=TWO), [["a"]]),
    (ChoicesField(name="f", choices=TWO), ["a", "a"]),
    (ChoicesField(name="f", choices=TWO, min_items=1), []),
    (ChoicesField(name="f", choices=TWO, max_items=1), ["a", "b"]),
]


@pytest.mark.parametrize(("field", "value", "result"), FIT)
def test_a_value_that_fits_its_field_is_taken(field: FormField, value: Any, result: Any) -> None:
    assert taken(field, value) == result
    assert type(taken(field, value)) is type(result)


@pytest.mark.parametrize(("field", "value"), UNFIT)
def test_a_value_that_does_not_fit_is_refused_and_not_repeated(field: FormField, value: Any) -> None:
    with pytest.raises(UnfitAnswer, match=r"^f: .+ was expected$") as caught:
        taken(field, value)
    assert len(str(caught.value)) < 100


def test_a_required_field_needs_a_value_and_another_may_be_left_out_or_left_blank() -> None:
    form = UserForm("?", (TextField(name="must", required=True), IntegerField(name="may", minimum=1)))
    assert fitting_content(form, {"must": ""}) == {"must": ""}
    for blank in (None, ""):
        assert fitting_content(form, {"must": "x", "may": blank}) == {"must": "x"}
    for nothing in (None, {}, {"must": None}, {"may": 1}):
        with pytest.raises(UnfitAnswer, match="must: a value"):
            fitting_content(form, nothing)


def test_a_required_field_may_not_be_blank_where_blank_does_not_fit() -> None:
    with pytest.raises(UnfitAnswer):
        taken(TextField(name="f", required=True, choices=TWO), "")


def test_what_was_not_asked_for_is_left_out() -> None:
    assert fitting_content(UserForm("?", (FlagField(name="f"),)), {"f": True, "g": 1}) == {"f": True}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.sampled_from([field for field, *_ in FIT]), values)
def test_whatever_comes_fits_or_is_refused(field: FormField, value: Any) -> None:
    try:
        content = fitting_content(UserForm("?", (field,)), {"f": value})
    except UnfitAnswer:
        return
    assert set(content) <= {"f"}
    if isinstance(field, TextField | FlagField | ChoicesField) and content:
        assert type(content["f"]) is {TextField: str, FlagField: bool, ChoicesField: list}[type(field)]
