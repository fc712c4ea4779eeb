"""What Google Gemini is asked: nothing that it refuses, and what it signed as it gave it."""

from __future__ import annotations

from typing import Any

import pytest

from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, Part, ResourcePart
from agent_server.conversation.messages import (
    AssistantMessage,
    ModelMessage,
    ToolRequest,
    ToolResultMessage,
)
from agent_server.conversation.reasoning import ReasoningState
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.gemini import GeminiFormat
from agent_server.providers.gemini_request import UNSIGNED
from agent_server.providers.gemini_stream import MADE_ID
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.wire import GO_ON, Endpoint
from tests.providers.conversations import IMAGE, asks, result, user, wire_request

HERE = Endpoint("gemini", "gemini", "https://api.example")
INFO = ModelInfo("gemini-2.5-flash", "Gemini")
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
PNG_PART = {"inlineData": {"mimeType": "image/png", "data": "aW1n"}}


def body(
    *messages: ModelMessage,
    endpoint: Endpoint = HERE,
    info: ModelInfo = INFO,
    model: str = "gemini-2.5-flash",
    **more: Any,
) -> dict[str, Any]:
    return wire_request(GeminiFormat(), ModelRequest(model, messages, **more), endpoint, info).body


def parts(*given: Part | str, **more: Any) -> list[dict[str, Any]]:
    """What the parts of a user's message are written as."""
    (content,) = body(user(*given), **more)["contents"]
    assert content["role"] == "user"
    written: list[dict[str, Any]] = content["parts"]
    return written


def call(call_id: str, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"id": call_id, "name": "read", "args": {"path": call_id}}, **more}


def response(call_id: str, **said: str) -> dict[str, Any]:
    return {"functionResponse": {"id": call_id, "name": "read", "response": said}}


def test_the_smallest_request() -> None:
    wire = GeminiFormat().request(ModelRequest("gemini-2.5-flash", [user("hi")]), HERE, INFO)
    assert wire.path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert wire.body == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]} and wire.headers == {}
    assert GeminiFormat().key_headers("K", HERE) == {"x-goog-api-key": "K"}


@pytest.mark.parametrize(
    ("quirks", "model", "path"),
    [
        ((), "models/gemini-3-pro", "/v1beta/models/gemini-3-pro"),
        (("v1beta",), "tunedModels/mine", "/v1beta/tunedModels/mine"),
        (("v1",), "gemini-3-pro", "/v1/models/gemini-3-pro"),
        ((), "odd?name=#1", "/v1beta/models/odd%3Fname%3D%231"),
    ],
)
def test_where_a_model_is(quirks: tuple[str, ...], model: str, path: str) -> None:
    endpoint = Endpoint("g", "gemini", "https://x", quirks=frozenset(quirks))
    wire = GeminiFormat().request(ModelRequest(model, [user("hi")]), endpoint, INFO)
    assert wire.path == f"{path}:streamGenerateContent?alt=sse"


# Contents


def test_a_tool_loop_alternates_and_its_results_stand_in_front() -> None:
    results = [result("b", "2"), result("a", "1", is_error=True)]
    written = body(
        user("do"), asks("a", "b", text="I look."), *results, user("go on"), asks(text="done"), user("thanks")
    )
    assert written["contents"] == [
        {"role": "user", "parts": [{"text": "do"}]},
        {"role": "model", "parts": [{"text": "I look."}, call("a"), call("b")]},
        {"role": "user", "parts": [response("a", error="1"), response("b", output="2"), {"text": "go on"}]},
        {"role": "model", "parts": [{"text": "done"}]},
        {"role": "user", "parts": [{"text": "thanks"}]},
    ]


def test_ids_that_we_made_are_not_sent() -> None:
    made = AssistantMessage(tool_requests=[ToolRequest(MADE_ID + "1", "read", {})])
    _, asked, given = body(user("do"), made, result(MADE_ID + "1", "ok"))["contents"]
    assert asked["parts"] == [{"functionCall": {"name": "read", "args": {}}}]
    assert given["parts"] == [{"functionResponse": {"name": "read", "response": {"output": "ok"}}}]


def test_a_name_that_is_refused_is_written_otherwise_on_both_sides() -> None:
    odd = AssistantMessage(tool_requests=[ToolRequest("c", "read file!", {})])
    _, asked, given = body(user("do"), odd, ToolResultMessage("c", "read file!", ()))["contents"]
    assert asked["parts"][0]["functionCall"]["name"] == "read_file_"
    assert given["parts"][0]["functionResponse"] == {"id": "c", "name": "read_file_", "response": {"output": ""}}


