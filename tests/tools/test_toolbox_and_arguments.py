from __future__ import annotations

import unicodedata
from pathlib import Path
from time import perf_counter
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.conversation.tool_calls import ToolKind
from agent_server.conversation.visible import visible
from agent_server.errors import ToolError
from agent_server.tools.arguments import Arguments, object_schema
from agent_server.tools.nearest_text import nearest_text
from agent_server.tools.read_file import ReadFile
from agent_server.tools.toolbox import Toolbox, default_toolbox

from .tool_calls_on_disk import desk

SCHEMA = object_schema({"name": {"type": "string"}, "n": {"type": "integer"}, "on": {"type": "boolean"}}, required=())


@pytest.mark.req("TL-01")
def test_the_catalogue_of_tools() -> None:
    assert [(spec.name, spec.kind, spec.changes) for spec in default_toolbox().specs] == [
        ("read_file", ToolKind.READ, False),
        ("list_directory", ToolKind.READ, False),
        ("find", ToolKind.SEARCH, False),
        ("grep", ToolKind.SEARCH, False),
        ("write_file", ToolKind.EDIT, True),
        ("edit_file", ToolKind.EDIT, True),
        ("delete_file", ToolKind.DELETE, True),
        ("move_file", ToolKind.MOVE, True),
        ("run_command", ToolKind.EXECUTE, True),
        ("ask_user", ToolKind.OTHER, False),
    ]


def test_every_tool_has_a_closed_schema_and_a_description() -> None:
    for spec in default_toolbox(in_editor=True).specs:
        jsonschema.Draft202012Validator.check_schema(spec.parameters)
        assert spec.parameters["additionalProperties"] is False
        assert set(spec.parameters["required"]) <= set(spec.parameters["properties"])
        assert spec.description.endswith(".")


@pytest.mark.req("TL-11")
def test_an_unknown_tool_is_not_in_the_box() -> None:
    box = default_toolbox()
    assert box.get("read_file") is not None
    assert box.get("no_such_tool") is None


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two tools are called read_file"):
        Toolbox((ReadFile(), ReadFile()))


@pytest.mark.parametrize(
    ("given_arguments", "expected"),
    [
        ({}, "path is missing: a string is required"),
        ({"path": None}, "path is missing: a string is required"),
        ({"path": 3}, "path is of type integer: a string is required"),
        ({"path": ["a"]}, "path is of type array: a string is required"),
        ({"path": ""}, "path is empty: a string with at least one character is required"),
        ({"path": "a", "offset": True}, "offset is of type boolean: an integer is required"),
        ({"path": "a", "offset": "1"}, "offset is of type string: an integer is required"),
        ({"path": "a", "offset": 1.5}, "offset is of type number: an integer is required"),
        ({"path": "a", "limit": 0}, "limit is 0: it must be at least 1"),
        ({"path": "a", "x\u202e": 1}, "unknown argument x\\u202e; this tool takes path, offset, limit"),
    ],
)
@pytest.mark.req("TL-11")
def test_wrong_arguments_are_named_with_what_is_expected(
    tmp_path: Path, given_arguments: dict[str, Any], expected: str
) -> None:
    assert desk(tmp_path).refusal(ReadFile(), **given_arguments) == expected


def test_optional_arguments_may_be_left_out_or_null() -> None:
    for arguments in ({}, {"name": None, "n": None, "on": None}):
        given_arguments = Arguments(arguments, SCHEMA)
        assert given_arguments.optional_string("name") is None
        assert given_arguments.optional_integer("n", minimum=1) is None
        assert given_arguments.flag("on") is False
    assert Arguments({"on": True}, SCHEMA).flag("on") is True
    with pytest.raises(ToolError, match="on is of type integer: a boolean is required"):
        Arguments({"on": 1}, SCHEMA).flag("on")


@given(st.text() | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_visible_text_holds_nothing_unseen(text: str) -> None:
    shown = visible(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode()
    assert visible(shown) == shown


def test_visible_text_keeps_what_can_be_seen() -> None:
    assert visible("src/naïve 日本 \U0001f600 a\\b.py") == "src/naïve 日本 \U0001f600 a\\b.py"
    assert visible("a\n\t\x1b[0m\u202e\u200b\u2066\ufeff\u00ad\x9b") == (
        "a\\n\\t\\x1b[0m\\u202e\\u200b\\u2066\\ufeff\\xad\\x9b"
    )
    assert visible("\u3164\U000e0041\U000e0100\u2800\udcff\u061c") == (
        "\\u3164\\U000e0041\\U000e0100\\u2800\\udcff\\u061c"
    )


def test_the_nearest_text_is_found_in_the_middle_of_others() -> None:
    lines = [f"value_{number} = compute({number})" for number in range(200)]
    lines[120:122] = ["if ready and not stopped:", "    start_the_engine(now)"]
    nearest = nearest_text("\n".join(lines), "if ready && !stopped:\n    start_the_engine(soon)\n")
    assert nearest is not None
    assert (nearest.line, nearest.last_line) == (121, 122)
    assert nearest.text == "if ready and not stopped:\n    start_the_engine(now)"
    assert 0.7 < nearest.similarity < 1


@pytest.mark.parametrize(("text", "wanted"), [("", "x"), ("aaaa\n", "zzzz"), ("x", "\n")])
def test_nothing_like_it_has_no_nearest_text(text: str, wanted: str) -> None:
    assert nearest_text(text, wanted) is None


def test_looking_for_the_nearest_text_ends_soon_in_a_big_file() -> None:
    text = "".join(f"{number} the quick brown fox jumps over the lazy dog\n" for number in range(200_000))
    started_s = perf_counter()
    nearest = nearest_text(text, "the quick brown cat jumps over the lazy dog\n" * 2_000)
    assert nearest is not None
    assert perf_counter() - started_s < 4
