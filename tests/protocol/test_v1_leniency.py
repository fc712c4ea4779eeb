"""Promise P11: default-on-error fields never fail a message; fields without that mark are checked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agent_server.protocol.method import Method
from agent_server.protocol.model import CLEARED
from agent_server.protocol.v1 import methods
from agent_server.protocol.v1.content import BlobResourceContents, EmbeddedResource, TextResourceContents
from agent_server.protocol.v1.initialize import AuthMethodAgent, AuthMethodTerminal
from agent_server.protocol.v1.session import (
    McpServerHttp,
    McpServerSse,
    McpServerStdio,
    SessionConfigBoolean,
    SessionConfigSelect,
    SessionConfigSelectGroup,
    SessionConfigSelectOption,
)
from agent_server.protocol.v1.tool_calls import (
    CancelledPermissionOutcome,
    OtherPermissionOutcome,
    SelectedPermissionOutcome,
)
from agent_server.protocol.v1.updates import (
    AvailableCommandsUpdate,
    PlanUpdate,
    SessionInfoUpdate,
    ToolCallProgressed,
    ToolCallStarted,
    UnknownUpdate,
)

JUNK: list[Any] = [None, 7, "x", True, [], [7], {}, {"a": 7}, 1.5]
"""Every JSON type. Some of it fits some fields; none of it may fail a lenient one."""

KNOWN_KINDS = (
    "user_message_chunk",
    "agent_message_chunk",
    "agent_thought_chunk",
    "tool_call",
    "tool_call_update",
    "plan",
    "available_commands_update",
    "current_mode_update",
    "config_option_update",
    "session_info_update",
    "usage_update",
    "notice",
    "compaction_update",
    "compaction_summary_chunk",
    "plan_update",
    "plan_removed",
    "subagent_update",
    "session_message",
    "session_message_chunk",
)

CHUNK = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "t"}}
LOAD = {"sessionId": "s", "cwd": "/w", "mcpServers": []}
COMPACTION = {"sessionUpdate": "compaction_update", "compactionId": "c"}
FORM_QUESTION = {
    "mode": "form",
    "message": "m",
    "sessionId": "s",
    "requestedSchema": {"properties": {"f": {"type": "string"}}},
}
CALL = {"sessionUpdate": "tool_call", "toolCallId": "t", "title": "T"}


def with_value(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    return {**base, head: with_value(base.get(head, {}), rest, value) if rest else value}


def updated(**fields: Any) -> Any:
    return methods.SESSION_UPDATE.validate({"sessionId": "s", "update": fields}).update


def new_session(**fields: Any) -> Any:
    return methods.SESSION_NEW.validate({"cwd": "/w", "mcpServers": [], **fields})


LENIENT: list[tuple[Method, dict[str, Any], str]] = [
    (methods.INITIALIZE, {"protocolVersion": 1}, path)
    for path in (
        "_meta",
        "clientInfo",
        "clientInfo.title",
        "clientCapabilities",
        "clientCapabilities.fs",
        "clientCapabilities.fs.readTextFile",
        "clientCapabilities.fs.writeTextFile",
        "clientCapabilities.terminal",
        "clientCapabilities.session",
        "clientCapabilities.session.notices",
        "clientCapabilities.session.compaction",
        "clientCapabilities.session.configOptions",
        "clientCapabilities.session.configOptions.boolean",
        "clientCapabilities.auth",
        "clientCapabilities.auth.terminal",
        "clientCapabilities.elicitation",
        "clientCapabilities.elicitation.form",
        "clientCapabilities._meta",
    )
]
LENIENT += [(methods.SESSION_NEW, {"cwd": "/w", "mcpServers": []}, "_meta")]
LENIENT += [
    (methods.SESSION_UPDATE, {"sessionId": "s", "update": CHUNK}, path)
    for path in ("update.messageId", "update.content.annotations", "update.content.annotations.priority")
]
LENIENT += [
    (methods.SESSION_UPDATE, {"sessionId": "s", "update": CALL}, f"update.{name}")
    for name in ("name", "kind", "status", "content", "locations", "rawInput", "rawOutput", "_meta")
]
LENIENT += [
    (methods.SESSION_UPDATE, {"sessionId": "s", "update": {"sessionUpdate": kind, **fields}}, path)
    for kind, fields, path in (
        ("plan", {}, "update.entries"),
        ("available_commands_update", {}, "update.availableCommands"),
        ("config_option_update", {}, "update.configOptions"),
        ("session_info_update", {}, "update.title"),
        ("session_info_update", {}, "update.updatedAt"),
        ("usage_update", {"used": 1, "size": 2}, "update.cost"),
        ("notice", {"severity": "info", "title": "t"}, "update.description"),
    )
]
LENIENT += [
    (methods.SESSION_UPDATE, {"sessionId": "s", "update": {**COMPACTION, "status": "completed"}}, f"update.{name}")
    for name in ("summary", "error")
]
LENIENT += [
    (methods.ELICITATION_CREATE, FORM_QUESTION, path)
    for path in (
        "toolCallId",
        "requestedSchema.type",
        "requestedSchema.title",
        "requestedSchema.description",
        "requestedSchema.properties.f.title",
        "requestedSchema.properties.f.default",
        "_meta",
    )
]
LENIENT += [(methods.LOGOUT, {}, "_meta"), (methods.SESSION_LIST, {}, "_meta"), (methods.SESSION_LOAD, LOAD, "_meta")]
LENIENT += [
    (methods.SESSION_SET_CONFIG_OPTION, {"sessionId": "s", "configId": "c", "value": "v"}, "type"),
]


@pytest.mark.spec("N-80")
@pytest.mark.promise("P11")
@pytest.mark.parametrize(("method", "base", "path"), LENIENT, ids=[f"{m.name} {path}" for m, _, path in LENIENT])
def test_no_value_of_a_lenient_field_fails_the_message(method: Method, base: dict[str, Any], path: str) -> None:
    for junk in JUNK:
        method.validate(with_value(base, path, junk))


QUESTION = {"mode": "url", "message": "m", "sessionId": "s", "elicitationId": "e", "url": "https://x"}

STRICT: list[tuple[Method, dict[str, Any], str]] = [
    (methods.INITIALIZE, {"protocolVersion": 1}, "protocolVersion"),
    (methods.AUTHENTICATE, {"methodId": "m"}, "methodId"),
    (methods.SESSION_NEW, {"cwd": "/w", "mcpServers": []}, "cwd"),
    (methods.SESSION_PROMPT, {"sessionId": "s", "prompt": []}, "sessionId"),
    (methods.SESSION_PROMPT, {"sessionId": "s", "prompt": []}, "prompt"),
    (methods.SESSION_CANCEL, {"sessionId": "s"}, "sessionId"),
    (methods.SESSION_CLOSE, {"sessionId": "s"}, "sessionId"),
    (methods.SESSION_SET_MODE, {"sessionId": "s", "modeId": "m"}, "modeId"),
    (methods.SESSION_SET_CONFIG_OPTION, {"sessionId": "s", "configId": "c", "value": "v"}, "configId"),
    (methods.SESSION_SET_CONFIG_OPTION, {"sessionId": "s", "configId": "c", "value": "v"}, "value"),
    (methods.SESSION_UPDATE, {"sessionId": "s", "update": CHUNK}, "update"),
    (methods.SESSION_UPDATE, {"sessionId": "s", "update": CHUNK}, "update.content"),
    (methods.SESSION_UPDATE, {"sessionId": "s", "update": CHUNK}, "update.sessionUpdate"),
    (methods.SESSION_UPDATE, {"sessionId": "s", "update": CALL}, "update.toolCallId"),
    (methods.SESSION_UPDATE, {"sessionId": "s", "update": CALL}, "update.title"),
    *((methods.SESSION_LOAD, LOAD, name) for name in ("sessionId", "cwd")),
    (methods.SESSION_RESUME, {"sessionId": "s", "cwd": "/w"}, "sessionId"),
    (methods.SESSION_RESUME, {"sessionId": "s", "cwd": "/w"}, "cwd"),
    (methods.SESSION_DELETE, {"sessionId": "s"}, "sessionId"),
    *(
        (methods.SESSION_UPDATE, {"sessionId": "s", "update": {**COMPACTION, "status": "failed"}}, f"update.{name}")
        for name in ("compactionId", "status")
    ),
    *(
        (methods.ELICITATION_CREATE, QUESTION, name)
        for name in ("message", "mode", "sessionId", "elicitationId", "url")
    ),
    (methods.ELICITATION_CREATE, FORM_QUESTION, "requestedSchema.properties"),
    (methods.ELICITATION_CREATE, FORM_QUESTION, "requestedSchema.properties.f"),
    (methods.ELICITATION_COMPLETE, {"elicitationId": "e"}, "elicitationId"),
    (methods.FS_READ_TEXT_FILE, {"sessionId": "s", "path": "/p"}, "path"),
    (methods.FS_WRITE_TEXT_FILE, {"sessionId": "s", "path": "/p", "content": ""}, "content"),
    (methods.TERMINAL_CREATE, {"sessionId": "s", "command": "c"}, "command"),
    (methods.TERMINAL_KILL, {"sessionId": "s", "terminalId": "t"}, "terminalId"),
]


@pytest.mark.spec("D-03")
@pytest.mark.promise("P11")
@pytest.mark.parametrize(("method", "base", "path"), STRICT, ids=[f"{m.name} {path}" for m, _, path in STRICT])
def test_null_and_a_wrong_type_fail_a_field_without_the_mark(method: Method, base: dict[str, Any], path: str) -> None:
    method.validate(base)
    for junk in (None, {"a": 7}, 1.5):
        with pytest.raises(ValidationError):
            method.validate(with_value(base, path, junk))


@pytest.mark.spec("D-04")
@pytest.mark.promise("P11")
@pytest.mark.parametrize("path", ["entries", "availableCommands", "configOptions"])
def test_leniency_does_not_excuse_a_missing_required_key(path: str) -> None:
    kind = {"entries": "plan", "availableCommands": "available_commands_update"}.get(path, "config_option_update")
    with pytest.raises(ValidationError):
        updated(sessionUpdate=kind)


@pytest.mark.promise("P11")
@pytest.mark.parametrize("key", ["cwd", "mcpServers"])
def test_a_new_session_needs_its_keys(key: str) -> None:
    with pytest.raises(ValidationError):
        methods.SESSION_NEW.validate({k: v for k, v in {"cwd": "/w", "mcpServers": []}.items() if k != key})


@pytest.mark.promise("P11")
def test_only_load_needs_its_servers() -> None:
    with pytest.raises(ValidationError):
        methods.SESSION_LOAD.validate({"sessionId": "s", "cwd": "/w"})
    assert methods.SESSION_LOAD.validate({**LOAD, "mcpServers": None}).mcp_servers == []
    assert methods.SESSION_RESUME.validate({"sessionId": "s", "cwd": "/w"}).mcp_servers == []


@pytest.mark.promise("P11")
@pytest.mark.parametrize("method", [methods.SESSION_LIST, methods.LOGOUT])
def test_what_has_only_optional_params_needs_none(method: Method) -> None:
    method.validate({})


@pytest.mark.promise("P11")
@pytest.mark.parametrize("params", [{"cwd": 5}, {"cursor": 5}, {"cursor": ["c"]}])
def test_a_malformed_filter_of_sessions_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        methods.SESSION_LIST.validate(params)
    assert methods.SESSION_LIST.validate({"cwd": None, "cursor": None}).cwd is None


@pytest.mark.promise("P11")
def test_sessions_that_cannot_be_read_are_left_out_of_the_list() -> None:
    good = {"sessionId": "s", "cwd": "/w", "title": 5, "additionalDirectories": ["/x", 5]}
    listed = methods.SESSION_LIST.validate_result({"sessions": [good, {"sessionId": "t"}, None], "nextCursor": 5})
    assert [(info.session_id, info.title, info.additional_directories) for info in listed.sessions] == [
        ("s", None, ["/x"])
    ]
    assert listed.next_cursor is None


@pytest.mark.promise("P11")
def test_an_emptied_summary_is_told_from_a_kept_one() -> None:
    kept, emptied, malformed = (
        updated(**COMPACTION, status="completed", **fields) for fields in ({}, {"summary": None}, {"summary": 5})
    )
    assert (kept.summary, emptied.summary, malformed.summary) == (None, CLEARED, None)
    skipped = updated(**COMPACTION, status="completed", summary=[{"type": "text", "text": "t"}, 5])
    assert [block.text for block in skipped.summary] == ["t"]


@pytest.mark.parametrize("scope", [{"sessionId": "s"}, {"requestId": None}, {"requestId": 5}, {"requestId": "r"}])
def test_a_question_belongs_to_a_session_or_to_a_request(scope: dict[str, Any]) -> None:
    question = {**{key: value for key, value in QUESTION.items() if key != "sessionId"}, **scope}
    assert methods.ELICITATION_CREATE.validate(question).to_wire() == question


@pytest.mark.parametrize("scope", [{}, {"sessionId": None}, {"toolCallId": "t"}, {"requestId": 1.5}])
def test_a_question_that_belongs_nowhere_is_refused(scope: dict[str, Any]) -> None:
    question = {key: value for key, value in QUESTION.items() if key != "sessionId"}
    with pytest.raises(ValidationError):
        methods.ELICITATION_CREATE.validate({**question, **scope})


@pytest.mark.parametrize(
    "answer",
    [
        {"action": "accept", "content": {"f": {"deep": 1}}},
        {"action": "accept", "content": []},
        {"action": 5},
        {"content": {}},
        None,
    ],
)
def test_a_malformed_answer_is_refused(answer: Any) -> None:
    with pytest.raises(ValidationError):
        methods.ELICITATION_CREATE.validate_result(answer)


@pytest.mark.promise("P11")
@pytest.mark.parametrize("value", [5, "x", {}, [None], [5], [{}]])
@pytest.mark.parametrize("key", ["mcpServers", "additionalDirectories"])
def test_what_the_agent_acts_on_is_checked(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        new_session(**{key: value})


@pytest.mark.promise("P11")
def test_null_lists_are_empty_lists() -> None:
    session = new_session(mcpServers=None, additionalDirectories=None)
    assert (session.mcp_servers, session.additional_directories) == ([], [])
    terminal = methods.TERMINAL_CREATE.validate({"sessionId": "s", "command": "c", "args": None, "env": None})
    assert (terminal.args, terminal.env, terminal.cwd) == ([], [], None)


@pytest.mark.promise("P11")
def test_malformed_items_are_dropped_and_the_rest_is_kept() -> None:
    entry = {"content": "c", "priority": "low", "status": "pending"}
    plan = updated(sessionUpdate="plan", entries=[entry, 5, {**entry, "priority": "urgent"}, None, entry])
    assert isinstance(plan, PlanUpdate)
    assert len(plan.entries) == 2
    commands = updated(sessionUpdate="available_commands_update", availableCommands=[{"name": "n"}, None])
    assert isinstance(commands, AvailableCommandsUpdate)
    assert commands.available_commands == []


@pytest.mark.promise("P11")
def test_a_malformed_flag_is_false_and_a_malformed_marker_is_absent() -> None:
    request = methods.INITIALIZE.validate(
        {
            "protocolVersion": 1,
            "clientCapabilities": {"terminal": 1, "fs": {"readTextFile": "yes"}, "session": {"notices": True}},
        }
    )
    capabilities = request.client_capabilities
    assert capabilities.terminal is False
    assert capabilities.fs.read_text_file is False
    assert capabilities.session is not None
    assert capabilities.session.notices is None


@pytest.mark.promise("P11")
def test_null_and_unknown_words_leave_a_tool_call_unspecified() -> None:
    call = updated(**CALL, kind=None, status="paused", content=None, locations=[{"path": "/a", "line": -1}, {}])
    assert isinstance(call, ToolCallStarted)
    assert (call.kind, call.status, call.content) == (None, None, None)
    assert call.locations is not None
    assert [(place.path, place.line) for place in call.locations] == [("/a", None)]


@pytest.mark.promise("P11")
def test_an_update_tells_no_content_from_emptied_content() -> None:
    untouched = updated(sessionUpdate="tool_call_update", toolCallId="t")
    emptied = updated(sessionUpdate="tool_call_update", toolCallId="t", content=[])
    assert isinstance(untouched, ToolCallProgressed)
    assert isinstance(emptied, ToolCallProgressed)
    assert untouched.content is None
    assert emptied.content == []


@pytest.mark.promise("P11")
def test_a_bare_content_block_is_no_tool_call_content() -> None:
    assert updated(**CALL, content=[{"type": "text", "text": "t"}]).content == []


@pytest.mark.spec("D-17")
@pytest.mark.promise("P11")
def test_a_malformed_title_is_not_read_as_a_cleared_one() -> None:
    info = updated(sessionUpdate="session_info_update", title=5)
    assert isinstance(info, SessionInfoUpdate)
    assert info.title is None


@pytest.mark.spec("N-62")
@pytest.mark.promise("P11")
def test_unknown_config_options_are_dropped_and_options_may_be_flat_or_grouped() -> None:
    base = {"id": "i", "name": "n"}
    choice = {"value": "v", "name": "V"}
    group = {"group": "g", "name": "G", "options": [choice]}
    result = methods.SESSION_SET_CONFIG_OPTION.validate_result(
        {
            "configOptions": [
                {**base, "type": "slider", "currentValue": 5},
                {**base, "type": "select", "currentValue": "v", "options": [choice]},
                {**base, "type": "select", "currentValue": "v", "options": [group]},
                {**base, "type": "boolean", "currentValue": "yes"},
                {**base, "type": "boolean", "currentValue": True, "category": 5},
            ]
        }
    )
    flat, grouped, switch = result.config_options
    assert isinstance(flat, SessionConfigSelect)
    assert isinstance(flat.options[0], SessionConfigSelectOption)
    assert isinstance(grouped, SessionConfigSelect)
    assert isinstance(grouped.options[0], SessionConfigSelectGroup)
    assert isinstance(switch, SessionConfigBoolean)
    assert switch.category is None


@pytest.mark.promise("P11")
def test_unreadable_auth_methods_are_dropped_and_untyped_ones_are_the_agents_own() -> None:
    result = methods.INITIALIZE.validate_result(
        {
            "protocolVersion": 1,
            "authMethods": [
                {"id": "a", "name": "A"},
                {"type": "terminal", "id": "t", "name": "T", "args": None, "env": None},
                {"type": "terminal", "id": "t", "name": "T", "args": 5},
                {"name": "no id"},
                None,
            ],
        }
    )
    agent, terminal = result.auth_methods
    assert isinstance(agent, AuthMethodAgent)
    assert isinstance(terminal, AuthMethodTerminal)
    assert (terminal.args, terminal.env) == ([], {})


@pytest.mark.spec("D-06")
def test_mcp_servers_may_leave_out_their_lists() -> None:
    stdio, http = new_session(
        mcpServers=[{"name": "n", "command": "/c"}, {"type": "http", "name": "n", "url": "u"}]
    ).mcp_servers
    assert isinstance(stdio, McpServerStdio)
    assert (stdio.args, stdio.env, stdio.is_stdio) == ([], [], True)
    assert isinstance(http, McpServerHttp)
    assert http.headers == []


@pytest.mark.parametrize("kind", ["stdio", None])
def test_a_server_that_says_stdio_may_be_launched(kind: str | None) -> None:
    server = new_session(mcpServers=[{"type": kind, "name": "n", "command": "/c"}]).mcp_servers[0]
    assert server.is_stdio


@pytest.mark.spec("D-08")
@pytest.mark.parametrize("kind", ["acp", "STDIO", 5, [], {}, False, ""])
def test_an_unknown_transport_with_a_command_is_read_but_must_not_be_launched(kind: Any) -> None:
    server = new_session(mcpServers=[{"type": kind, "name": "n", "command": "/c"}]).mcp_servers[0]
    assert isinstance(server, McpServerStdio)
    assert server.type == kind
    assert not server.is_stdio


def test_a_remote_transport_stays_remote_even_with_a_command() -> None:
    server = new_session(mcpServers=[{"type": "sse", "name": "n", "url": "u", "command": "/c"}]).mcp_servers[0]
    assert isinstance(server, McpServerSse)
    with pytest.raises(ValidationError):
        new_session(mcpServers=[{"type": "http", "name": "n", "command": "/c"}])


@pytest.mark.spec("N-37", "D-11")
@pytest.mark.parametrize("mode", ["append", "override", "_ours", "whisper"])
def test_the_mode_of_a_system_prompt_is_open(mode: str) -> None:
    prompt = {"mode": mode, "content": [{"type": "text", "text": "be brief"}]}
    assert new_session(systemPrompt=prompt).system_prompt.to_wire() == prompt
    assert new_session().system_prompt is None


@pytest.mark.parametrize("prompt", ["be brief", {"mode": "append"}, {"content": []}, 5, False, []])
def test_a_malformed_system_prompt_is_refused(prompt: Any) -> None:
    with pytest.raises(ValidationError):
        new_session(systemPrompt=prompt)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"value": "v"}, "v"),
        ({"type": "boolean", "value": True}, True),
        ({"type": "boolean", "value": False}, False),
        ({"type": "slider", "value": "v"}, "v"),
        ({"type": "boolean", "value": "v"}, "v"),
    ],
)
def test_a_config_value_is_an_id_or_a_declared_boolean(fields: dict[str, Any], value: str | bool) -> None:
    request = methods.SESSION_SET_CONFIG_OPTION.validate({"sessionId": "s", "configId": "c", **fields})
    assert request.value is value or request.value == value
    assert type(request.value) is type(value)


@pytest.mark.parametrize(
    "fields", [{"value": True}, {"type": "slider", "value": True}, {"type": "boolean", "value": 1}]
)
def test_an_undeclared_boolean_is_no_config_value(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        methods.SESSION_SET_CONFIG_OPTION.validate({"sessionId": "s", "configId": "c", **fields})


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        ({"uri": "u", "text": "t"}, TextResourceContents),
        ({"uri": "u", "blob": "b"}, BlobResourceContents),
        ({"uri": "u", "text": "t", "blob": "b"}, TextResourceContents),
        ({"uri": "u", "text": 5, "blob": "b"}, BlobResourceContents),
    ],
)
def test_a_resource_is_told_by_its_keys(resource: dict[str, Any], kind: type) -> None:
    block = methods.SESSION_PROMPT.validate(
        {"sessionId": "s", "prompt": [{"type": "resource", "resource": resource}]}
    ).prompt[0]
    assert isinstance(block, EmbeddedResource)
    assert type(block.resource) is kind


@pytest.mark.parametrize("block", [{"text": "t"}, {"type": "video", "data": "d"}, {"type": None}, "t", None])
def test_content_of_an_unknown_type_is_invalid(block: Any) -> None:
    with pytest.raises(ValidationError):
        methods.SESSION_PROMPT.validate({"sessionId": "s", "prompt": [block]})


@pytest.mark.parametrize("kind", ["compaction_maybe", "", "toolCall", "_ours"])
def test_an_update_of_an_unknown_kind_is_kept_as_it_came(kind: str) -> None:
    update = updated(sessionUpdate=kind, content={"deep": [None]}, nothing=None, _meta=5)
    assert isinstance(update, UnknownUpdate)
    assert update.to_wire() == {"sessionUpdate": kind, "content": {"deep": [None]}, "nothing": None}


@pytest.mark.parametrize("kind", [None, 5, [], {}, True])
def test_an_update_without_a_kind_is_invalid(kind: Any) -> None:
    with pytest.raises(ValidationError):
        updated(sessionUpdate=kind)


@pytest.mark.parametrize("kind", KNOWN_KINDS)
def test_no_malformed_update_of_a_known_kind_passes_as_an_unknown_one(kind: str) -> None:
    if kind == "session_info_update":
        assert isinstance(updated(sessionUpdate=kind, title=5), SessionInfoUpdate)  # all its fields are lenient
        return
    with pytest.raises(ValidationError):
        updated(sessionUpdate=kind)
    with pytest.raises(ValidationError):
        UnknownUpdate(session_update=kind)


def test_unknown_fields_are_ignored() -> None:
    request = methods.SESSION_PROMPT.validate(
        {"sessionId": "s", "prompt": [{"type": "text", "text": "t", "new": 1}], "later": True}
    )
    assert [(block.type, block.text) for block in request.prompt] == [("text", "t")]  # type: ignore[union-attr]


def test_python_names_mean_nothing_on_the_wire() -> None:
    with pytest.raises(ValidationError):
        methods.SESSION_CANCEL.validate({"session_id": "s"})
    assert methods.SESSION_CANCEL.validate({"sessionId": "s", "meta": {"a": 1}}).meta is None


@pytest.mark.parametrize("request_id", ["a", 0, -5, 2**62, None])
def test_a_request_id_is_a_string_an_integer_or_null(request_id: str | int | None) -> None:
    assert methods.CANCEL_REQUEST.validate({"requestId": request_id}).request_id == request_id


@pytest.mark.parametrize("params", [{}, {"requestId": True}, {"requestId": 1.0}, {"requestId": [1]}])
def test_anything_else_is_no_request_id(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        methods.CANCEL_REQUEST.validate(params)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ({"outcome": "selected", "optionId": "a"}, SelectedPermissionOutcome),
        ({"outcome": "cancelled"}, CancelledPermissionOutcome),
        ({"outcome": "approved", "optionId": "a"}, OtherPermissionOutcome),
        ({"outcome": "Selected", "optionId": "a"}, OtherPermissionOutcome),
    ],
)
def test_an_outcome_that_we_do_not_know_is_readable_and_no_selection(outcome: dict[str, Any], kind: type) -> None:
    response = methods.SESSION_REQUEST_PERMISSION.validate_result({"outcome": outcome})
    assert type(response.outcome) is kind
    assert isinstance(response.outcome, SelectedPermissionOutcome) == (kind is SelectedPermissionOutcome)


@pytest.mark.parametrize("outcome", [{"outcome": "selected"}, {"outcome": 5}, {}, None, "selected", ["selected"]])
def test_a_malformed_outcome_is_invalid(outcome: Any) -> None:
    with pytest.raises(ValidationError):
        methods.SESSION_REQUEST_PERMISSION.validate_result({"outcome": outcome})


def test_a_null_result_counts_as_an_empty_one() -> None:
    methods.FS_WRITE_TEXT_FILE.validate_result(None)
    assert methods.TERMINAL_WAIT_FOR_EXIT.validate_result(None).exit_code is None
    with pytest.raises(ValidationError):
        methods.FS_READ_TEXT_FILE.validate_result(None)
