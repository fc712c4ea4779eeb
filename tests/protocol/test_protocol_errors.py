"""Malformed params are described in one sentence that names the place and repeats nothing."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agent_server.protocol.errors import ErrorCode, describe_validation_error
from agent_server.protocol.method import Method, RequestMethod
from agent_server.protocol.v1 import methods

SECRET = "hunter2"
STDIO = {"name": "n", "command": "/c"}
BLOCKS = 'one of "text", "image", "audio", "resource_link", "resource"'


def new(**fields: Any) -> dict[str, Any]:
    return {"cwd": "/w", "mcpServers": [], **fields}


def prompt(*blocks: Any) -> dict[str, Any]:
    return {"sessionId": "s", "prompt": list(blocks)}


def update(**fields: Any) -> dict[str, Any]:
    return {"sessionId": "s", "update": fields}


def config(**fields: Any) -> dict[str, Any]:
    return {"sessionId": "s", "configId": "c", **fields}


def described(method: Method, params: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        method.validate(params)
    return describe_validation_error(caught.value)


SENTENCES: list[tuple[Method, Any, str]] = [
    (methods.SESSION_NEW, [], "params must be an object, but an array was given"),
    (methods.SESSION_NEW, None, "params must be an object, but null was given"),
    (methods.SESSION_NEW, SECRET, "params must be an object, but a string was given"),
    (methods.SESSION_NEW, new(cwd=5), "params.cwd must be a string, but a number was given"),
    (methods.SESSION_NEW, new(cwd=None), "params.cwd must be a string, but null was given"),
    (methods.SESSION_NEW, {"mcpServers": []}, "params.cwd is missing (expected a string)"),
    (methods.SESSION_NEW, {"cwd": "/w"}, "params.mcpServers is missing (expected an array)"),
    (methods.SESSION_NEW, new(mcpServers={}), "params.mcpServers must be an array, but an object was given"),
    (methods.SESSION_NEW, new(mcpServers=[SECRET]), "params.mcpServers[0] must be an object, but a string was given"),
    (
        methods.SESSION_NEW,
        new(mcpServers=[{"name": "n"}]),
        "params.mcpServers[0].command is missing (expected a string)",
    ),
    (
        methods.SESSION_NEW,
        new(mcpServers=[STDIO, {"type": "http", "name": "n"}]),
        "params.mcpServers[1].url is missing (expected a string)",
    ),
    (
        methods.SESSION_NEW,
        new(mcpServers=[{**STDIO, "env": [{"name": "K", "value": [SECRET]}]}]),
        "params.mcpServers[0].env[0].value must be a string, but an array was given",
    ),
    (
        methods.SESSION_NEW,
        new(mcpServers=[{"type": "sse", "name": "n", "url": "u", "headers": SECRET}]),
        "params.mcpServers[0].headers must be an array, but a string was given",
    ),
    (
        methods.SESSION_NEW,
        new(additionalDirectories=["/a", True]),
        "params.additionalDirectories[1] must be a string, but a boolean was given",
    ),
    (methods.SESSION_PROMPT, {"prompt": []}, "params.sessionId is missing (expected a string)"),
    (
        methods.SESSION_PROMPT,
        {"sessionId": "s", "prompt": SECRET},
        "params.prompt must be an array, but a string was given",
    ),
    (
        methods.SESSION_PROMPT,
        prompt({"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "text"}),
        "params.prompt[2].text is missing (expected a string)",
    ),
    (methods.SESSION_PROMPT, prompt({}), f"params.prompt[0].type is missing (expected {BLOCKS})"),
    (
        methods.SESSION_PROMPT,
        prompt({"type": SECRET}),
        f"params.prompt[0].type must be {BLOCKS}, but another string was given",
    ),
    (methods.SESSION_PROMPT, prompt({"type": 5}), f"params.prompt[0].type must be {BLOCKS}, but a number was given"),
    (methods.SESSION_PROMPT, prompt(None), "params.prompt[0] must be an object, but null was given"),
    (
        methods.SESSION_PROMPT,
        prompt({"type": "image", "data": {"x": SECRET}, "mimeType": "image/png"}),
        "params.prompt[0].data must be a string, but an object was given",
    ),
    (
        methods.SESSION_PROMPT,
        prompt({"type": "resource", "resource": {"uri": "u"}}),
        "params.prompt[0].resource.text is missing (expected a string)",
    ),
    (
        methods.SESSION_PROMPT,
        prompt({"type": "resource", "resource": {"uri": "u", "blob": 1.5}}),
        "params.prompt[0].resource.blob must be a string, but a number with a fraction was given",
    ),
    (methods.SESSION_PROMPT, prompt({"type": "resource"}), "params.prompt[0].resource is missing (expected an object)"),
    (
        methods.CANCEL_REQUEST,
        {"requestId": True},
        "params.requestId must be a string, an integer or null, but a boolean was given",
    ),
    (methods.CANCEL_REQUEST, {}, "params.requestId is missing (expected a string, an integer or null)"),
    (
        methods.SESSION_SET_CONFIG_OPTION,
        config(value=True),
        'params.value must be a string, unless type is "boolean", but a boolean was given',
    ),
    (
        methods.SESSION_SET_CONFIG_OPTION,
        config(value=5),
        "params.value must be a string or a boolean, but a number was given",
    ),
    (
        methods.INITIALIZE,
        {"protocolVersion": "1"},
        "params.protocolVersion must be an integer, but a string was given",
    ),
    (
        methods.INITIALIZE,
        {"protocolVersion": -1},
        "params.protocolVersion must be at least 0, but a smaller number was given",
    ),
    (
        methods.SESSION_UPDATE,
        update(sessionUpdate="agent_message_chunk", content={"type": "text", "text": 5}),
        "params.update.content.text must be a string, but a number was given",
    ),
    (
        methods.SESSION_UPDATE,
        update(sessionUpdate="agent_message_chunk", content={"type": SECRET}),
        f"params.update.content.type must be {BLOCKS}, but another string was given",
    ),
    (
        methods.SESSION_UPDATE,
        update(sessionUpdate="notice", severity="info", title=""),
        "params.update.title must not be empty",
    ),
    (
        methods.SESSION_REQUEST_PERMISSION,
        {
            "sessionId": "s",
            "toolCall": {"toolCallId": "t"},
            "options": [{"optionId": "a", "name": "A", "kind": SECRET}],
        },
        'params.options[0].kind must be one of "allow_once", "allow_always", "reject_once", "reject_always", '
        "but another string was given",
    ),
    (
        methods.FS_READ_TEXT_FILE,
        {"sessionId": "s", "path": "/p", "line": SECRET},
        "params.line must be an integer or null, but a string was given",
    ),
    (
        methods.TERMINAL_CREATE,
        {"sessionId": "s", "command": "c", "outputByteLimit": -1},
        "params.outputByteLimit must be at least 0, but a smaller number was given",
    ),
]


@pytest.mark.spec("D-53")
@pytest.mark.promise("P13")
@pytest.mark.parametrize(("method", "params", "sentence"), SENTENCES, ids=[row[2] for row in SENTENCES])
def test_malformed_params_are_described_without_repeating_them(method: Method, params: Any, sentence: str) -> None:
    assert described(method, params) == sentence
    assert SECRET not in sentence


@pytest.mark.parametrize("fields", [{}, {"sessionUpdate": ["dance"]}])
def test_an_update_without_a_known_kind_is_described_by_its_wire_name(fields: dict[str, Any]) -> None:
    sentence = described(methods.SESSION_UPDATE, update(**fields))
    assert "params.update.sessionUpdate " in sentence
    assert 'one of "user_message_chunk", "agent_message_chunk"' in sentence
    assert "session_update" not in sentence
    assert "dance" not in sentence


def test_a_result_is_called_a_result() -> None:
    method: RequestMethod[Any, Any] = methods.SESSION_REQUEST_PERMISSION
    with pytest.raises(ValidationError) as caught:
        method.validate_result({"outcome": {"outcome": "selected"}})
    sentence = describe_validation_error(caught.value, "result")
    assert sentence == "result.outcome.optionId is missing (expected a string)"


@pytest.mark.promise("P13")
def test_the_keys_of_a_free_map_are_not_repeated() -> None:
    from agent_server.protocol.v1.initialize import AuthMethodTerminal

    with pytest.raises(ValidationError) as caught:
        AuthMethodTerminal.model_validate({"type": "terminal", "id": "i", "name": "n", "env": {SECRET: 5}})
    assert describe_validation_error(caught.value) == "params.env.* must be a string, but a number was given"


@pytest.mark.spec("D-53")
@pytest.mark.promise("P13")
def test_the_exception_itself_does_not_hold_the_input_in_its_text() -> None:
    with pytest.raises(ValidationError) as caught:
        methods.SESSION_NEW.validate(new(cwd=[SECRET]))
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


def test_an_exception_of_an_unknown_model_is_still_a_sentence() -> None:
    from pydantic import BaseModel

    class Foreign(BaseModel):
        field: int

    with pytest.raises(ValidationError) as caught:
        Foreign.model_validate({"field": SECRET})
    assert describe_validation_error(caught.value) == "params must be another value, but a string was given"


@pytest.mark.promise("P7")
@pytest.mark.parametrize("params", [prompt(*[None] * 200_000), new(mcpServers=[None] * 200_000)])
def test_the_first_of_many_malformed_items_is_enough(params: dict[str, Any]) -> None:
    method: Method = methods.SESSION_PROMPT if "prompt" in params else methods.SESSION_NEW
    with pytest.raises(ValidationError) as caught:
        method.validate(params)
    assert caught.value.error_count() == 1
    assert "[0] must be an object" in describe_validation_error(caught.value)


def test_the_codes_are_those_of_the_protocol() -> None:
    codes = {name: value for name, value in vars(ErrorCode).items() if name.isupper()}
    assert codes == {
        "PARSE_ERROR": -32700,
        "INVALID_REQUEST": -32600,
        "METHOD_NOT_FOUND": -32601,
        "INVALID_PARAMS": -32602,
        "INTERNAL_ERROR": -32603,
        "AUTH_REQUIRED": -32000,
        "RESOURCE_NOT_FOUND": -32002,
        "STATE_CONFLICT": -32010,
        "UNSUPPORTED_PROTOCOL_VERSION": -32022,
        "REQUEST_CANCELLED": -32800,
    }
