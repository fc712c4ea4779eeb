"""Scenario files: the published schema, and what the author of a wrong file is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

import agent_server
from agent_server.errors import AgentServerError, ErrorKind
from agent_server.providers.scenario.loading import InvalidScenario
from agent_server.providers.scenario.provider import ScenarioProvider, load_scenario
from agent_server.providers.scenario.schema import ERROR_KINDS, scenario_schema, schema_text

PUBLISHED = Path(__file__).parents[2] / "schemas" / "scenario.schema.json"
EXAMPLES = sorted((Path(agent_server.__file__).parent / "examples").glob("scenario_*.json"))
HELLO = {"turns": [{"steps": [{"text": "Hello"}]}]}


def problems(data: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidScenario) as refused:
        ScenarioProvider.from_dict(data)
    return refused.value.problems


def step_problem(step: Any) -> str:
    (problem,) = problems({"turns": [{"steps": [{"text": "fine"}, step]}]})
    return problem


def test_the_published_schema_is_the_one_that_files_are_checked_against() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), (
        f"write schema_text() of agent_server.providers.scenario.schema to {PUBLISHED.name}"
    )


def test_the_schema_is_itself_valid() -> None:
    Draft202012Validator.check_schema(scenario_schema())


def test_the_schema_knows_every_kind_of_error() -> None:
    assert set(ERROR_KINDS) == set(get_args(ErrorKind))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_can_be_played(path: Path) -> None:
    assert load_scenario(str(path)).models()


def test_there_are_examples() -> None:
    assert EXAMPLES


def test_a_file_is_played_under_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "weather.json"
    path.write_text("\ufeff" + json.dumps({"$schema": "./scenario.schema.json", **HELLO}), encoding="utf-8")
    assert [model.name for model in load_scenario(str(path)).models()] == ["weather"]


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ({"text": 3}, "turns[0].steps[1].text: expected a string, got 3"),
        ({"text": "a", "chunk_chars": 0}, "turns[0].steps[1].chunk_chars: expected at least 1, got 0"),
        ({"text": "a", "chunk_char": 1}, 'turns[0].steps[1]: expected only text, chunk_chars; got "chunk_char"'),
        ({"delay_ms": "fast"}, 'turns[0].steps[1].delay_ms: expected a number, got "fast"'),
        ({"wait_for_cancel": False}, "turns[0].steps[1].wait_for_cancel: expected true, got false"),
        ({"image": {"data": ""}}, 'turns[0].steps[1].image: expected "mime_type", got {"data": ""}'),
        ({"tool": "a", "arguments": []}, "turns[0].steps[1].arguments: expected an object, got []"),
        ({"usage": {"input_tokens": 1.5}}, "turns[0].steps[1].usage.input_tokens: expected a whole number, got 1.5"),
        ({"notice": {}}, 'turns[0].steps[1].notice: expected "title", got {}'),
        ({"compaction": {"summary": "x"}}, 'turns[0].steps[1].compaction.summary: expected a list, got "x"'),
        ("text", 'turns[0].steps[1]: expected an object, got "text"'),
    ],
)
def test_a_wrong_step_is_named_by_its_path_and_by_what_was_expected(step: Any, problem: str) -> None:
    assert step_problem(step) == problem


def test_an_unknown_kind_of_step_is_told_which_kinds_there_are() -> None:
    problem = step_problem({"say": "hi"})
    assert problem.startswith("turns[0].steps[1]: expected one of text, thought, image, tool, ")
    assert problem.endswith('got {"say": "hi"}')


def test_an_unknown_word_is_told_which_words_there_are() -> None:
    told = step_problem({"finish": "done"}).removeprefix("turns[0].steps[1].finish: ")
    assert told == 'expected one of end_turn, tool_use, max_tokens, refusal; got "done"'


@pytest.mark.parametrize("last", [{"finish": "end_turn"}, {"drop": True}, {"crash": "x"}, {"error": {"kind": "raw"}}])
def test_a_step_that_could_never_be_played_is_refused(last: dict[str, Any]) -> None:
    (problem,) = problems({"turns": [{"steps": [last, {"text": "never"}]}]})
    assert problem == f"turns[0].steps[1]: expected nothing after {next(iter(last))}, which ends the response"


@pytest.mark.parametrize(
    ("match", "path"), [({"prompt": "("}, "prompt"), ({"tool_result": {"text": "("}}, "tool_result.text")]
)
def test_a_wrong_regular_expression_is_named_by_its_path(match: dict[str, Any], path: str) -> None:
    (problem,) = problems({"turns": [{"match": match, "steps": []}]})
    assert problem.startswith(f'turns[0].match.{path}: expected a regular expression, got "(": missing )')


def test_a_match_is_of_one_kind() -> None:
    (problem,) = problems({"turns": [{"match": {"prompt": "a", "tool_result": {}}, "steps": []}]})
    assert problem == 'turns[0].match: expected only prompt; got "tool_result"'


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "the file: expected an object, got []"),
        ({}, 'the file: expected "turns", got {}'),
        ({"turns": []}, "turns: expected at least 1 of them, got 0"),
        ({"turns": [{}]}, 'turns[0]: expected "steps", got {}'),
    ],
)
def test_a_file_without_turns_is_refused(data: Any, problem: str) -> None:
    assert problems(data) == (problem,)


def test_all_problems_are_kept_but_only_the_first_few_are_shown() -> None:
    with pytest.raises(InvalidScenario) as refused:
        ScenarioProvider.from_dict({"turns": [{"steps": [{"text": n} for n in range(9)]}]}, name="nine")
    assert len(refused.value.problems) == 9
    lines = str(refused.value).splitlines()
    assert lines[:2] == ["nine is not a scenario:", "  turns[0].steps[0].text: expected a string, got 0"]
    assert lines[6:] == ["  and 4 more"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"turns": [}', "line 1 column 12"),
        (b"\xff\xfe", "utf-8"),
        (b"[" * 100_000, "not JSON"),
        (b'{"turns": [{"steps": [{"delay_ms": NaN}]}]}', "NaN is no JSON number"),
        (rb'{"turns": [{"steps": [{"text": "\ud83d"}]}]}', "surrogates"),
    ],
)
def test_a_file_that_is_not_json_is_refused_by_its_name(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(InvalidScenario, match=r"broken\.json is not a scenario") as refused:
        load_scenario(str(path))
    assert said in str(refused.value)
    assert isinstance(refused.value, AgentServerError)
    assert isinstance(refused.value, ValueError)


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidScenario, match=r"nowhere\.json is not a scenario") as refused:
        load_scenario(str(tmp_path / "nowhere.json"))
    assert refused.value.problems[0].startswith("it cannot be read: ")


def test_the_schema_validator_is_imported_only_for_a_scenario() -> None:
    code = "import sys, agent_server.providers.scenario.provider; sys.exit('jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0
