"""The kit's schema finds what is wrong and what is foreign, at every depth, and accuses nothing that is legal.

It is tried on our own schema, and on the official one where the npm package that holds it is installed.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from conformance.rules.shapes import complaints, foreign
from conformance.schema import SCHEMAS, Part, Schema
from conformance.transcript import Entry, Transcript

OFFICIAL = Path("node_modules", "@agentclientprotocol", "sdk", "schema", "v1", "schema.json")
FOREIGN_KEY = "notOfTheProtocol"

TEXT = {"type": "text", "text": "hello"}
CALL = {
    "toolCallId": "call-1",
    "title": "Edit",
    "kind": "edit",
    "status": "pending",
    "content": [
        {"type": "content", "content": {"type": "resource", "resource": {"uri": "file:///a", "text": "a"}}},
        {"type": "diff", "path": "/a", "oldText": None, "newText": "b"},
        {"type": "terminal", "terminalId": "t"},
    ],
    "locations": [{"path": "/a", "line": 3}],
    "rawInput": {"any": {"keys": ["are", {"fine": "here"}]}},
    "rawOutput": [{"here": "too"}],
}
OPTIONS = [
    {
        "type": "select",
        "id": "model",
        "name": "Model",
        "category": "model",
        "currentValue": "a",
        "options": [{"group": "g", "name": "G", "options": [{"value": "a", "name": "A"}]}],
    },
    {
        "type": "select",
        "id": "mode",
        "name": "Mode",
        "currentValue": "a",
        "options": [{"value": "a", "name": "A", "description": None}],
    },
    {"type": "boolean", "id": "fast", "name": "Fast", "currentValue": True},
]
CAPABILITIES = {
    "loadSession": True,
    "promptCapabilities": {"image": True, "audio": False, "embeddedContext": True},
    "mcpCapabilities": {"http": True, "sse": False},
    "sessionCapabilities": {"list": {}, "close": {}, "delete": {}, "resume": {}, "additionalDirectories": {}},
    "auth": {"logout": {}},
}
LOGINS = [
    {"id": "own", "name": "Own", "description": None},
    {"type": "agent", "id": "said", "name": "Said"},
    {"type": "terminal", "id": "shell", "name": "In a shell", "args": ["--login"], "env": {"ANY": "key"}},
]
FORM = {
    "sessionId": "s",
    "mode": "form",
    "message": "Who?",
    "requestedSchema": {
        "type": "object",
        "properties": {
            "anyKey": {"type": "string", "oneOf": [{"const": "a", "title": "A"}], "default": "a"},
            "size": {"type": "integer", "minimum": 1},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["x"]}},
        },
        "required": ["size"],
    },
}
OWN_FREE = {"rawInput", "rawOutput", "env", "_meta", "properties"}
"""Keys below which the keys are anybody's."""

LEGAL: list[tuple[str, Part, dict[str, Any]]] = [
    ("initialize", "result", {"protocolVersion": 1}),
    (
        "initialize",
        "result",
        {
            "protocolVersion": 1,
            "agentCapabilities": {**CAPABILITIES, "_meta": {"own": {"keys": 1}}},
            "authMethods": LOGINS,
            "agentInfo": {"name": "a", "version": "1", "title": None},
        },
    ),
    ("authenticate", "result", {}),
    (
        "session/new",
        "result",
        {
            "sessionId": "s",
            "configOptions": OPTIONS,
            "modes": {"currentModeId": "a", "availableModes": [{"id": "a", "name": "A"}]},
        },
    ),
    ("session/load", "result", {"modes": None, "configOptions": None}),
    ("session/list", "result", {"sessions": [{"sessionId": "s", "cwd": "/", "title": None}], "nextCursor": "c"}),
    ("session/prompt", "result", {"stopReason": "end_turn", "_meta": {"any": 1}}),
    ("session/set_config_option", "result", {"configOptions": OPTIONS}),
    (
        "session/request_permission",
        "params",
        {"sessionId": "s", "toolCall": CALL, "options": [{"optionId": "a", "name": "A", "kind": "allow_once"}]},
    ),
    ("fs/read_text_file", "params", {"sessionId": "s", "path": "/a", "line": 1, "limit": None}),
    (
        "terminal/create",
        "params",
        {"sessionId": "s", "command": "ls", "args": ["-l"], "env": [{"name": "A", "value": "b"}], "cwd": "/"},
    ),
    ("elicitation/create", "params", FORM),
    (
        "elicitation/create",
        "params",
        {"requestId": 5, "mode": "url", "message": "Go", "elicitationId": "e", "url": "https://example.com"},
    ),
    ("elicitation/create", "params", {"sessionId": "s", "mode": "_ours", "message": "x", "anything": {"goes": 1}}),
]
UPDATES: list[dict[str, Any]] = [
    {"sessionUpdate": "user_message_chunk", "content": TEXT, "messageId": "m"},
    {"sessionUpdate": "agent_message_chunk", "content": {"type": "image", "data": "aGk=", "mimeType": "image/png"}},
    {
        "sessionUpdate": "agent_thought_chunk",
        "content": {
            "type": "resource_link", "uri": "file:///a", "name": "a", "annotations": {"audience": ["user"]}, "size": 3,
        },
    },
    {"sessionUpdate": "tool_call", **CALL},
    {"sessionUpdate": "tool_call_update", "toolCallId": "call-1", "status": None, "content": CALL["content"]},
    {"sessionUpdate": "plan", "entries": [{"content": "c", "priority": "high", "status": "pending"}]},
    {
        "sessionUpdate": "available_commands_update",
        "availableCommands": [{"name": "ls", "description": "Lists", "input": {"hint": "where"}}],
    },
    {"sessionUpdate": "current_mode_update", "currentModeId": "a"},
    {"sessionUpdate": "config_option_update", "configOptions": OPTIONS},
    {"sessionUpdate": "session_info_update", "title": None, "updatedAt": "2026-01-01T00:00:00Z"},
    {"sessionUpdate": "usage_update", "used": 1, "size": 2, "cost": {"amount": 0.5, "currency": "EUR"}},
    {"sessionUpdate": "notice", "severity": "info", "title": "N"},
    {"sessionUpdate": "compaction_update", "compactionId": "k", "status": "completed", "summary": [TEXT]},
    {"sessionUpdate": "compaction_summary_chunk", "compactionId": "k", "content": TEXT},
]
LEGAL += [("session/update", "params", {"sessionId": "s", "update": update}) for update in UPDATES]

