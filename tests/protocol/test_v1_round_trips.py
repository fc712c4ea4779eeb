"""Every model survives the way to the wire and back, with all its fields set."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

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
    "sessionCapabilities": {
        "list": {},
        "delete": {},
        "additionalDirectories": {},
        "resume": {},
        "close": {},
        "systemPrompt": {"mode": {"override": {}}},
    },
    "auth": {"logout": {}},
}
INFO = {"name": "editor", "title": "Editor", "version": "1.2"}
LOGIN = {"type": "terminal", "id": "login", "name": "L", "description": "d", "args": ["--login"], "env": {"A": "b"}}
STDIO = {"name": "n", "command": "/bin/x", "args": ["-v"], "env": [{"name": "K", "value": "v"}]}
SETUP = {"sessionId": "s", "cwd": "/w", "additionalDirectories": ["/x"], "mcpServers": [STDIO]}
HTTP = {"type": "http", "name": "n", "url": "https://x", "headers": [{"name": "H", "value": "v"}]}
USAGE = {
    "totalTokens": 6,
    "inputTokens": 1,
    "outputTokens": 2,
    "thoughtTokens": 3,
    "cachedReadTokens": 0,
    "cachedWriteTokens": 0,
}
AUTH_STATE = {
    "state": "_sso",
    "accounts": [{"label": "Work", "active": True, "name": "N", "email": "e@x", "organization": "O"}],
}
MCP_MESSAGE = {"serverId": "i", "requestId": "r", "method": "tools/list", "params": {"deep": [None], "none": None}}
SUBAGENT = {
    "sessionId": "c",
    "title": "T",
    "description": "d",
    "capabilities": {"cancel": {}},
    "cwd": "/w",
    "additionalDirectories": ["/x"],
}
CHOICES = [{"const": "a", "title": "A", "description": "d"}]
FORM = {
    "type": "object",
    "title": "T",
    "properties": {
        "line": {
            "type": "string",
            "title": "T",
            "description": "d",
            "minLength": 1,
            "maxLength": 2,
            "pattern": ".*",
            "format": "date-time",
            "default": "x",
        },
        "one": {"type": "string", "enum": ["a"]},
        "one_titled": {"type": "string", "oneOf": CHOICES},
        "number": {"type": "number", "minimum": 0.5, "maximum": 1.5, "default": 1.0},
        "whole": {"type": "integer", "minimum": 0, "maximum": 9, "default": 5},
        "switch": {"type": "boolean", "default": False},
        "many": {"type": "array", "minItems": 0, "maxItems": 2, "items": {"type": "string", "enum": ["a"]}},
        "many_titled": {"type": "array", "items": {"anyOf": CHOICES}, "default": ["a"]},
        "many_others": {"type": "array", "items": {"type": "_own", "more": None}},
        "other": {"type": "_own", "more": [None], "none": None},
    },
    "required": ["line"],
    "description": "d",
}
ANSWERS = {"line": "x", "number": 0.5, "whole": 5, "switch": True, "many": ["a"]}
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
    ("initialize:LogoutRequest", {}),
    ("initialize:LogoutResponse", {"_meta": {"a": 1}}),
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
    ("history:LoadSessionRequest", {**SETUP, "systemPrompt": {"mode": "override", "content": [TEXT]}}),
    ("history:LoadSessionResponse", {"modes": MODES, "configOptions": [FLAT]}),
    ("history:ResumeSessionRequest", SETUP),
    ("history:ResumeSessionResponse", {"modes": MODES, "configOptions": []}),
    ("history:ListSessionsRequest", {"cwd": "/w", "cursor": "2"}),
    (
        "history:ListSessionsResponse",
        {
            "sessions": [
                {
                    "sessionId": "s",
                    "cwd": "/w",
                    "additionalDirectories": ["/x"],
                    "title": "T",
                    "updatedAt": "2026-01-01T00:00:00Z",
                }
            ],
            "nextCursor": "3",
        },
    ),
    ("history:DeleteSessionRequest", {"sessionId": "s"}),
    ("history:DeleteSessionResponse", {}),
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
    ("updates:SessionNotification", update("compaction_update", compactionId="c", status="completed", summary=[TEXT])),
    ("updates:SessionNotification", update("compaction_update", compactionId="c", status="_own", error=None)),
    ("updates:SessionNotification", update("compaction_update", compactionId="c", status="failed", summary=None)),
    ("updates:SessionNotification", update("compaction_summary_chunk", compactionId="c", content=TEXT)),
    ("updates:SessionNotification", update("of_tomorrow", much={"deep": [None]}, nothing=None, _meta={"k": None})),
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
    (
        "elicitation:CreateElicitationRequest",
        {"mode": "form", "message": "m", "sessionId": "s", "requestedSchema": FORM},
    ),
    (
        "elicitation:CreateElicitationRequest",
        {"mode": "url", "message": "m", "requestId": 7, "elicitationId": "e", "url": "https://x"},
    ),
    (
        "elicitation:CreateElicitationRequest",
        {"mode": "url", "message": "m", "requestId": None, "elicitationId": "e", "url": "https://x"},
    ),
    (
        "elicitation:CreateElicitationRequest",
        {"mode": "_voice", "message": "m", "sessionId": "s", "toolCallId": "t", "tune": [None], "pitch": None},
    ),
    ("elicitation:CreateElicitationResponse", {"action": "accept", "content": ANSWERS}),
    ("elicitation:CreateElicitationResponse", {"action": "decline"}),
    ("elicitation:CreateElicitationResponse", {"action": "cancel", "_meta": {"a": 1}}),
    ("elicitation:CreateElicitationResponse", {"action": "_later", "when": None}),
    ("elicitation:CompleteElicitationNotification", {"elicitationId": "e"}),
]

UNSTABLE_EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    (
        "initialize:InitializeRequest",
        {
            "protocolVersion": 1,
            "clientCapabilities": {**CAPABILITIES, "plan": {}, "subagents": {"_meta": {"a": 1}}},
        },
    ),
    (
        "initialize:InitializeResponse",
        {
            "protocolVersion": 1,
            "agentCapabilities": {
                **AGENT_CAPABILITIES,
                "mcpCapabilities": {"http": True, "sse": False, "acp": True},
                "sessionCapabilities": {"list": {}, "fork": {}, "archive": {}, "status": {}, "title": {}},
                "auth": {"status": {}},
                "providers": {},
            },
            "authMethods": [],
        },
    ),
    (
        "session:NewSessionRequest",
        {
            "cwd": "/w",
            "mcpServers": [{"type": "acp", "name": "n", "serverId": "i", "_meta": {"a": 1}}],
        },
    ),
    ("prompt:PromptResponse", {"stopReason": "end_turn", "usage": USAGE}),
    ("unstable.fork:ForkSessionRequest", SETUP),
    ("unstable.fork:ForkSessionResponse", {"sessionId": "t", "modes": MODES, "configOptions": [FLAT]}),
    ("unstable.archive:ArchiveSessionRequest", {"sessionId": "s"}),
    ("unstable.archive:ArchiveSessionResponse", {}),
    ("unstable.archive:UnarchiveSessionRequest", {"sessionId": "s"}),
    ("unstable.archive:UnarchiveSessionResponse", {}),
    ("unstable.archive:ListSessionsByArchiveRequest", {"cwd": "/w", "cursor": "c", "archived": "_both"}),
    (
        "history:ListSessionsResponse",
        {"sessions": [{"sessionId": "s", "cwd": "/w", "additionalDirectories": [], "archived": False}]},
    ),
    ("unstable.status:SessionStatusRequest", {"sessionId": "s"}),
    ("unstable.status:SessionStatusResponse", {"status": "open"}),
    ("unstable.title:SetSessionTitleRequest", {"sessionId": "s", "title": "T"}),
    ("unstable.title:SetSessionTitleResponse", {"title": "T"}),
    ("unstable.auth_status:AuthStatusRequest", {"_meta": {"a": 1}}),
    ("unstable.auth_status:AuthStatusResponse", AUTH_STATE),
    ("unstable.auth_status:AuthStatusUpdateNotification", AUTH_STATE),
    ("unstable.providers:ListProvidersRequest", {}),
    (
        "unstable.providers:ListProvidersResponse",
        {
            "providers": [
                {
                    "providerId": "main",
                    "supported": ["anthropic", "_own"],
                    "required": True,
                    "current": {"apiType": "openai", "baseUrl": "https://x"},
                },
                {"providerId": "b", "supported": [], "required": False},
            ]
        },
    ),
    (
        "unstable.providers:SetProviderRequest",
        {"providerId": "p", "apiType": "vertex", "baseUrl": "https://x", "headers": {"H": "v"}},
    ),
    ("unstable.providers:SetProviderResponse", {}),
    ("unstable.providers:DisableProviderRequest", {"providerId": "p"}),
    ("unstable.providers:DisableProviderResponse", {}),
    ("unstable.mcp:MessageMcpRequest", MCP_MESSAGE),
    ("unstable.mcp:MessageMcpNotification", MCP_MESSAGE),
    ("unstable.mcp:MessageMcpResponse", {"result": None, "_meta": {"a": 1}}),
    ("unstable.mcp:MessageMcpResponse", {"result": {"tools": [None], "none": None}}),
    ("unstable.mcp:MessageMcpResponse", {"error": {"code": -1, "message": "m", "data": None, "further": None}}),
    ("unstable.mcp:MessageMcpResponse", {"error": {"code": -1, "message": "m"}}),
    ("unstable.proxy:ProxySuccessorRequest", {"method": "session/new", "params": {"deep": [None]}}),
    ("unstable.proxy:ProxySuccessorNotification", {"method": "session/cancel", "params": {"sessionId": "s"}}),
    *(
        ("updates:SessionNotification", update("plan_update", plan={"planId": "p", **plan}))
        for plan in (
            {"type": "items", "entries": [{"content": "c", "priority": "low", "status": "pending"}]},
            {"type": "file", "uri": "file:///p"},
            {"type": "markdown", "content": "# p"},
        )
    ),
    ("updates:SessionNotification", update("plan_removed", planId="p")),
    *(
        ("updates:SessionNotification", update("subagent_update", **SUBAGENT, state={"state": state, **more}))
        for state, more in (
            ("running", {}),
            ("idle", {"stopReason": "end_turn", "usage": USAGE}),
            ("idle", {"stopReason": "error", "error": {"code": -32603, "message": "m", "data": {"a": None}}}),
            ("requires_action", {}),
            ("unknown", {}),
            ("_asleep", {"until": None}),
        )
    ),
    (
        "updates:SessionNotification",
        update(
            "subagent_update",
            sessionId="c",
            **dict.fromkeys(("title", "description", "capabilities", "state", "cwd", "additionalDirectories")),
        ),
    ),
    (
        "updates:SessionNotification",
        update(
            "session_message",
            messageId="1",
            senderSessionId="s",
            recipientSessionId=None,
            senderMessageId="4",
            recipientMessageId=None,
            content=CONTENTS,
        ),
    ),
    ("updates:SessionNotification", update("session_message", messageId="1", content=None)),
    ("updates:SessionNotification", update("session_message_chunk", messageId="1", content=TEXT)),
]


def model_of(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(f"agent_server.protocol.v1.{module}"), name)


ALL_EXAMPLES = EXAMPLES + UNSTABLE_EXAMPLES


@pytest.mark.spec("N-12", "D-11")
@pytest.mark.req("JR-19")
@pytest.mark.parametrize(("reference", "example"), ALL_EXAMPLES, ids=[reference for reference, _ in ALL_EXAMPLES])
def test_a_rich_example_comes_back_unchanged(reference: str, example: dict[str, Any]) -> None:
    model: TypeAdapter[Model] = TypeAdapter(model_of(reference))
    value = model.validate_python(example)
    assert orjson.loads(value.to_json()) == example
    assert value.to_wire() == example
    assert model.validate_python(orjson.loads(value.to_json())) == value


def test_every_params_and_result_has_an_example() -> None:
    from agent_server.protocol.method import RequestMethod
    from agent_server.protocol.v1.methods import AGENT_METHODS, CLIENT_METHODS
    from agent_server.protocol.v1.unstable.methods import UNSTABLE_AGENT_METHODS, UNSTABLE_CLIENT_METHODS

    methods = [*AGENT_METHODS, *CLIENT_METHODS, *UNSTABLE_AGENT_METHODS, *UNSTABLE_CLIENT_METHODS]
    used = {method.params_name for method in methods}
    used |= {method.result_name for method in methods if isinstance(method, RequestMethod)}
    assert used <= {reference.partition(":")[2] for reference, _ in ALL_EXAMPLES}


def test_every_public_model_says_what_it_is() -> None:
    package = importlib.import_module("agent_server.protocol.v1")
    found = 0
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for attribute, value in vars(importlib.import_module(info.name)).items():
            if inspect.isclass(value) and issubclass(value, Model) and not attribute.startswith("_"):
                assert value.__dict__.get("__doc__"), f"{info.name}.{attribute}"
                found += 1
    assert found > 100