def test_the_user_speaks_first_and_last() -> None:
    written = body(asks(text="hello"))["contents"]
    assert [(one["role"], one["parts"]) for one in written] == [
        ("user", [{"text": GO_ON}]),
        ("model", [{"text": "hello"}]),
        ("user", [{"text": GO_ON}]),
    ]
    assert parts("") == [{"text": GO_ON}]


SIGNED: list[dict[str, Any]] = [
    {"kind": "thought", "chars": 2},
    {"kind": "thought", "chars": 1, "extra": {"thoughtSignature": "s0"}},
    {"kind": "text", "chars": 2},
    {"kind": "text", "chars": 1, "extra": {"thoughtSignature": "s1"}},
    {"kind": "tool", "call_id": "a", "extra": {"thoughtSignature": "s2"}},
    {"kind": "tool", "call_id": "b"},
    {"kind": "opaque", "extra": {"part": {"executableCode": {"code": "1"}}}},
    {"kind": "text", "chars": 0, "extra": {"thoughtSignature": "s3"}},
]


def signed(model: str) -> AssistantMessage:
    calls = [ToolRequest(one, "read", {"path": one}) for one in ("a", "b")]
    return AssistantMessage("abc", "Hm.", calls, ReasoningState(f"gemini:{model}", SIGNED))


def test_signatures_go_back_on_their_parts_to_who_gave_them_only() -> None:
    talk = user("do"), signed("gemini-2.5-flash"), result("a", "1"), result("b", "2")
    assert body(*talk)["contents"][1]["parts"] == [
        {"text": ".", "thought": True, "thoughtSignature": "s0"},
        {"text": "ab"},
        {"text": "c", "thoughtSignature": "s1"},
        call("a", thoughtSignature="s2"),
        call("b"),
        {"executableCode": {"code": "1"}},
        {"text": "", "thoughtSignature": "s3"},
    ]
    assert body(*talk, model="gemini-2.0-flash")["contents"][1]["parts"] == [{"text": "abc"}, call("a"), call("b")]


def test_calls_of_this_turn_that_nobody_signed_are_said_to_be_so_where_signatures_are_wanted() -> None:
    talk: list[ModelMessage] = [
        user("1"),
        asks("a"),
        result("a"),
        user("2"),
        asks("b", "c"),
        result("b"),
        result("c"),
        asks("d"),
        result("d"),
    ]
    calls = [one["parts"] for one in body(*talk, model="gemini-3-pro")["contents"] if one["role"] == "model"]
    assert calls == [
        [call("a")],
        [call("b", thoughtSignature=UNSIGNED), call("c")],
        [call("d", thoughtSignature=UNSIGNED)],
    ]
    calls = [one["parts"] for one in body(*talk)["contents"] if one["role"] == "model"]
    assert calls == [[call("a")], [call("b"), call("c")], [call("d")]]


def test_a_signature_that_is_there_is_not_replaced() -> None:
    model = "gemini-3-pro"
    parts_of_it = body(user("do"), signed(model), model=model)["contents"][1]["parts"]
    assert call("a", thoughtSignature="s2") in parts_of_it


# Parts


@pytest.mark.parametrize("mime_type", ["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"])
def test_images_are_sent(mime_type: str) -> None:
    data = {"inlineData": {"mimeType": mime_type, "data": "aQ=="}}
    assert parts("see", ImagePart("aQ==", mime_type)) == [{"text": "see"}, data]
    assert parts(ResourcePart("file:///a", blob="aQ==", mime_type=mime_type)) == [data]


def test_sounds_and_pdfs_are_sent() -> None:
    sound, pdf = AudioPart("aQ==", "audio/wav"), ResourcePart("file:///a", blob="cA==", mime_type="application/pdf")
    assert parts(sound, "and", pdf) == [
        {"inlineData": {"mimeType": "audio/wav", "data": "aQ=="}},
        {"text": "and"},
        {"inlineData": {"mimeType": "application/pdf", "data": "cA=="}},
    ]
    (named,) = parts(pdf, info=ModelInfo("m", "m", images=False))
    assert "application/pdf" in named["text"]


