"""What we send to Google Gemini is what the official SDK sends for the same conversation.

The SDK's chat reads a stream, and sends it back with results of the tools. We do the same with the same stream. Where
the two requests differ is written down here, with the reason.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, ResourcePart, TextPart
from agent_server.conversation.messages import AssistantMessage, ToolRequest, ToolResultMessage, UserMessage
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.gemini import GeminiFormat
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.wire import Endpoint
from tests.providers.cassettes import Recorded, streams
from tests.providers.model_servers import Asked, streaming
from tests.providers.played import play
from tests.providers.test_gemini_stream import call, chunk, stream, text

genai = pytest.importorskip("google.genai")
types = genai.types

MODEL = "gemini-3-pro"
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
HERE = Endpoint("gemini", "gemini", "https://api.example")
INFO = ModelInfo(MODEL, "Gemini", output_tokens=1000)

OF_OTHERS = {"args", "response", "parametersJsonSchema", "parameters_json_schema"}
"""Fields in which the names are no names of the API."""

A_TOOL_LOOP = stream(
    chunk(text("I should read both.", thought=True)),
    chunk(text("I read ")),
    chunk(text("both.", thoughtSignature="c2lnMQ==")),
    chunk(call(id="c1") | {"thoughtSignature": "c2lnMg=="}, call(args={}, id="c2")),
    chunk(call("list", args={})),
    chunk(text("", thoughtSignature="c2lnMw=="), reason="STOP", usage={"promptTokenCount": 1}),
)
ANSWER = stream(chunk(text("Done."), reason="STOP"))


def sdk_asks(body: bytes) -> Asked:
    """What the SDK sends after this response, with results for its function calls."""
    config = types.GenerateContentConfig(
        system_instruction="Be kind.",
        tools=[
            types.Tool(
                function_declarations=[
                    types.FunctionDeclaration(name="read", description="Reads.", parameters_json_schema=SCHEMA)
                ]
            )
        ],
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level="high"),
        max_output_tokens=1000,
    )
    with streaming(body, ANSWER).running() as there:
        options = types.HttpOptions(base_url=there.url)
        with genai.Client(api_key="K", http_options=options) as client:
            chat = client.chats.create(model=MODEL, config=config)
            question = [types.Part.from_text(text="What?"), types.Part.from_bytes(data=b"img", mime_type="image/png")]
            said = [
                part for one in chat.send_message_stream(question) for part in one.candidates[0].content.parts or ()
            ]
            asked = [part.function_call for part in said if part.function_call]
            results = [
                types.Part(
                    function_response=types.FunctionResponse(id=one.id, name=one.name, response={"output": "ok"})
                )
                for one in asked
            ]
            for _ in chat.send_message_stream(results or "Go on."):
                pass
        return there.asked[-1]


def we_ask(body: bytes, model: str = MODEL) -> dict[str, Any]:
    """What we send in the same place."""
    talk: list[Any] = [UserMessage((TextPart("What?"), ImagePart("aW1n", "image/png")))]
    request = ModelRequest(model, talk, tools=[ToolSpec("read", "Reads.", SCHEMA)], system="Be kind.", effort="high")
    message = play(GeminiFormat().decoder(request, HERE), body).message
    talk.append(message)
    talk += [ToolResultMessage(one.call_id, one.name, (TextPart("ok"),)) for one in message.tool_requests]
    if not message.tool_requests:
        talk.append(UserMessage((TextPart("Go on."),)))
    return GeminiFormat().request(request, HERE, INFO).body


def in_one_spelling(value: Any) -> Any:
    """The SDK spells some names of fields one way and some the other; the API takes both."""
    if isinstance(value, dict):
        return {_camel(key): inner if key in OF_OTHERS else in_one_spelling(inner) for key, inner in value.items()}
    return [in_one_spelling(inner) for inner in value] if isinstance(value, list) else value


def _plain_base64(part: dict[str, Any]) -> dict[str, Any]:
    signature = part.get("thoughtSignature")
    return part | {"thoughtSignature": signature.translate(str.maketrans("-_", "+/"))} if signature else part


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def as_we_write(body: dict[str, Any]) -> dict[str, Any]:
    """The SDK's request without what we do otherwise, for the reasons that are given here."""
    body = in_one_spelling(body)
    body["systemInstruction"].pop("role")  # the API ignores it
    contents: list[dict[str, Any]] = []
    for content in body["contents"]:
        # Thoughts without a signature mean nothing to the model; an empty text without one means nothing at all.
        parts = [part for part in content["parts"] if "thoughtSignature" in part or _is_said(part)]
        # The SDK writes signatures in the other alphabet of base64; the bytes are the same.
        parts = [_plain_base64(part) for part in parts]
        # The SDK makes a content of each chunk; a response is one content.
        if contents and contents[-1]["role"] == content["role"]:
            parts = contents.pop()["parts"] + parts
        contents.append({"role": content["role"], "parts": _joined(parts)})
    return body | {"contents": contents}