WRONG: list[tuple[str, Part, object, str]] = [
    ("session/new", "result", {}, "sessionId"),
    ("session/new", "result", {"sessionId": 5}, "sessionId"),
    ("session/new", "result", None, "sessionId"),
    ("session/new", "result", [], "result"),
    ("session/list", "result", {"sessions": {}}, "sessions"),
    ("session/list", "result", {"sessions": [{"sessionId": "s"}]}, "cwd"),
    ("session/prompt", "result", {"stopReason": "bored"}, "stopReason"),
    ("session/update", "params", None, "sessionId"),
    ("session/update", "params", {"update": UPDATES[0]}, "sessionId"),
    ("session/update", "params", {"sessionId": "s"}, "update"),
    ("session/update", "params", {"sessionId": "s", "update": {"sessionUpdate": "dance"}}, "dance"),
    ("session/update", "params", {"sessionId": "s", "update": {"content": TEXT}}, "None"),
    (
        "session/update",
        "params",
        {"sessionId": "s", "update": {"sessionUpdate": "current_mode_update", "modeId": "a"}},
        "currentModeId",
    ),
    (
        "session/update",
        "params",
        {"sessionId": "s", "update": {"sessionUpdate": "tool_call", **CALL, "kind": "juggle"}},
        "params.update",
    ),
    (
        "session/update",
        "params",
        {"sessionId": "s", "update": {"sessionUpdate": "usage_update", "used": None, "size": 2}},
        "params.update.used",
    ),
    (
        "session/update",
        "params",
        {"sessionId": "s", "update": {"sessionUpdate": "tool_call", **CALL, "content": [TEXT]}},
        "params.update.content",
    ),
    ("fs/read_text_file", "params", {"sessionId": "s", "path": "/a", "line": "three"}, "line"),
    ("elicitation/create", "params", {**FORM, "requestedSchema": 5}, ""),
]


def _official() -> Path | None:
    conformance = Path(__file__).parents[2] / "conformance"
    root = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    cache = (Path(root) if root else Path.home() / ".cache") / "agent-server-tests"
    return next((path for path in [conformance / OFFICIAL, *cache.glob(f"npm-*/{OFFICIAL}")] if path.is_file()), None)


@pytest.fixture(scope="module", params=["v1.json", "v1.unstable.json", "official"])
def schema(request: pytest.FixtureRequest) -> Schema:
    if request.param != "official":
        return Schema(SCHEMAS / request.param)
    path = _official()
    if path is None:
        pytest.skip("the package of the official TypeScript SDK is not installed")
    return Schema(path)


