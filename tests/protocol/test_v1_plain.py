"""The plain readings agree with the models, or leave the message to them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.protocol.capabilities import offers
from agent_server.protocol.model import Model
from agent_server.protocol.v1 import opening, plain
from agent_server.protocol.v1.client_services import ReadTextFileResponse
from agent_server.protocol.v1.history import LoadSessionRequest, ResumeSessionRequest
from agent_server.protocol.v1.initialize import InitializeRequest
from agent_server.protocol.v1.prompt import CancelNotification, PromptRequest
from agent_server.protocol.v1.session import NewSessionRequest
from agent_server.protocol.v1.tool_calls import RequestPermissionResponse, SelectedPermissionOutcome

JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=3), st.just([]), st.just({}), st.just({"a": 1})
)
TEXT_BLOCK = st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=5)})
BLOCK = st.one_of(
    TEXT_BLOCK,
    st.fixed_dictionaries(
        {"type": JUNK | st.just("text"), "text": JUNK},
        optional={"annotations": JUNK, "_meta": JUNK, "new": JUNK},
    ),
    JUNK,
)
PATHS = ("fs.readTextFile", "fs.writeTextFile", "terminal", "auth.terminal", "session.notices", "elicitation.url")


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


@given(maybe(sessionId=st.text(max_size=4) | JUNK, prompt=st.lists(BLOCK, max_size=3) | JUNK, _meta=JUNK, new=JUNK))
def test_a_plain_prompt_reads_like_the_model(raw: dict[str, Any]) -> None:
    read = plain.plain_prompt(raw)
    if read is not None:
        model = PromptRequest.model_validate(raw)
        assert (read.session_id, read.meta) == (model.session_id, model.meta)
        assert [(b.type, b.text, b.annotations, b.meta) for b in read.prompt] == [
            (b.type, b.text, b.annotations, b.meta) for b in model.prompt if b.type == "text"
        ]
        assert len(read.prompt) == len(model.prompt)


@given(
    maybe(cwd=st.text(max_size=4) | JUNK, mcpServers=JUNK, additionalDirectories=JUNK, systemPrompt=JUNK, _meta=JUNK)
)
def test_a_plain_new_session_reads_like_the_model(raw: dict[str, Any]) -> None:
    read = plain.plain_new_session(raw)
    if read is not None:
        model = NewSessionRequest.model_validate(raw)
        for name in ("cwd", "mcp_servers", "additional_directories", "system_prompt", "meta"):
            assert getattr(read, name) == getattr(model, name)


@pytest.mark.parametrize(
    ("plain_reading", "model_class"),
    [(plain.plain_load, LoadSessionRequest), (plain.plain_resume, ResumeSessionRequest)],
    ids=["load", "resume"],
)
@given(
    maybe(
        sessionId=st.text(max_size=4) | JUNK,
        cwd=st.text(max_size=4) | JUNK,
        mcpServers=JUNK,
        additionalDirectories=JUNK,
        systemPrompt=JUNK,
        _meta=JUNK,
    )
)
def test_a_plain_return_to_a_session_reads_like_the_model(
    plain_reading: Any, model_class: type[Model], raw: dict[str, Any]
) -> None:
    read = plain_reading(raw)
    if read is not None:
        model = model_class.model_validate(raw)
        for name in ("session_id", "cwd", "mcp_servers", "additional_directories", "system_prompt", "meta"):
            assert getattr(read, name) == getattr(model, name)


def test_the_usual_return_to_a_session_is_plain() -> None:
    assert plain.plain_load({"sessionId": "s", "cwd": "/w", "mcpServers": []}) is not None
    assert plain.plain_resume({"sessionId": "s", "cwd": "/w"}) is not None
    assert plain.plain_load({"sessionId": "s", "cwd": "/w"}) is None, "the key is required"


@given(maybe(sessionId=st.text(max_size=4) | JUNK, _meta=JUNK))
def test_a_plain_cancel_reads_like_the_model(raw: dict[str, Any]) -> None:
    read = plain.plain_cancel(raw)
    if read is not None:
        assert read.session_id == CancelNotification.model_validate(raw).session_id


OUTCOME = maybe(outcome=st.sampled_from(["selected", "cancelled"]) | JUNK, optionId=JUNK, _meta=JUNK)


@given(maybe(outcome=OUTCOME | JUNK, _meta=JUNK))
def test_a_plain_permission_reads_like_the_model(raw: dict[str, Any]) -> None:
    read = plain.plain_permission(raw)
    if read is not None:
        outcome = RequestPermissionResponse.model_validate(raw).outcome
        assert isinstance(outcome, SelectedPermissionOutcome)
        assert (read.outcome.outcome, read.outcome.option_id) == (outcome.outcome, outcome.option_id)


@given(maybe(content=JUNK, _meta=JUNK))
def test_a_plain_file_reads_like_the_model(raw: dict[str, Any]) -> None:
    read = plain.plain_read(raw)
    if read is not None:
        assert read.content == ReadTextFileResponse.model_validate(raw).content


CAPABILITIES = maybe(
    fs=maybe(readTextFile=JUNK, writeTextFile=JUNK) | JUNK,
    terminal=JUNK,
    auth=maybe(terminal=JUNK) | JUNK,
    session=maybe(notices=JUNK, configOptions=maybe(boolean=JUNK) | JUNK) | JUNK,
    elicitation=maybe(form=JUNK, url=JUNK) | JUNK,
    _meta=JUNK,
)


@given(maybe(protocolVersion=st.integers(-1, 70_000) | JUNK, clientCapabilities=CAPABILITIES | JUNK, _meta=JUNK))
def test_a_plain_initialize_offers_what_the_model_offers(raw: dict[str, Any]) -> None:
    read = opening.plain_initialize(raw)
    if read is not None:
        model = InitializeRequest.model_validate(raw)
        assert read.protocol_version == model.protocol_version
        wire, model_wire = read.client_capabilities.to_wire(), model.client_capabilities.to_wire()
        assert [offers(wire, path) for path in PATHS] == [offers(model_wire, path) for path in PATHS]


@pytest.mark.parametrize(
    ("read", "raw"),
    [
        (plain.plain_prompt, {"sessionId": "s", "prompt": [{"type": "text", "text": "hello"}]}),
        (plain.plain_new_session, {"cwd": "/w", "mcpServers": []}),
        (plain.plain_cancel, {"sessionId": "s"}),
        (plain.plain_permission, {"outcome": {"outcome": "selected", "optionId": "approve"}}),
        (plain.plain_read, {"content": "text"}),
        (plain.plain_empty, {}),
        (opening.plain_initialize, {"protocolVersion": 1, "clientCapabilities": {"fs": {"readTextFile": True}}}),
    ],
)
def test_the_commonest_messages_are_read_plainly(read: Any, raw: dict[str, Any]) -> None:
    assert read(raw) is not None