def _is_said(part: dict[str, Any]) -> bool:
    return not part.get("thought") and part.get("text") != ""


def _joined(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Texts that follow each other and are not signed are one text."""
    joined: list[dict[str, Any]] = []
    for part in parts:
        if part.keys() == {"text"} and joined and joined[-1].keys() == {"text"}:
            part = {"text": joined.pop()["text"] + part["text"]}
        joined.append(part)
    return joined


def test_after_a_tool_loop_we_send_what_the_sdk_sends() -> None:
    theirs, ours = sdk_asks(A_TOOL_LOOP), we_ask(A_TOOL_LOOP)
    assert ours == as_we_write(theirs.body)
    assert [next(iter(part)) for part in ours["contents"][1]["parts"]] == [
        "text", "text", "functionCall", "functionCall", "functionCall", "text"
    ]  # fmt: skip


def test_the_path_and_the_key_are_the_sdks() -> None:
    theirs = sdk_asks(A_TOOL_LOOP)
    # The SDK asks v1; v1beta serves models in preview too, and is what gateways and test servers offer.
    endpoint = Endpoint("gemini", "gemini", "https://x", quirks=frozenset({"v1"}))
    assert GeminiFormat().request(ModelRequest(MODEL, []), endpoint, INFO).path == theirs.path
    assert GeminiFormat().key_headers("K", HERE).items() <= theirs.headers.items()


@pytest.mark.parametrize("body", [A_TOOL_LOOP, ANSWER])
def test_what_we_send_is_of_the_sdks_types_which_forbid_other_fields(body: bytes) -> None:
    check_types(we_ask(body))


def test_everything_else_that_we_send_is_of_the_sdks_types_too() -> None:
    pdf = ResourcePart("file:///a.pdf", blob="cGRm", mime_type="application/pdf")
    talk: list[Any] = [
        UserMessage((pdf, LinkPart("file:///b", "b"), AudioPart("aQ==", "audio/wav"))),
        AssistantMessage("I try.", tool_requests=[ToolRequest("a|b", "odd name", {"x": [1, None]})]),
        ToolResultMessage("a|b", "odd name", (ImagePart("aW1n", "image/png"),), is_error=True),
    ]
    for effort, model in (("off", MODEL), ("off", "gemini-2.5-pro"), ("high", "gemini-2.5-pro"), ("minimal", MODEL)):
        request = ModelRequest(model, talk, tools=[ToolSpec("read", "", SCHEMA)], system="s", effort=effort)
        check_types(GeminiFormat().request(request, HERE, INFO).body)


def test_the_check_of_types_finds_what_is_wrong() -> None:
    with pytest.raises(ValueError):
        check_types(we_ask(ANSWER) | {"contents": [{"role": "user", "parts": [{"words": "a"}]}]})


def check_types(ours: dict[str, Any]) -> None:
    """Every part of the request is of the SDK's type for it, and there is no other."""
    for content in (*ours.pop("contents"), ours.pop("systemInstruction")):
        types.Content.model_validate(content)
    for tool in ours.pop("tools"):
        types.Tool.model_validate(tool)
    types.GenerationConfig.model_validate(ours.pop("generationConfig"))
    assert ours == {}


@pytest.mark.parametrize("recorded", streams("gemini"))
def test_recorded_responses_go_back_as_the_sdk_sends_them_back(recorded: Recorded) -> None:
    old_enough_to_want_no_signatures = "gemini-2.5-pro"
    ours = we_ask(recorded.body, old_enough_to_want_no_signatures)
    assert ours["contents"] == as_we_write(sdk_asks(recorded.body).body)["contents"]
