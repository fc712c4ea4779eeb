"""Every model survives the way to the wire and back, with all its fields set."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import orjson
import pytest

from agent_server.protocol.model import Model

TEXT = {
    "type": "text",
    "annotations": {"audience": ["user"], "lastModified": "2026-01-01T00:00:00Z", "priority": 0.5},
    "text": "hé\u2028llo",
}
RESOURCE = {"type": "resource", "resource": {"mimeType": "text/plain", "text": "t", "uri": "file:///a"}}
BLOB = {"type": "resource", "resource": {"blob": "AAAA", "mimeType": "image/png", "uri": "file:///b"}}
LINK = {
    "type": "resource_link",
    "description": "d",
    "mimeType": "text/plain",
    "name": "a",
    "size": 3,
    "title": "A",
    "uri": "file:///a",
}
IMAGE = {"type": "image", "data": "AAAA", "mimeType": "image/png", "uri": "file:///i"}
AUDIO = {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}
MODES = {"currentModeId": "ask", "availableModes": [{"id": "ask", "name": "Ask", "description": "d"}]}
FLAT = {
    "type": "select",
    "id": "model",
    "name": "Model",
    "description": "d",
    "category": "model",
    "currentValue": "m1",
    "options": [{"value": "m1", "name": "M1", "description": "d"}],
}
GROUPED = {
    "type": "select",
    "id": "m",
    "name": "M",
    "currentValue": "m1",
    "options": [{"group": "g", "name": "G", "options": [{"value": "m1", "name": "M1"}]}],
}
SWITCH = {"type": "boolean", "id": "b", "name": "B", "category": "_ours", "currentValue": True}
DIFF = {"type": "diff", "path": "/a", "oldText": "1", "newText": "2"}
CALL = {
    "toolCallId": "t1",
    "kind": "edit",
    "status": "in_progress",
    "title": "Edit",
    "name": "edit_file",
    "content": [{"type": "content", "content": TEXT}, DIFF, {"type": "terminal", "terminalId": "x"}],
    "locations": [{"path": "/a", "line": 0}],
    "rawInput": {"deep": [None, {"a": None}]},
    "rawOutput": "out",
}
CAPABILITIES = {
    "fs": {"readTextFile": True, "writeTextFile": False},
    "terminal": True,
    "session": {"compaction": {}, "configOptions": {"boolean": {}}, "notices": {}},
    "auth": {"terminal": True},
    "elicitation": {"form": {}, "url": {}},
}
AGENT_CAPABILITIES = {
    "loadSession": True,
    "promptCapabilities": {"image": True, "audio": False, "embeddedContext": True},
    "mcpCapabilities": {"http": True, "sse": False},
    "sessionCapabilities": {"list": {}, "delete": {}, "additionalDirectories": {}, "resume": {}, "close": {}},
    "auth": {"logout": {}},
}
INFO = {"name": "editor", "title": "Editor", "version": "1.2"}
LOGIN = {"type": "terminal", "id": "login", "name": "L", "description": "d", "args": ["--login"], "env": {"A": "b"}}
STDIO = {"name": "n", "command": "/bin/x", "args": ["-v"], "env": [{"name": "K", "value": "v"}]}
HTTP = {"type": "http", "name": "n", "url": "https://x", "headers": [{"name": "H", "value": "v"}]}
CONTENTS = [TEXT, RESOURCE, BLOB, LINK, IMAGE, AUDIO]


def update(session_update: str, **fields: Any) -> dict[str, Any]:
    return {"sessionId": "s", "update": {"sessionUpdate": session_update, **fields}}


EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    (
        "initialize:InitializeRequest",
        {"protocolVersion": 1, "clientCapabilities": CAPABILITIES, "clientInfo": INFO, "_meta": {"a": None}},
    ),
    (
        "initialize:InitializeResponse",
        {
            "protocolVersion": 1,
            "agentCapabilities": AGENT_CAPABILITIES,
            "authMethods": [LOGIN, {"id": "key", "name": "Key", "description": "d"}],
            "agentInfo": INFO,
        },
    ),
    ("initialize:AuthenticateRequest", {"methodId": "key"}),
    ("initialize:AuthenticateResponse", {"_meta": {}}),
    (
        "session:NewSessionRequest",
        {
            "cwd": "/w",
            "additionalDirectories": ["/x"],
            "mcpServers": [STDIO, HTTP, {**HTTP, "type": "sse"}],
            "systemPrompt": {"mode": "append", "content": [TEXT]},
            "_meta": {"k": [1]},
        },
    ),
    ("session:NewSessionResponse", {"sessionId": "s", "modes": MODES, "configOptions": [FLAT, GROUPED, SWITCH]}),
    ("session:CloseSessionRequest", {"sessionId": "s"}),
    ("session:CloseSessionResponse", {}),
    ("session:SetSessionModeRequest", {"sessionId": "s", "modeId": "ask"}),
    ("session:SetSessionModeResponse", {}),
    ("session:SetSessionConfigOptionRequest", {"sessionId": "s", "configId": "c", "value": "v"}),
    ("session:SetSessionConfigOptionRequest", {"sessionId": "s", "configId": "c", "type": "boolean", "value": False}),
    ("session:SetSessionConfigOptionResponse", {"configOptions": [SWITCH]}),
    ("prompt:PromptRequest", {"sessionId": "s", "prompt": CONTENTS}),
    ("prompt:PromptResponse", {"stopReason": "max_turn_requests", "_meta": {"agent_server": {"messageId": "7"}}}),
    ("prompt:CancelNotification", {"sessionId": "s"}),
    ("prompt:CancelRequestNotification", {"requestId": 9}),
    ("prompt:CancelRequestNotification", {"requestId": "9"}),
    ("prompt:CancelRequestNotification", {"requestId": None}),
    *(("updates:SessionNotification", update("user_message_chunk", content=c, messageId="1")) for c in CONTENTS),
    ("updates:SessionNotification", update("agent_message_chunk", content=TEXT, messageId="1")),
    ("updates:SessionNotification", update("agent_thought_chunk", content=TEXT)),
    ("updates:SessionNotification", update("tool_call", **CALL)),
    ("updates:SessionNotification", update("tool_call_update", **CALL)),
    ("updates:SessionNotification", update("tool_call_update", toolCallId="t", content=[], locations=[])),
    (
        "updates:SessionNotification",
        update("plan", entries=[{"content": "c", "priority": "high", "status": "completed"}]),
    ),
    (
        "updates:SessionNotification",
        update(
            "available_commands_update",
            availableCommands=[{"name": "n", "description": "d", "input": {"hint": "h"}}],
        ),
    ),
    ("updates:SessionNotification", update("current_mode_update", currentModeId="ask")),
    ("updates:SessionNotification", update("config_option_update", configOptions=[FLAT, GROUPED, SWITCH])),
    ("updates:SessionNotification", update("session_info_update", title=None, updatedAt="2026-01-01T00:00:00Z")),
    ("updates:SessionNotification", update("session_info_update", title="T")),
    (
        "updates:SessionNotification",
        update("usage_update", used=1, size=2**64 - 1, cost={"amount": 0.5, "currency": "credits"}),
    ),
    ("updates:SessionNotification", update("notice", severity="_own", title="t", description="d")),
    (
        "tool_calls:RequestPermissionRequest",
        {
            "sessionId": "s",
            "toolCall": CALL,
            "options": [
                {"optionId": kind, "name": kind, "kind": kind}
                for kind in ("allow_once", "allow_always", "reject_once", "reject_always")
            ],
        },
    ),
    ("tool_calls:RequestPermissionResponse", {"outcome": {"outcome": "selected", "optionId": "a"}}),
    ("tool_calls:RequestPermissionResponse", {"outcome": {"outcome": "cancelled"}}),
    ("tool_calls:RequestPermissionResponse", {"outcome": {"outcome": "deferred"}}),
    ("client_services:ReadTextFileRequest", {"sessionId": "s", "path": "/a", "line": 1, "limit": 5}),
    ("client_services:ReadTextFileResponse", {"content": ""}),
    ("client_services:WriteTextFileRequest", {"sessionId": "s", "path": "/a", "content": "x"}),
    ("client_services:WriteTextFileResponse", {}),
    (
        "client_services:CreateTerminalRequest",
        {
            "sessionId": "s",
            "command": "sh",
            "args": ["-c", "ls"],
            "env": [{"name": "K", "value": "v"}],
            "cwd": "/w",
            "outputByteLimit": 1000,
        },
    ),
    ("client_services:CreateTerminalResponse", {"terminalId": "t"}),
    *(
        (f"client_services:{name}Request", {"sessionId": "s", "terminalId": "t"})
        for name in ("TerminalOutput", "WaitForTerminalExit", "KillTerminal", "ReleaseTerminal")
    ),
    ("client_services:TerminalOutputResponse", {"output": "x", "truncated": True, "exitStatus": {"exitCode": 0}}),
    ("client_services:WaitForTerminalExitResponse", {"exitCode": 1, "signal": "TERM"}),
    ("client_services:KillTerminalResponse", {}),
    ("client_services:ReleaseTerminalResponse", {}),
]


def model_of(reference: str) -> type[Model]:
    module, _, name = reference.partition(":")
    found: type[Model] = getattr(importlib.import_module(f"agent_server.protocol.v1.{module}"), name)
    return found


@pytest.mark.req("JR-19")
@pytest.mark.parametrize(("reference", "example"), EXAMPLES, ids=[reference for reference, _ in EXAMPLES])
def test_a_rich_example_comes_back_unchanged(reference: str, example: dict[str, Any]) -> None:
    model = model_of(reference)
    value = model.model_validate(example)
    assert orjson.loads(value.to_json()) == example
    assert value.to_wire() == example
    assert model.model_validate(orjson.loads(value.to_json())) == value


def test_every_params_and_result_model_has_an_example() -> None:
    from agent_server.protocol.method import RequestMethod
    from agent_server.protocol.v1.methods import AGENT_METHODS, CLIENT_METHODS

    methods = [*AGENT_METHODS, *CLIENT_METHODS]
    used = {method.params for method in methods}
    used |= {method.result for method in methods if isinstance(method, RequestMethod)}
    assert used <= {model_of(reference) for reference, _ in EXAMPLES}


def test_every_public_model_says_what_it_is() -> None:
    modules = ["initialize", "content", "session", "prompt", "tool_calls", "updates", "client_services"]
    for name in modules:
        module = importlib.import_module(f"agent_server.protocol.v1.{name}")
        for attribute, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, Model) and not attribute.startswith("_"):
                assert value.__doc__, f"{name}.{attribute}"