def objects_in(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all objects of the protocol inside a value."""
    if isinstance(value, dict):
        if not path or path[-1] not in OWN_FREE:
            yield path
        for key, below in value.items():
            if key not in OWN_FREE:
                yield from objects_in(below, (*path, key))
            elif key == "properties":
                for name, field in below.items():
                    yield from objects_in(field, (*path, key, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from objects_in(item, (*path, number))


def with_foreign_key(value: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    broken = copy.deepcopy(value)
    place: Any = broken
    for step in path:
        place = place[step]
    place[FOREIGN_KEY] = 1
    return broken


def is_open(method: str, value: Mapping[str, Any]) -> bool:
    return method == "elicitation/create" and value["mode"].startswith("_")


@pytest.mark.parametrize(("method", "part", "value"), LEGAL)
def test_what_is_legal_is_not_accused(schema: Schema, method: str, part: Part, value: dict[str, Any]) -> None:
    assert schema.complaints(method, part, value) == []
    assert schema.foreign(method, part, value) == []


@pytest.mark.parametrize(("method", "part", "value"), LEGAL)
def test_a_foreign_key_is_found_in_every_object_and_is_no_other_fault(
    schema: Schema, method: str, part: Part, value: dict[str, Any]
) -> None:
    for path in [] if is_open(method, value) else objects_in(value):
        broken = with_foreign_key(value, path)
        expected = ".".join(map(str, [part, *path, FOREIGN_KEY]))
        assert schema.foreign(method, part, broken) == [expected]
        assert schema.complaints(method, part, broken) == []


@pytest.mark.parametrize(("method", "part", "value"), LEGAL)
def test_anything_may_stand_in_meta(schema: Schema, method: str, part: Part, value: dict[str, Any]) -> None:
    for path in objects_in(value):
        broken: Any = copy.deepcopy(value)
        place = broken
        for step in path:
            place = place[step]
        place["_meta"] = {"own.example/thing": {FOREIGN_KEY: [1, {FOREIGN_KEY: None}]}}
        assert schema.complaints(method, part, broken) == []
        assert schema.foreign(method, part, broken) == []


@pytest.mark.parametrize(("method", "part", "value", "named"), WRONG)
def test_what_is_wrong_is_named_and_its_known_keys_are_not_called_foreign(
    schema: Schema, method: str, part: Part, value: object, named: str
) -> None:
    found = schema.complaints(method, part, value)
    assert found
    assert any(named in complaint for complaint in found)
    foreign_keys = schema.foreign(method, part, value)
    assert [path for path in foreign_keys if not path.endswith("modeId")] == []


def test_null_is_an_empty_result_and_absent_params_are_empty(schema: Schema) -> None:
    for method in ("session/load", "session/close", "authenticate"):
        assert schema.complaints(method, "result", None) == []
    assert schema.complaints("session/list", "params", None) == []


def test_nothing_is_said_of_what_the_protocol_does_not_know(schema: Schema) -> None:
    assert not schema.knows("_own/method")
    assert schema.complaints("_own/method", "params", {"any": 1}) == []
    assert schema.foreign("_own/method", "params", {"any": 1}) == []


def test_what_is_found_once_is_found_again(schema: Schema) -> None:
    value = {"stopReason": "bored", FOREIGN_KEY: 1}
    first = schema.complaints("session/prompt", "result", value), schema.foreign("session/prompt", "result", value)
    assert (
        schema.complaints("session/prompt", "result", value),
        schema.foreign("session/prompt", "result", value),
    ) == first


def of_agent(message: Mapping[str, Any], asked: str | None = None) -> Entry:
    """A line of an agent, and the request that it answers."""
    transcript = Transcript("a test")
    if asked is not None:
        transcript.add("client", orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": asked}))
    return transcript.add("agent", orjson.dumps({"jsonrpc": "2.0", **message}))


UPDATE = {"sessionId": "s", "update": UPDATES[0]}


@pytest.mark.parametrize(
    ("message", "asked", "said"),
    [
        ({"method": "session/update", "params": UPDATE}, None, None),
        ({"method": "session/update", "params": UPDATE, "id": 1}, None, "notification"),
        ({"method": "fs/read_text_file", "params": {"sessionId": "s", "path": "/a"}}, None, "needs an id"),
        ({"method": "session/prompt", "id": 1, "params": {}}, None, "method of the agent"),
        ({"method": "made/up", "params": {}}, None, "knows no method"),
        ({"method": "$/cancel_request", "params": {"requestId": 1}}, None, None),
        ({"id": 1, "result": {"stopReason": "bored"}}, "session/prompt", "stopReason"),
        ({"id": 1, "result": {"stopReason": "cancelled"}}, "session/prompt", None),
    ],
)
def test_a_line_is_held_against_the_method_that_it_has_or_answers(
    schema: Schema, message: Mapping[str, Any], asked: str | None, said: str | None
) -> None:
    found = complaints(of_agent(message, asked), schema)
    assert found is not None
    assert (found == []) if said is None else (said in found[0])


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        ({"method": "_own/method", "params": {"any": 1}}, None),
        ({"method": "$/progress", "params": {"any": 1}}, None),
        ({"id": 1, "result": {"any": 1}}, None),
        ({"id": 1, "result": {"any": 1}}, "_own/method"),
        ({"id": 1, "error": {"code": -32603, "message": "m"}}, "session/prompt"),
    ],
)
def test_the_schema_is_silent_about_what_is_not_the_protocols(
    schema: Schema, message: Mapping[str, Any], asked: str | None
) -> None:
    assert complaints(of_agent(message, asked), schema) is None


def test_an_error_has_no_keys_but_its_three(schema: Schema) -> None:
    error = {"code": -32603, "message": "m", "data": {"any": 1}}
    assert foreign(of_agent({"id": 1, "error": error}, "session/prompt"), schema) == []
    assert foreign(of_agent({"id": 1, "error": {**error, "hint": 1}}, "session/prompt"), schema) == ["error.hint"]
