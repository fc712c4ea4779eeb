"""What we send to Anthropic Messages is what the official SDK sends for the same conversation.

The SDK reads a stream, and its message goes back to it with results of the tools, as its documentation shows. We do
the same with the same stream. Where the two requests differ is written down here, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter

from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, ResourcePart, TextPart
from agent_server.conversation.messages import AssistantMessage, ToolRequest, ToolResultMessage, UserMessage
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.anthropic import AnthropicFormat
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.wire import Endpoint
from tests.providers.cassettes import Recorded, streams
from tests.providers.model_servers import Asked, streaming
from tests.providers.played import play
from tests.providers.test_anthropic_stream import begin, finish, start, stop, stream, text, thinking, tool

anthropic = pytest.importorskip("anthropic")

MODEL = "claude-opus-5"
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aW1n"}}
HERE = Endpoint("anthropic", "anthropic", "https://api.example")
INFO = ModelInfo(MODEL, "Claude", output_tokens=1000)

A_TOOL_LOOP = stream(
    begin(input_tokens=5, output_tokens=1),
    *thinking(0, "I should read both.", "first", "last"),
    start(1, type="redacted_thinking", data="EmwKAhgB"),
    stop(1),
    *text(2, "I read ", "both."),
    *thinking(3, "", "unseen"),
    *tool(4, "toolu_1", '{"path":', ' "a.txt"}', caller={"type": "direct"}),
    *tool(5, "toolu_2"),
    *finish("tool_use", output_tokens=20),
)
A_PAUSE = stream(
    begin(), start(0, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}), *finish("pause_turn")
)
ANSWER = stream(begin(), *text(0, "Done."), *finish("end_turn"))


def sdk_asks(body: bytes, *, beta: bool = False) -> Asked:
    """What the SDK sends after this response, with results for its tool calls."""
    with (
        streaming(body, ANSWER).running() as there,
        anthropic.Anthropic(api_key="K", base_url=there.url, max_retries=0) as client,
    ):
        question = {"role": "user", "content": [{"type": "text", "text": "What is in them?"}, IMAGE]}
        asked = {
            "model": MODEL,
            "max_tokens": 1000,
            "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
            "tools": [{"name": "read", "description": "Reads.", "input_schema": SCHEMA}],
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "high"},
        }
        messages = client.beta.messages if beta else client.messages
        with messages.stream(messages=[question], **asked) as answer:
            message = answer.get_final_message()
        talk = [question, {"role": "assistant", "content": message.content}]
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": [{"type": "text", "text": "ok"}, IMAGE]}
            for block in message.content
            if block.type == "tool_use"
        ]
        if results:
            talk.append({"role": "user", "content": results})
        with messages.stream(messages=talk, **asked) as answer:
            answer.until_done()
        return there.asked[-1]


def we_ask(body: bytes) -> dict[str, Any]:
    """What we send in the same place."""
    image = ImagePart("aW1n", "image/png")
    talk: list[Any] = [UserMessage((TextPart("What is in them?"), image))]
    request = ModelRequest(
        MODEL, talk, tools=[ToolSpec("read", "Reads.", SCHEMA)], system="Be kind.", effort="high", session_id="s"
    )
    message = play(AnthropicFormat().decoder(request, HERE), body).message
    talk.append(message)
    talk += [ToolResultMessage(call.call_id, call.name, (TextPart("ok"), image)) for call in message.tool_requests]
    return AnthropicFormat().request(request, HERE, INFO).body


def without(value: Any, *keys: str) -> Any:
    """The value without these keys, at any depth."""
    if isinstance(value, dict):
        return {key: without(inner, *keys) for key, inner in value.items() if key not in keys}
    return [without(inner, *keys) for inner in value] if isinstance(value, list) else value


def test_after_a_tool_loop_we_send_what_the_sdk_sends() -> None:
    theirs, ours = sdk_asks(A_TOOL_LOOP).body, we_ask(A_TOOL_LOOP)
    # cache_control: where the cache ends is our own choice; the SDK marks what it is told to.
    # caller: {"type": "direct"} is what a call has that says nothing; keeping it would make a state of every response.
    assert without(ours, "cache_control") == without(theirs, "cache_control", "caller")
    kinds = [block["type"] for block in ours["messages"][1]["content"]]
    assert kinds == ["thinking", "redacted_thinking", "text", "thinking", "tool_use", "tool_use"]


def test_the_headers_are_the_sdks_but_for_what_third_parties_need() -> None:
    theirs = sdk_asks(A_TOOL_LOOP)
    assert theirs.path == "/v1/messages"
    # The SDK sends the newest version; servers of others know the first one only.
    assert "anthropic-version" in theirs.headers
    # The SDK sends any key as a bearer; `x-api-key` is what the API documents for keys, and what more servers take.
    bearer = Endpoint("a", "anthropic", "https://x", quirks=frozenset({"bearer"}))
    (name, value), *none = AnthropicFormat().key_headers("K", bearer).items()
    assert theirs.headers[name] == value and not none


@pytest.fixture(scope="module")
def their_types() -> TypeAdapter[Any]:
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

    return TypeAdapter(MessageCreateParamsStreaming)


def drained(value: Any) -> Any:
    """The value with its lazy sequences read: they are checked only then."""
    if isinstance(value, dict):
        return {key: drained(inner) for key, inner in value.items()}
    return [drained(inner) for inner in value] if isinstance(value, Iterator | list | tuple) else value


@pytest.mark.parametrize("body", [A_TOOL_LOOP, ANSWER])
def test_what_we_send_is_of_the_sdks_types_and_has_no_field_that_they_lack(
    body: bytes, their_types: TypeAdapter[Any]
) -> None:
    ours = we_ask(body)
    assert drained(their_types.validate_python(ours)) == ours


def test_everything_else_that_we_send_is_of_the_sdks_types_too(their_types: TypeAdapter[Any]) -> None:
    pdf = ResourcePart("file:///a.pdf", blob="cGRm", mime_type="application/pdf")
    link = LinkPart("file:///b", "b")
    paused = play(AnthropicFormat().decoder(ModelRequest(MODEL, []), HERE), A_PAUSE).message
    talk: list[Any] = [
        UserMessage((pdf, link, AudioPart("aQ==", "audio/wav"))),
        AssistantMessage("I try.", tool_requests=[ToolRequest("a|b", "odd name", {"x": [1, None]})]),
        ToolResultMessage("a|b", "odd name", (ImagePart("aW1n", "image/png"),), is_error=True),
        paused,
    ]
    for effort, model in (("off", MODEL), ("high", "claude-sonnet-4-5"), ("max", MODEL), (None, MODEL)):
        ours = AnthropicFormat().request(ModelRequest(model, talk, effort=effort), HERE, INFO).body
        assert drained(their_types.validate_python(ours)) == ours


def test_the_check_of_types_finds_what_is_wrong(their_types: TypeAdapter[Any]) -> None:
    unknown = we_ask(ANSWER) | {"temper": 1}
    assert drained(their_types.validate_python(unknown)) != unknown
    wrong = we_ask(ANSWER)
    wrong["messages"][0]["content"][0]["text"] = 5
    with pytest.raises(ValueError):
        drained(their_types.validate_python(wrong))


@pytest.mark.parametrize("recorded", streams("messages"))
def test_recorded_responses_go_back_as_the_sdk_sends_them_back(recorded: Recorded) -> None:
    asked = sdk_asks(recorded.body, beta=True).body, we_ask(recorded.body)  # some were recorded with tools in beta
    theirs, ours = (body["messages"][1] for body in asked)
    # citations: they name what a text stands on, for people; they are optional in what goes back, and we show none.
    # caller: as above. null: the SDK fills in fields that the server did not send.
    # A text of nothing but blanks is refused when it goes back.
    expected = []
    for block in without(theirs["content"], "caller"):
        said = {key: value for key, value in block.items() if value is not None}
        if block["type"] != "text":
            expected.append(said)
        elif block["text"].strip():
            expected.append(without(said, "citations"))
    assert ours["role"] == theirs["role"]
    assert without(ours["content"], "caller") == expected
