"""Reading a scenario file, and saying what is wrong with it so that its author need not look anything up."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from agent_server.errors import AgentServerError
from agent_server.providers.scenario.schema import LAST_STEPS, scenario_schema
from agent_server.providers.scenario.script import Scenario, scenario_from

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

MOST_PROBLEMS = 5
"""How many problems one message lists: more would hide the first."""


class InvalidScenario(AgentServerError, ValueError):
    """A scenario cannot be played as it is.

    Attributes:
        source: the file, or the name of a scenario that is in none.
        problems: one line each, ``PATH: expected WHAT, got WHAT``; never empty.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        shown = [f"\n  {problem}" for problem in problems[:MOST_PROBLEMS]]
        more = f"\n  and {len(problems) - MOST_PROBLEMS} more" if len(problems) > MOST_PROBLEMS else ""
        super().__init__(f"{source} is not a scenario:{''.join(shown)}{more}")
        self.source = source
        self.problems = tuple(problems)


def read_scenario(path: str) -> Scenario:
    """The scenario in a file.

    Raises:
        InvalidScenario: the file cannot be read, is not JSON, or is no scenario.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            data = json.load(file, parse_constant=_no_number)
        # Half a surrogate pair can be escaped in JSON, but nothing that we send may hold one.
        json.dumps(data, ensure_ascii=False).encode()
    except OSError as error:
        raise InvalidScenario(path, [f"it cannot be read: {error.strerror or error}"]) from error
    except (ValueError, RecursionError) as error:
        raise InvalidScenario(path, [f"it is not JSON: {error}"]) from error
    name, _ = os.path.splitext(os.path.basename(path))
    return checked_scenario(data, name, source=path)


def checked_scenario(data: Any, name: str, *, source: str | None = None) -> Scenario:
    """The scenario that ``data``, the value of its JSON, describes; ``source`` is what messages call it.

    Raises:
        InvalidScenario: ``data`` is no scenario.
    """
    from jsonschema import Draft202012Validator

    problems = list(_problems(Draft202012Validator(scenario_schema()).iter_errors(data)))
    problems = problems or list(_beyond_the_schema(data["turns"]))
    if problems:
        raise InvalidScenario(source or name, problems)
    return scenario_from(data, name)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _problems(errors: Iterable[ValidationError]) -> Iterator[str]:
    for error in errors:
        if error.validator == "anyOf":
            yield from _problems_of_alternative(error)
        else:
            yield f"{_path(error.absolute_path)}: {_expectation(error)}"


def _problems_of_alternative(error: ValidationError) -> Iterator[str]:
    """What is wrong with a step (or a match), judged as the kind whose key it has."""
    alternatives: Any = error.validator_value
    keys = [alternative["required"][0] for alternative in alternatives]
    if not isinstance(error.instance, dict):
        yield f"{_path(error.absolute_path)}: expected an object, got {_shown(error.instance)}"
        return
    kind = next((index for index, key in enumerate(keys) if key in error.instance), None)
    if kind is None:
        yield f"{_path(error.absolute_path)}: expected one of {', '.join(keys)}; got {_shown(error.instance)}"
    else:
        yield from _problems(nested for nested in error.context or () if nested.schema_path[0] == kind)


def _expectation(error: ValidationError) -> str:
    wanted: Any = error.validator_value
    got: Any = error.instance
    schema: Any = error.schema
    match error.validator:
        case "type":
            return f"expected {_TYPES[wanted]}, got {_shown(got)}"
        case "required":
            return f"expected {', '.join(json.dumps(key) for key in wanted if key not in got)}, got {_shown(got)}"
        case "additionalProperties":
            known = schema["properties"]
            unknown = ", ".join(_shown(key) for key in got if key not in known)
            return f"expected only {', '.join(known)}; got {unknown}"
        case "enum":
            return f"expected one of {', '.join(wanted)}; got {_shown(got)}"
        case "const":
            return f"expected {json.dumps(wanted)}, got {_shown(got)}"
        case "minimum":
            return f"expected at least {wanted}, got {_shown(got)}"
        case "minItems":
            return f"expected at least {wanted} of them, got {len(got)}"
    return f"{error.message}"


def _beyond_the_schema(turns: list[dict[str, Any]]) -> Iterator[str]:
    for index, turn in enumerate(turns):
        yield from _bad_pattern(f"turns[{index}].match", turn.get("match", {}))
        yield from _unreachable_step(f"turns[{index}].steps", turn["steps"])


def _bad_pattern(path: str, match: dict[str, Any]) -> Iterator[str]:
    result = match.get("tool_result", {})
    patterns = {"prompt": match.get("prompt"), "system": match.get("system"), "tool_result.text": result.get("text")}
    for name, pattern in patterns.items():
        try:
            re.compile(pattern or "")
        except re.error as error:
            yield f"{path}.{name}: expected a regular expression, got {_shown(pattern)}: {error}"


def _unreachable_step(path: str, steps: list[dict[str, Any]]) -> Iterator[str]:
    for index, step in enumerate(steps[:-1]):
        last = next((key for key in LAST_STEPS if key in step), None)
        if last:
            yield f"{path}[{index + 1}]: expected nothing after {last}, which ends the response"
            return


def _path(parts: Iterable[str | int]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return path.removeprefix(".") or "the file"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."


_TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "a string",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}