@pytest.mark.parametrize("part", [ImagePart("aQ==", "image/gif"), ImagePart("", "image/png", "https://i")])
def test_what_cannot_be_sent_is_named_in_its_place(part: ImagePart) -> None:
    (written,) = parts(part)
    assert part.mime_type in written["text"]


def test_links_and_embedded_texts_are_text() -> None:
    (written,) = parts("see ", LinkPart("file:///a.py", "a.py"), ResourcePart("file:///b.py", "print(1)"))
    assert "file:///a.py" in written["text"] and "file:///b.py" in written["text"] and "print(1)" in written["text"]


def test_images_of_results_stand_behind_all_results() -> None:
    talk = user("do"), asks("a", "b"), result("a", IMAGE), result("b", "two", IMAGE), user("?")
    assert body(*talk)["contents"][2]["parts"] == [
        response("a", output="(see below)"),
        response("b", output="two"),
        {"text": "What read gave besides text:"},
        PNG_PART,
        {"text": "What read gave besides text:"},
        PNG_PART,
        {"text": "?"},
    ]


# Settings


def test_system_prompt_tools_and_length() -> None:
    tools = [ToolSpec("read", "Reads.", SCHEMA), ToolSpec("list", "Lists.", {"type": "object"})]
    written = body(user("hi"), system="Be kind.", tools=tools, info=ModelInfo("m", "m", output_tokens=8192))
    assert written["systemInstruction"] == {"parts": [{"text": "Be kind."}]}
    assert written["tools"] == [
        {
            "functionDeclarations": [
                {"name": "read", "description": "Reads.", "parametersJsonSchema": SCHEMA},
                {"name": "list", "description": "Lists.", "parametersJsonSchema": {"type": "object"}},
            ]
        }
    ]
    assert written["generationConfig"] == {"maxOutputTokens": 8192}
    assert set(body(user("hi"), system=" ")) == {"contents"}


def thinking(effort: str | None, model: str, *efforts: str, quirks: tuple[str, ...] = ()) -> Any:
    endpoint = Endpoint("g", "gemini", "https://x", quirks=frozenset(quirks))
    written = body(
        user("hi"), effort=effort, model=model, info=ModelInfo(model, model, efforts=efforts), endpoint=endpoint
    )
    return written.get("generationConfig", {}).get("thinkingConfig")


@pytest.mark.parametrize(
    ("effort", "level"),
    [("minimal", "MINIMAL"), ("low", "LOW"), ("medium", "MEDIUM"), ("high", "HIGH"), ("max", "HIGH")],
)
def test_effort_is_a_level(effort: str, level: str) -> None:
    assert thinking(effort, "gemini-3-pro") == {"includeThoughts": True, "thinkingLevel": level}


def test_a_level_that_the_model_has_is_said_as_it_is() -> None:
    assert thinking("xhigh", "gemini-4", "low", "xhigh") == {"includeThoughts": True, "thinkingLevel": "XHIGH"}
    assert thinking("xhigh", "gemini-4") == {"includeThoughts": True, "thinkingLevel": "HIGH"}


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "models/gemini-2.5-pro-preview-05-06"])
@pytest.mark.parametrize(("effort", "budget"), [("minimal", 512), ("low", 2048), ("medium", 8192), ("high", 24_576)])
def test_older_models_are_given_a_budget(model: str, effort: str, budget: int) -> None:
    assert thinking(effort, model) == {"includeThoughts": True, "thinkingBudget": budget}


def test_an_endpoint_may_want_budgets_of_every_model() -> None:
    assert thinking("low", "mine", quirks=("budget",)) == {"includeThoughts": True, "thinkingBudget": 2048}


def test_off_is_as_little_as_the_model_can() -> None:
    assert thinking("off", "gemini-2.5-flash") == {"thinkingBudget": 0}
    assert thinking("off", "gemini-2.5-pro") == {"thinkingBudget": 128}
    assert thinking("off", "gemini-3-flash", "minimal", "low") == {"thinkingLevel": "MINIMAL"}
    assert thinking("off", "gemini-3-pro", "low", "high") == {"thinkingLevel": "LOW"}


def test_where_nobody_chose_the_thoughts_of_models_that_think_are_shown_and_nothing_else_is_said() -> None:
    assert thinking(None, "gemini-3-pro", "low", "high") == {"includeThoughts": True}
    assert thinking(None, "gemini-2.0-flash") is None
