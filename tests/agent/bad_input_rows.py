"""Params that must be refused, and the exact sentence that says why.

``$SESSION``, ``$OTHER`` (of another directory) and ``$CWD`` stand for what the server under test has. Whatever is wrong
holds `MARK` where it can, and `MARK` must come back nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MARK = "hunter2-swordfish"

INVALID = -32602
NOT_FOUND = -32002
NO_METHOD = -32601
BAD_REQUEST = -32600
PARSE_ERROR = -32700

MESSAGES = {
    INVALID: "Invalid params",
    NOT_FOUND: "Resource not found",
    NO_METHOD: "Method not found",
    BAD_REQUEST: "Invalid request",
    PARSE_ERROR: "Parse error",
}

KINDS: list[tuple[str, Any]] = [
    ("null", None),
    ("a boolean", True),
    ("a number", 7),
    ("a number with a fraction", 1.5),
    ("a string", MARK),
    ("an array", [MARK]),
    ("an object", {MARK: MARK}),
]
"""What our sentences call each JSON type, and a value of it."""

BLOCKS = 'one of "text", "image", "audio", "resource_link", "resource"'
TEXT = {"type": "text", "text": "t"}
STDIO = {"name": "n", "command": "/c", "args": [], "env": []}
CONFIG_KEYS = "params._meta.agent_server.config may hold maxTurnRequests and approvalTimeoutS, and nothing else"


@dataclass(frozen=True)
class Row:
    """A request and its error. ``params`` is JSON text; None leaves the key out."""

    method: str
    params: str | None
    details: str
    code: int = INVALID


BASES: dict[str, dict[str, Any]] = {
    "initialize": {"protocolVersion": 1},
    "authenticate": {"methodId": "m"},
    "session/new": {"cwd": "$CWD", "mcpServers": []},
    "session/load": {"sessionId": "$SESSION", "cwd": "$CWD", "mcpServers": []},
    "session/resume": {"sessionId": "$SESSION", "cwd": "$CWD"},
    "session/list": {},
    "session/close": {"sessionId": "$SESSION"},
    "session/delete": {"sessionId": "$SESSION"},
    "session/prompt": {"sessionId": "$SESSION", "prompt": [TEXT]},
    "session/set_mode": {"sessionId": "$SESSION", "modeId": "ask"},
    "session/set_config_option": {"sessionId": "$SESSION", "configId": "mode", "value": "ask"},
    "_agent_server/session/lookup": {"sessionId": "$SESSION"},
    "_agent_server/session/info": {"sessionId": "$SESSION"},
    "_agent_server/session/open": {"cwd": "$CWD"},
    "_agent_server/session/detach": {"sessionId": "$SESSION"},
    "_agent_server/events/subscribe": {"scope": "own"},
    "_agent_server/session/stop": {"sessionId": "$SESSION"},
    "_agent_server/session/status": {"sessionId": "$SESSION"},
    "_agent_server/session/snapshot": {"sessionId": "$SESSION"},
    "_agent_server/session/export": {"sessionId": "$SESSION"},
    "_agent_server/events/after": {"sessionId": "$SESSION"},
    "_agent_server/store/prune": {"days": 30},
    "_agent_server/session/usage": {"sessionId": "$SESSION"},
    "_agent_server/session/continue": {"sessionId": "$SESSION"},
    "_agent_server/models/list": {"sessionId": "$SESSION"},
    "_agent_server/model/cycle": {"sessionId": "$SESSION"},
    "_agent_server/thinking/cycle": {"sessionId": "$SESSION"},
    "_agent_server/budget/get": {"sessionId": "$SESSION"},
    "_agent_server/budget/set": {"sessionId": "$SESSION"},
}
"""The least that each method takes."""

ALL_METHODS = (
    *BASES,
    "logout",
    "_agent_server/session/list_live",
    "_agent_server/auth/status",
    "_agent_server/auth/refresh",
)

REQUIRED: dict[str, list[tuple[str, str]]] = {
    "initialize": [("protocolVersion", "an integer")],
    "authenticate": [("methodId", "a string")],
    "session/new": [("cwd", "a string"), ("mcpServers", "an array")],
    "session/load": [("sessionId", "a string"), ("cwd", "a string"), ("mcpServers", "an array")],
    "session/resume": [("sessionId", "a string"), ("cwd", "a string")],
    "session/close": [("sessionId", "a string")],
    "session/delete": [("sessionId", "a string")],
    "session/prompt": [("sessionId", "a string"), ("prompt", "an array")],
    "session/set_mode": [("sessionId", "a string"), ("modeId", "a string")],
    "session/set_config_option": [
        ("sessionId", "a string"),
        ("configId", "a string"),
        ("value", "a string or a boolean"),
    ],
    "_agent_server/session/detach": [("sessionId", "a string")],
    "_agent_server/session/info": [("sessionId", "a string")],
    "_agent_server/session/status": [("sessionId", "a string")],
    "_agent_server/session/snapshot": [("sessionId", "a string")],
    "_agent_server/session/export": [("sessionId", "a string")],
    "_agent_server/events/after": [("sessionId", "a string")],
    "_agent_server/store/prune": [("days", "an integer")],
    "_agent_server/session/usage": [("sessionId", "a string")],
    "_agent_server/session/continue": [("sessionId", "a string")],
    "_agent_server/models/list": [("sessionId", "a string")],
    "_agent_server/model/cycle": [("sessionId", "a string")],
    "_agent_server/thinking/cycle": [("sessionId", "a string")],
    "_agent_server/budget/get": [("sessionId", "a string")],
    "_agent_server/budget/set": [("sessionId", "a string")],
}
"""Fields that must be there, and what they must be."""

STRICT_OPTIONAL: dict[str, list[tuple[str, str]]] = {
    "session/new": [("additionalDirectories", "an array"), ("systemPrompt", "an object or null")],
    "session/load": [("additionalDirectories", "an array"), ("systemPrompt", "an object or null")],
    "session/resume": [
        ("additionalDirectories", "an array"),
        ("mcpServers", "an array"),
        ("systemPrompt", "an object or null"),
    ],
    "session/list": [("cwd", "a string or null"), ("cursor", "a string or null")],
    "_agent_server/session/lookup": [("sessionId", "a string or null"), ("instanceId", "a string or null")],
    "_agent_server/session/open": [
        ("sessionId", "a string or null"),
        ("cwd", "a string or null"),
        ("additionalDirectories", "an array or null"),
    ],
    "_agent_server/session/stop": [("sessionId", "a string or null"), ("instanceId", "a string or null")],
    "_agent_server/budget/set": [("maxCostUsd", "a number or null"), ("maxTokens", "an integer or null")],
}
"""Fields that may be left out, but not be wrong."""

NULL_IS_EMPTY = ("mcpServers", "additionalDirectories")


def _missing() -> Iterator[Row]:
    for method, fields in REQUIRED.items():
        for field, expected in fields:
            params = {key: value for key, value in BASES[method].items() if key != field}
            yield row(method, params, f"params.{field} is missing (expected {expected})")


def _of_another_type() -> Iterator[Row]:
    for table in (REQUIRED, STRICT_OPTIONAL):
        for method, fields in table.items():
            for field, expected in fields:
                for kind, value in KINDS:
                    if kind in expected or (value is None and field in NULL_IS_EMPTY):
                        continue
                    if kind == "a number" and expected.startswith("an integer"):
                        continue
                    if kind.startswith("a number") and expected.startswith("a number"):
                        continue
                    wanted = 'a string, unless type is "boolean"' if value is True and field == "value" else expected
                    if value is True and field == "value":
                        details = f"params.value must be {wanted}, but a boolean was given"
                    else:
                        details = f"params.{field} must be {expected}, but {kind} was given"
                    yield row(method, {**BASES[method], field: value}, details)


def _params_of_another_type() -> Iterator[Row]:
    for method in ALL_METHODS:
        for kind, value in KINDS:
            if kind not in ("null", "an object"):
                yield row(method, value, f"params must be an object, but {kind} was given")


def _params_left_out() -> Iterator[Row]:
    for method, fields in REQUIRED.items():
        field, expected = fields[0]
        yield Row(method, None, f"params.{field} is missing (expected {expected})")
        yield Row(method, "null", f"params.{field} is missing (expected {expected})")


def row(method: str, params: Any, details: str, code: int = INVALID) -> Row:
    return Row(method, json.dumps(params), details, code)


def new(details: str, **fields: Any) -> Row:
    return row("session/new", {**BASES["session/new"], **fields}, details)


def prompt(details: str, *blocks: Any) -> Row:
    return row("session/prompt", {"sessionId": "$SESSION", "prompt": list(blocks)}, details)


def extra(details: str, ours: Any) -> Row:
    return new(details, _meta={"agent_server": ours})


def option(details: str, **fields: Any) -> Row:
    return row("session/set_config_option", {**BASES["session/set_config_option"], **fields}, details)


NUMBERS = [
    row(
        "initialize",
        {"protocolVersion": -1},
        "params.protocolVersion must be at least 0, but a smaller number was given",
    ),
    Row(
        "initialize",
        '{"protocolVersion":1.0}',
        "params.protocolVersion must be an integer, but a number with a fraction was given",
    ),
    Row(
        "initialize",
        '{"protocolVersion":1e3}',
        "params.protocolVersion must be an integer, but a number with a fraction was given",
    ),
    Row(
        "initialize",
        '{"protocolVersion":18446744073709551616}',
        "params.protocolVersion must be an integer, but a number beyond 64 bits was given",
    ),
    Row(
        "initialize",
        '{"protocolVersion":-99999999999999999999}',
        "params.protocolVersion must be an integer, but a number beyond 64 bits was given",
    ),
    Row(
        "session/close",
        '{"sessionId":340282366920938463463374607431768211456}',
        "params.sessionId must be a string, but a number beyond 64 bits was given",
    ),
]

MCP_SERVERS = [
    new("params.mcpServers[0] must be an object, but a string was given", mcpServers=[MARK]),
    new("params.mcpServers[1] must be an object, but null was given", mcpServers=[STDIO, None]),
    new("params.mcpServers[0] must be an object, but an array was given", mcpServers=[[STDIO, MARK]]),
    new("params.mcpServers[0].command is missing (expected a string)", mcpServers=[{"name": MARK}]),
    new("params.mcpServers[0].name is missing (expected a string)", mcpServers=[{"command": MARK}]),
    new("params.mcpServers[0].name must be a string, but null was given", mcpServers=[{**STDIO, "name": None}]),
    new(
        "params.mcpServers[0].command must be a string, but an array was given",
        mcpServers=[{**STDIO, "command": [MARK]}],
    ),
    new("params.mcpServers[0].args must be an array, but a string was given", mcpServers=[{**STDIO, "args": MARK}]),
    new(
        "params.mcpServers[0].args must be an array, but an object was given", mcpServers=[{**STDIO, "args": {MARK: 1}}]
    ),
    new(
        "params.mcpServers[0].args[1] must be a string, but a number was given",
        mcpServers=[{**STDIO, "args": [MARK, 5]}],
    ),
    new("params.mcpServers[0].args[0] must be a string, but null was given", mcpServers=[{**STDIO, "args": [None]}]),
    new(
        "params.mcpServers[0].env must be an array, but an object was given",
        mcpServers=[{**STDIO, "env": {"TOKEN": MARK}}],
    ),
    new(
        "params.mcpServers[0].env must be an array, but a string was given",
        mcpServers=[{**STDIO, "env": f"TOKEN={MARK}"}],
    ),
    new("params.mcpServers[0].env[0] must be an object, but a string was given", mcpServers=[{**STDIO, "env": [MARK]}]),
    new(
        "params.mcpServers[0].env[0].value is missing (expected a string)",
        mcpServers=[{**STDIO, "env": [{"name": "A", "valeu": MARK}]}],
    ),
    new(
        "params.mcpServers[0].env[0].name is missing (expected a string)",
        mcpServers=[{**STDIO, "env": [{"value": MARK}]}],
    ),
    new(
        "params.mcpServers[2].env[1].value must be a string, but an object was given",
        mcpServers=[
            STDIO,
            STDIO,
            {**STDIO, "env": [{"name": "A", "value": MARK}, {"name": "B", "value": {"x": MARK}}]},
        ],
    ),
    new(
        "params.mcpServers[0].env[0].value must be a string, but null was given",
        mcpServers=[{**STDIO, "env": [{"name": MARK, "value": None}]}],
    ),
    new("params.mcpServers[0].url is missing (expected a string)", mcpServers=[{"type": "http", "name": MARK}]),
    new(
        "params.mcpServers[0].url must be a string, but an array was given",
        mcpServers=[{"type": "sse", "name": "n", "url": [MARK]}],
    ),
    new(
        "params.mcpServers[0].headers must be an array, but an object was given",
        mcpServers=[{"type": "http", "name": "n", "url": "u", "headers": {"Authorization": MARK}}],
    ),
    new(
        "params.mcpServers[0].headers[0].value must be a string, but a number was given",
        mcpServers=[{"type": "http", "name": "n", "url": "u", "headers": [{"name": MARK, "value": 5}]}],
    ),
    new(
        "params.mcpServers[0].headers[0].name is missing (expected a string)",
        mcpServers=[{"type": "http", "name": "n", "url": "u", "headers": [{"value": MARK}]}],
    ),
    new(
        "params.mcpServers[0].type names a transport that was not advertised",
        mcpServers=[{"type": "http", "name": "n", "url": f"https://{MARK}/"}],
    ),
    new(
        "params.mcpServers[1].type names a transport that was not advertised",
        mcpServers=[STDIO, {"type": "sse", "name": "n", "url": "u", "headers": [{"name": "A", "value": MARK}]}],
    ),
    new("params.mcpServers[0].type names a transport that was not advertised", mcpServers=[{**STDIO, "type": MARK}]),
    new(
        "params.mcpServers[0].type names a transport that was not advertised",
        mcpServers=[{**STDIO, "type": "acp", "serverId": MARK}],
    ),
    new("params.mcpServers[0].type names a transport that was not advertised", mcpServers=[{**STDIO, "type": 5}]),
    new("params.mcpServers[0].type names a transport that was not advertised", mcpServers=[{**STDIO, "type": [MARK]}]),
    row(
        "session/load",
        {**BASES["session/load"], "mcpServers": [{"type": "http", "name": "n", "url": MARK}]},
        "params.mcpServers[0].type names a transport that was not advertised",
    ),
    row(
        "session/resume",
        {**BASES["session/resume"], "mcpServers": [{"type": "sse", "name": "n", "url": MARK}]},
        "params.mcpServers[0].type names a transport that was not advertised",
    ),
]

PATHS = [
    *(
        row(method, {**BASES[method], "cwd": path}, details)
        for method in ("session/new", "session/load", "session/resume")
        for path, details in (
            ("", "params.cwd must be an absolute path"),
            (MARK, "params.cwd must be an absolute path"),
            (f"./{MARK}", "params.cwd must be an absolute path"),
            (f"~/{MARK}", "params.cwd must be an absolute path"),
            (f"/{MARK}\0", "params.cwd must be an absolute path"),
            (f"/{MARK}/nowhere", "params.cwd names no directory"),
            ("/dev/null", "params.cwd names no directory"),
            (f"/{MARK * 100_000}", "params.cwd names no directory"),
        )
    ),
    new("params.cwd must be an absolute path", cwd=f"file:///{MARK}"),
    new("params.additionalDirectories[0] must be a string, but a number was given", additionalDirectories=[5]),
    new("params.additionalDirectories[1] must be a string, but null was given", additionalDirectories=["$CWD", None]),
    new("params.additionalDirectories[0] must be an absolute path", additionalDirectories=[MARK]),
    new("params.additionalDirectories[1] names no directory", additionalDirectories=["$CWD", f"/{MARK}"]),
    new("params.additionalDirectories[0] must be an absolute path", additionalDirectories=[f"/{MARK}\0"]),
    row("session/list", {"cwd": MARK}, "params.cwd must be an absolute path"),
    row("session/list", {"cwd": ""}, "params.cwd must be an absolute path"),
    row("session/list", {"cwd": f"/\0{MARK}"}, "params.cwd must be an absolute path"),
    row(
        "session/load",
        {**BASES["session/load"], "sessionId": "$OTHER"},
        "params.cwd must be the directory that the session works in",
    ),
    row(
        "session/resume",
        {**BASES["session/resume"], "sessionId": "$OTHER"},
        "params.cwd must be the directory that the session works in",
    ),
    row(
        "session/load",
        {**BASES["session/load"], "additionalDirectories": [MARK]},
        "params.additionalDirectories[0] must be an absolute path",
    ),
]

BAD_ID = "params.sessionId may hold letters, digits, _ and -, 1 to 128 of them, and begin with no -"
OPENINGS = [
    row("_agent_server/session/open", params, details)
    for params, details in (
        ({}, "params.cwd is missing (expected a string, or a sessionId instead)"),
        ({"cwd": MARK}, "params.cwd must be an absolute path"),
        ({"cwd": f"/{MARK}"}, "params.cwd names no directory"),
        ({"sessionId": f"../{MARK}", "cwd": "$CWD"}, BAD_ID),
        ({"sessionId": f"{MARK}/", "cwd": "$CWD"}, BAD_ID),
        ({"sessionId": f"-{MARK}", "cwd": "$CWD"}, BAD_ID),
        ({"sessionId": "", "cwd": "$CWD"}, BAD_ID),
        ({"sessionId": MARK * 100, "cwd": "$CWD"}, BAD_ID),
        ({"sessionId": MARK}, "params.cwd is missing (expected a string: there is no session of this id yet)"),
        ({"sessionId": "$OTHER", "cwd": "$CWD"}, "params.cwd must be the directory that the session works in"),
        ({"cwd": "$CWD", "additionalDirectories": [MARK]}, "params.additionalDirectories[0] must be an absolute path"),
    )
]

NO_PROMPT = "params.systemPrompt is not supported, as the capabilities say"
SYSTEM_PROMPTS = [
    *(
        row(
            method,
            {**BASES[method], "systemPrompt": {"mode": "append", "content": [{"type": "text", "text": MARK}]}},
            NO_PROMPT,
        )
        for method in ("session/new", "session/load", "session/resume")
    ),
    new(NO_PROMPT, systemPrompt={"mode": MARK, "content": []}),
    new(
        "params.systemPrompt.mode is missing (expected a string)",
        systemPrompt={"content": [{"type": "text", "text": MARK}]},
    ),
    new("params.systemPrompt.mode must be a string, but null was given", systemPrompt={"mode": None, "content": []}),
    new("params.systemPrompt.content is missing (expected an array)", systemPrompt={"mode": MARK}),
    new(
        "params.systemPrompt.content must be an array, but a string was given",
        systemPrompt={"mode": "append", "content": MARK},
    ),
    new(
        "params.systemPrompt.content must be an array, but null was given",
        systemPrompt={"mode": "append", "content": None},
    ),
    new(
        f"params.systemPrompt.content[0].type must be {BLOCKS}, but another string was given",
        systemPrompt={"mode": "append", "content": [{"type": MARK}]},
    ),
    new(
        "params.systemPrompt.content[1].text is missing (expected a string)",
        systemPrompt={"mode": "append", "content": [TEXT, {"type": "text", "txt": MARK}]},
    ),
]

CONTENT = [
    prompt("params.prompt must hold at least one content block"),
    prompt("params.prompt[0] must be an object, but a string was given", MARK),
    prompt("params.prompt[0] must be an object, but null was given", None),
    prompt("params.prompt[2] must be an object, but an array was given", TEXT, TEXT, [TEXT, MARK]),
    prompt(f"params.prompt[0].type is missing (expected {BLOCKS})", {"text": MARK}),
    prompt(f"params.prompt[0].type is missing (expected {BLOCKS})", {"type": None, "text": MARK}),
    prompt(f"params.prompt[0].type must be {BLOCKS}, but another string was given", {"type": MARK}),
    prompt(f"params.prompt[0].type must be {BLOCKS}, but another string was given", {"type": "Text", "text": MARK}),
    prompt(f"params.prompt[1].type must be {BLOCKS}, but a number was given", TEXT, {"type": 5, "text": MARK}),
    prompt(f"params.prompt[0].type must be {BLOCKS}, but an array was given", {"type": ["text"], "text": MARK}),
    prompt(f"params.prompt[0].type must be {BLOCKS}, but an object was given", {"type": {MARK: 1}}),
    prompt("params.prompt[0].text is missing (expected a string)", {"type": "text", "txt": MARK}),
    prompt("params.prompt[0].text must be a string, but null was given", {"type": "text", "text": None}),
    prompt(
        "params.prompt[3].text must be a string, but an array was given",
        TEXT,
        TEXT,
        TEXT,
        {"type": "text", "text": [MARK]},
    ),
    prompt("params.prompt[0].data is missing (expected a string)", {"type": "image", "mimeType": MARK}),
    prompt("params.prompt[0].mimeType is missing (expected a string)", {"type": "image", "data": MARK}),
    prompt(
        "params.prompt[0].mimeType must be a string, but an object was given",
        {"type": "image", "data": "", "mimeType": {MARK: MARK}},
    ),
    prompt(
        "params.prompt[0].data must be a string, but a number was given", {"type": "audio", "data": 5, "mimeType": MARK}
    ),
    prompt(
        "params.prompt[0].mimeType must be a string, but null was given",
        {"type": "audio", "data": MARK, "mimeType": None},
    ),
    prompt("params.prompt[0].name is missing (expected a string)", {"type": "resource_link", "uri": MARK}),
    prompt("params.prompt[0].uri is missing (expected a string)", {"type": "resource_link", "name": MARK}),
    prompt(
        "params.prompt[0].uri must be a string, but a boolean was given",
        {"type": "resource_link", "name": MARK, "uri": False},
    ),
    prompt("params.prompt[0].resource is missing (expected an object)", {"type": "resource", "uri": MARK}),
    prompt(
        "params.prompt[0].resource must be an object, but a string was given", {"type": "resource", "resource": MARK}
    ),
    prompt(
        "params.prompt[0].resource must be an object, but an array was given", {"type": "resource", "resource": [MARK]}
    ),
    prompt(
        "params.prompt[0].resource.text is missing (expected a string)", {"type": "resource", "resource": {"uri": MARK}}
    ),
    prompt(
        "params.prompt[0].resource.uri is missing (expected a string)", {"type": "resource", "resource": {"text": MARK}}
    ),
    prompt(
        "params.prompt[0].resource.uri is missing (expected a string)", {"type": "resource", "resource": {"blob": MARK}}
    ),
    prompt(
        "params.prompt[0].resource.blob must be a string, but a number was given",
        {"type": "resource", "resource": {"uri": MARK, "blob": 5}},
    ),
    prompt(
        "params.prompt[0].resource.text must be a string, but an array was given",
        {"type": "resource", "resource": {"uri": "u", "text": [MARK]}},
    ),
]

OPTIONS = [
    option('params.value must be a string, unless type is "boolean", but a boolean was given', value=True, type=MARK),
    option("params.value must be a string, but a boolean was given", value=True, type="boolean"),
    option("params.configId is none of the session's options", configId=MARK),
    option("params.configId is none of the session's options", configId=""),
    option("params.configId is none of the session's options", configId=MARK * 50_000),
    option("params.value is none of the values of the option mode", value=MARK),
    option("params.value is none of the values of the option mode", value=""),
    option("params.value is none of the values of the option model", configId="model", value=MARK),
    row("session/set_mode", {"sessionId": "$SESSION", "modeId": MARK}, "params.modeId is none of the session's modes"),
    row("session/set_mode", {"sessionId": "$SESSION", "modeId": "Ask"}, "params.modeId is none of the session's modes"),
    row("session/list", {"cursor": MARK}, "params.cursor must be a nextCursor of an earlier page"),
    row("session/list", {"cursor": ""}, "params.cursor must be a nextCursor of an earlier page"),
    row("session/list", {"cursor": "AAAA"}, "params.cursor must be a nextCursor of an earlier page"),
    row("session/list", {"cursor": "\u00e9" + MARK}, "params.cursor must be a nextCursor of an earlier page"),
    row("session/list", {"cursor": MARK * 50_000}, "params.cursor must be a nextCursor of an earlier page"),
    row("authenticate", {"methodId": MARK}, "params.methodId is none of the methods that may be used here"),
    row("authenticate", {"methodId": ""}, "params.methodId is none of the methods that may be used here"),
    *(
        row(
            f"_agent_server/session/{name}",
            {"_meta": {MARK: MARK}},
            "params.sessionId is missing (expected a string, or an instanceId instead)",
        )
        for name in ("lookup", "stop")
    ),
]

OURS = [
    *(
        extra("params._meta.agent_server must be an object", value)
        for _, value in KINDS
        if value is not None and type(value) is not dict
    ),
    *(
        extra(f"params._meta.agent_server.{key} must be an object", {key: value})
        for key in ("metadata", "llmConfig", "config")
        for value in (MARK, 5, [MARK], True)
    ),
    *(
        extra(f"params._meta.agent_server.{key} must be a string", {key: value})
        for key in ("model", "mode")
        for value in (5, [MARK], {MARK: 1}, False)
    ),
    extra(CONFIG_KEYS, {"config": {MARK: 1}}),
    extra(CONFIG_KEYS, {"config": {"maxTurnRequests": 5, "maxturnrequests": 5}}),
    *(
        extra(
            "params._meta.agent_server.config.maxTurnRequests must be an integer above 0",
            {"config": {"maxTurnRequests": value}},
        )
        for value in (0, -1, 1.5, True, MARK, None, [5])
    ),
    *(
        extra(
            "params._meta.agent_server.config.approvalTimeoutS must be a number above 0",
            {"config": {"approvalTimeoutS": value}},
        )
        for value in (0, -0.5, MARK, True, None, {MARK: 1})
    ),
    row("session/load", {**BASES["session/load"], "_meta": {"agent_server": {"config": {MARK: 1}}}}, CONFIG_KEYS),
    row(
        "session/resume",
        {**BASES["session/resume"], "_meta": {"agent_server": MARK}},
        "params._meta.agent_server must be an object",
    ),
]

UNKNOWN = "there is no session with this id for this client"
UNKNOWN_IDS = [
    *(
        row(method, {**BASES[method], "sessionId": session_id}, UNKNOWN, NOT_FOUND)
        for method in BASES
        if "sessionId" in BASES[method] and method != "session/delete"
        for session_id in ("session_00000000000000000000000000000000", "")
    ),
    row("session/prompt", {"sessionId": "../../etc/passwd", "prompt": [TEXT]}, UNKNOWN, NOT_FOUND),
    row("session/close", {"sessionId": "a\0b"}, UNKNOWN, NOT_FOUND),
    row("_agent_server/session/lookup", {"instanceId": "instance_0"}, UNKNOWN, NOT_FOUND),
    row("_agent_server/session/lookup", {"sessionId": "$SESSION", "instanceId": "instance_0"}, UNKNOWN, NOT_FOUND),
    row("_agent_server/session/stop", {"sessionId": "session-99999"}, UNKNOWN, NOT_FOUND),
]

METHODS = [
    row("logout", {}, "there is nothing to log out of", NO_METHOD),
    row("session/fork", {**BASES["session/resume"], "x": MARK}, "there is no method 'session/fork' here", NO_METHOD),
    row("session/cancel", {"sessionId": "$SESSION"}, "there is no method 'session/cancel' here", NO_METHOD),
    row("session/update", {"x": MARK}, "there is no method 'session/update' here", NO_METHOD),
    row("$/cancel_request", {"requestId": 1}, "there is no method '$/cancel_request' here", NO_METHOD),
    row(
        "_agent_server/session/nothing",
        {"x": MARK},
        "there is no method '_agent_server/session/nothing' here",
        NO_METHOD,
    ),
    row("initialize", {"protocolVersion": 1}, "this connection is initialized already", BAD_REQUEST),
]

DEEP = "nested deeper than 128 levels, or holds a number above 64 bits"
DEPTH = [
    Row("session/new", '{"cwd":"$CWD","mcpServers":' + "[" * 200 + "]" * 200 + "}", DEEP, BAD_REQUEST),
    Row("session/list", '{"_meta":' + '{"a":' * 200 + "1" + "}" * 201, DEEP, BAD_REQUEST),
]

ROWS = [
    *_missing(),
    *_of_another_type(),
    *_params_of_another_type(),
    *_params_left_out(),
    *NUMBERS,
    *MCP_SERVERS,
    *PATHS,
    *OPENINGS,
    *SYSTEM_PROMPTS,
    *CONTENT,
    *OPTIONS,
    *OURS,
    *UNKNOWN_IDS,
    *METHODS,
    *DEPTH,
]

SECRETS = [
    {"env": {"A": MARK}},
    {"env": MARK},
    {"env": [MARK]},
    {"env": [[MARK]]},
    {"env": [{"name": {"A": MARK}, "value": "v"}]},
    {"env": [{"name": "A", "valeu": MARK}]},
    {"env": [{"name": "A", "value": {"text": MARK}}]},
    {"env": {"A": {"B": MARK}}},
    {"headers": f"Authorization: {MARK}"},
    {"headers": [["Authorization", MARK]]},
    {"headers": [{"name": "Authorization", "vaule": MARK}]},
    {"apiKey": [MARK]},
    {"token": {"value": MARK}},
    {"Authorization": [{"bearer": MARK}]},
]
"""Secrets in shapes that they should not have."""

NOTIFICATIONS = [
    ("session/cancel", None),
    ("session/cancel", "null"),
    ("session/cancel", "[]"),
    ("session/cancel", f'"{MARK}"'),
    ("session/cancel", "{}"),
    ("session/cancel", '{"sessionId":null}'),
    ("session/cancel", f'{{"sessionId":["{MARK}"]}}'),
    ("session/cancel", '{"sessionId":5}'),
    ("session/cancel", '{"sessionId":"nobody"}'),
    ("session/cancel", f'{{"session_id":"{MARK}"}}'),
    ("$/cancel_request", None),
    ("$/cancel_request", f'["{MARK}"]'),
    ("$/cancel_request", "{}"),
    ("$/cancel_request", '{"requestId":true}'),
    ("$/cancel_request", '{"requestId":1.5}'),
    ("$/cancel_request", f'{{"requestId":["{MARK}"]}}'),
    ("$/cancel_request", f'{{"requestId":{{"{MARK}":1}}}}'),
    ("$/cancel_request", f'{{"requestId":"{MARK}"}}'),
    ("$/cancel_request", '{"requestId":null}'),
    ("$/cancel_request", '{"requestId":99999999999999999999999}'),
    ("session/prompt", f'{{"sessionId":"$SESSION","prompt":[{{"type":"text","text":"{MARK}"}}]}}'),
    ("session/close", '{"sessionId":"$SESSION"}'),
    ("session/delete", '{"sessionId":"$SESSION"}'),
    ("session/set_mode", '{"sessionId":"$SESSION","modeId":"accept_edits"}'),
    ("initialize", '{"protocolVersion":1}'),
    ("session/update", f'{{"sessionId":"$SESSION","update":"{MARK}"}}'),
    ("$/unheard_of", f'{{"a":"{MARK}"}}'),
    ("_theirs/note", f'["{MARK}"]'),
]
"""Notifications that change nothing and are not answered. The params are JSON text; None leaves the key out."""

LINES: list[tuple[str, int, Any]] = [
    (f'{{"jsonrpc":"2.0","id":$ID,"method":"session/close","params":{{"sessionId":"{MARK}', PARSE_ERROR, None),
    (f"{MARK} {{", PARSE_ERROR, None),
    (
        f'{{"jsonrpc":"2.0","id":$ID,"method":"session/close","params":{{"sessionId":NaN,"x":"{MARK}"}}}}',
        PARSE_ERROR,
        None,
    ),
    (f"{{'{MARK}':1}}", PARSE_ERROR, None),
    (f'\ufeff{{"{MARK}":1}}', PARSE_ERROR, None),
    (f'"{MARK}"', BAD_REQUEST, None),
    ("5", BAD_REQUEST, None),
    ("null", BAD_REQUEST, None),
    ("[]", BAD_REQUEST, None),
    (f'[{{"jsonrpc":"2.0","id":$ID,"method":"{MARK}"}}]', BAD_REQUEST, None),
    ("{}", BAD_REQUEST, None),
    (f'{{"jsonrpc":"{MARK}","id":$ID,"method":"session/list"}}', BAD_REQUEST, "$ID"),
    ('{"id":$ID,"method":"session/list"}', BAD_REQUEST, "$ID"),
    ('{"jsonrpc":2.0,"id":$ID,"method":"session/list"}', BAD_REQUEST, "$ID"),
    (f'{{"jsonrpc":"2.0","id":$ID,"method":["{MARK}"]}}', BAD_REQUEST, "$ID"),
    ('{"jsonrpc":"2.0","id":$ID}', BAD_REQUEST, "$ID"),
    ('{"jsonrpc":"2.0","id":1.5,"method":"session/list"}', BAD_REQUEST, None),
    ('{"jsonrpc":"2.0","id":true,"method":"session/list"}', BAD_REQUEST, None),
    (f'{{"jsonrpc":"2.0","id":["{MARK}"],"method":"session/list"}}', BAD_REQUEST, None),
    (f'{{"jsonrpc":"2.0","id":{{"{MARK}":1}},"method":"session/list"}}', BAD_REQUEST, None),
    ('{"jsonrpc":"2.0","id":9223372036854775808,"method":"session/list"}', BAD_REQUEST, None),
    ('{"jsonrpc":"2.0","id":"' + MARK * 1000 + '","method":"session/list"}', BAD_REQUEST, None),
    (
        f'{{"jsonrpc":"2.0","id":$ID,"method":"session/close","params":{{"sessionId":"{MARK}\\ud800"}}}}',
        BAD_REQUEST,
        "$ID",
    ),
    (f'{{"jsonrpc":"2.0","id":$ID,"method":"session/close","params":{{"{MARK}":1e400}}}}', BAD_REQUEST, "$ID"),
    (
        '{"jsonrpc":"2.0","id":$ID,"method":"session/close","params":' + "[" * 5000 + "]" * 5000 + "}",
        BAD_REQUEST,
        "$ID",
    ),
]
"""Lines that are no legal message; the code and the id of the one error that answers each."""
