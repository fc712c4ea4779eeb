"""JSON as servers and models write it."""

from __future__ import annotations

import orjson
import pytest

from agent_server.providers.json_reading import arguments_of, json_of, object_in


def test_what_is_right_is_read_as_it_is() -> None:
    assert json_of(b'{"a": [1, "\\ud83d\\ude00"]}') == {"a": [1, "\U0001f600"]}


@pytest.mark.parametrize(
    ("data", "value"),
    [(b'"\\ud83d"', "?"), (b'{"a": NaN}', {"a": None}), (b'"a\nb"', "a\nb"), (b'"\xff"', "\ufffd")],
)
def test_what_can_be_forgiven_is_and_can_be_written_again(data: bytes, value: object) -> None:
    assert json_of(data) == value
    assert orjson.dumps(json_of(data))


@pytest.mark.parametrize("data", [b"", b"{", b"no", b"[" * 100_000, b'{"a":1} {"b":2}'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        json_of(data)


def test_an_object_may_be_wrapped_in_a_list() -> None:
    assert object_in([{"a": 1}]) == {"a": 1} == object_in({"a": 1})
    values: list[object] = [None, [], [[]], 7, "{}"]
    for value in values:
        with pytest.raises(ValueError):
            object_in(value)


@pytest.mark.parametrize("text", ["", " ", "null", "{}"])
def test_no_arguments_are_an_object_without_members(text: str) -> None:
    assert arguments_of(text) == ({}, None)


@pytest.mark.parametrize("text", ["[]", "7", "{", '{"a":1}{"b":2}', "no"])
def test_arguments_that_are_no_object_are_told_so(text: str) -> None:
    assert arguments_of(text) == ({}, "its arguments are not valid JSON")
