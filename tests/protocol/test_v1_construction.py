"""What we build by hand: discriminators by themselves, order of the fields, None and null."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agent_server.protocol.model import CLEARED, Model
from agent_server.protocol.v1.content import (
    AudioContent,
    BlobResourceContents,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)
from agent_server.protocol.v1.history import LoadSessionRequest, ResumeSessionRequest
from agent_server.protocol.v1.initialize import (
    AgentCapabilities,
    AuthMethodTerminal,
    InitializeRequest,
    InitializeResponse,
    SessionCapabilities,
    Supported,
)
from agent_server.protocol.v1.session import EnvVariable, HttpHeader, McpServerHttp, McpServerStdio, NewSessionRequest
from agent_server.protocol.v1.tool_calls import (
    CancelledPermissionOutcome,
    Diff,
    RequestPermissionResponse,
    SelectedPermissionOutcome,
)
from agent_server.protocol.v1.unstable.fork import ForkSessionRequest
from agent_server.protocol.v1.updates import (
    AgentMessageChunk,
    Notice,
    SessionInfoUpdate,
    SessionNotification,
    ToolCallProgressed,
    ToolCallStarted,
)


@pytest.mark.parametrize(
    ("value", "start"),
    [
        (TextContent(text="x"), b'{"type":"text",'),
        (ImageContent(data="A", mime_type="i"), b'{"type":"image",'),
        (AudioContent(data="A", mime_type="a"), b'{"type":"audio",'),
        (ResourceLink(name="n", uri="u"), b'{"type":"resource_link",'),
        (EmbeddedResource(resource=BlobResourceContents(blob="A", uri="u")), b'{"type":"resource",'),
        (Diff(path="/a", new_text=""), b'{"type":"diff",'),
        (McpServerHttp(name="n", url="u"), b'{"type":"http",'),
        (AuthMethodTerminal(id="i", name="n"), b'{"type":"terminal",'),
        (AgentMessageChunk(content=TextContent(text="x")), b'{"sessionUpdate":"agent_message_chunk",'),
        (ToolCallStarted(tool_call_id="t", title="T"), b'{"sessionUpdate":"tool_call","toolCallId":"t",'),
        (ToolCallProgressed(tool_call_id="t", title="T"), b'{"sessionUpdate":"tool_call_update","toolCallId":"t",'),
        (SelectedPermissionOutcome(option_id="a"), b'{"outcome":"selected",'),
    ],
)
def test_a_discriminator_fills_itself_in_and_comes_first(value: Model, start: bytes) -> None:
    assert value.to_json().startswith(start)


def test_meta_comes_last() -> None:
    started = ToolCallStarted(tool_call_id="t", title="T", raw_output=1, meta={"m": 1})
    assert started.to_json().endswith(b'"rawOutput":1,"_meta":{"m":1}}')


@pytest.mark.spec("D-16")
def test_what_is_none_is_left_out() -> None:
    assert ToolCallProgressed(tool_call_id="t").to_wire() == {"sessionUpdate": "tool_call_update", "toolCallId": "t"}


def test_nulls_inside_raw_values_and_meta_are_kept() -> None:
    call = ToolCallProgressed(tool_call_id="t", raw_input={"a": None}, meta={"b": None})
    assert call.to_wire()["rawInput"] == {"a": None}
    assert call.to_wire()["_meta"] == {"b": None}


@pytest.mark.spec("D-17")
def test_a_cleared_title_is_null_and_an_untouched_one_absent() -> None:
    assert SessionInfoUpdate(title=CLEARED).to_json() == b'{"sessionUpdate":"session_info_update","title":null}'
    read = SessionInfoUpdate.model_validate({"sessionUpdate": "session_info_update", "updatedAt": None})
    assert read.title is None
    assert read.updated_at is CLEARED


def test_values_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        TextContent(text="x").text = "y"


def test_nested_models_are_kept_as_they_are() -> None:
    block = TextContent(text="x")
    note = SessionNotification(session_id="s", update=AgentMessageChunk(content=block))
    assert isinstance(note.update, AgentMessageChunk)
    assert note.update.content is block
    outcome = CancelledPermissionOutcome()
    assert RequestPermissionResponse(outcome=outcome).outcome is outcome
    server = McpServerStdio(name="n", command="/c")
    assert NewSessionRequest(cwd="/", mcp_servers=[server]).mcp_servers[0] is server


def test_a_notice_needs_a_title() -> None:
    with pytest.raises(ValidationError):
        Notice(severity="info", title="")


def test_an_offered_capability_is_an_empty_object() -> None:
    capabilities = AgentCapabilities(session_capabilities=SessionCapabilities(close=Supported()))
    wire = InitializeResponse(protocol_version=1, agent_capabilities=capabilities).to_wire()
    assert wire["agentCapabilities"]["sessionCapabilities"] == {"close": {}}
    assert wire["agentCapabilities"]["loadSession"] is False
    assert wire["authMethods"] == []


def test_absent_capabilities_are_read_as_none_offered() -> None:
    request = InitializeRequest.model_validate({"protocolVersion": 1})
    assert request.client_capabilities.fs.read_text_file is False
    assert request.client_capabilities.terminal is False
    assert request.client_capabilities.session is None


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    "value",
    [
        EnvVariable(name="K", value="hunter2"),
        HttpHeader(name="K", value="hunter2"),
        AuthMethodTerminal(id="i", name="n", env={"K": "hunter2"}),
        NewSessionRequest(
            cwd="/", mcp_servers=[McpServerStdio(name="n", command="/c", env=[EnvVariable(name="K", value="hunter2")])]
        ),
    ],
)
def test_a_secret_stays_out_of_the_repr(value: Any) -> None:
    assert "hunter2" not in repr(value)
    assert "hunter2" in value.to_json().decode()


@pytest.mark.promise("P10")
@pytest.mark.parametrize("model", [NewSessionRequest, LoadSessionRequest, ResumeSessionRequest, ForkSessionRequest])
def test_further_directories_are_on_the_wire_only_where_there_are_some(model: Any) -> None:
    """An agent that offers none must not be sent the field, not even empty."""
    fields = {"cwd": "/w", "mcp_servers": []} | ({} if model is NewSessionRequest else {"session_id": "s"})
    assert "additionalDirectories" not in model(**fields).to_wire()
    assert b"additionalDirectories" not in model(**fields).to_json()
    assert model(**fields, additional_directories=["/x"]).to_wire()["additionalDirectories"] == ["/x"]
