"""What Anthropic Messages is asked: nothing that it refuses, and as much as possible from its cache."""

from __future__ import annotations

import copy
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
from agent_server.providers.anthropic import AnthropicFormat
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.wire import GO_ON, Endpoint
from tests.providers.conversations import IMAGE, READ, asks, result, user, wire_request

HERE = Endpoint("anthropic", "anthropic", "https://api.example")
INFO = ModelInfo("claude-opus-5", "Claude", output_tokens=32_000, window_tokens=200_000, efforts=("low", "high"))
CACHED = {"type": "ephemeral"}


def body(
    *messages: ModelMessage,
    endpoint: Endpoint = HERE,
    info: ModelInfo = INFO,
    model: str = "claude-opus-5",
    **more: Any,
) -> dict[str, Any]:
    return wire_request(AnthropicFormat(), ModelRequest(model, messages, **more), endpoint, info).body


def plain(written: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages without their cache marks."""
    messages: list[dict[str, Any]] = copy.deepcopy(written["messages"])
    for message in messages:
        for block in message["content"]:
            block.pop("cache_control", None)
    return messages


def blocks(*parts: Part | str, **more: Any) -> list[dict[str, Any]]:
    """What the parts of a user's message are written as."""
    (message,) = plain(body(user(*parts), **more))
    assert message["role"] == "user"
    content: list[dict[str, Any]] = message["content"]
    return content


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def test_the_smallest_request() -> None:
    wire = AnthropicFormat().request(ModelRequest("claude-opus-5", [user("hi")]), HERE, INFO)
    assert (wire.path, wire.headers) == ("/v1/messages", {"anthropic-version": "2023-06-01"})
    assert wire.body == {
        "model": "claude-opus-5",
        "max_tokens": 32_000,
        "stream": True,
        "messages": [{"role": "user", "content": [{**text("hi"), "cache_control": CACHED}]}],
    }


def test_the_version_is_the_endpoints_where_it_names_one() -> None:
    endpoint = Endpoint("a", "anthropic", "https://x", headers={"Anthropic-Version": "2026-10-21", "x-mine": "1"})
    wire = AnthropicFormat().request(ModelRequest("m", [user("hi")]), endpoint, INFO)
    assert wire.headers == {"anthropic-version": "2026-10-21"}


def test_the_key_goes_where_the_server_looks_for_it() -> None:
    bearer = Endpoint("a", "anthropic", "https://x", quirks=frozenset({"bearer"}))
    assert AnthropicFormat().key_headers("K", HERE) == {"x-api-key": "K"}
    assert AnthropicFormat().key_headers("K", bearer) == {"authorization": "Bearer K"}


# Messages


def test_a_tool_loop_alternates_and_its_results_stand_in_front() -> None:
    results = [result("a", "1"), result("b", "2")]
    written = body(
        user("do"), asks("a", "b", text="I look."), *results, user("go on"), asks(text="done"), user("thanks")
    )
    assert plain(written) == [
        {"role": "user", "content": [text("do")]},
        {
            "role": "assistant",
            "content": [
                text("I look."),
                {"type": "tool_use", "id": "a", "name": "read", "input": {"path": "a"}},
                {"type": "tool_use", "id": "b", "name": "read", "input": {"path": "b"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [text("1")]},
                {"type": "tool_result", "tool_use_id": "b", "content": [text("2")]},
                text("go on"),
            ],
        },
        {"role": "assistant", "content": [text("done")]},
        {"role": "user", "content": [text("thanks")]},
    ]


def test_texts_without_anything_in_them_are_left_out() -> None:
    assert blocks("", "hi", IMAGE, " \n") == [text("hi"), _image("image/png", "aW1n")]
    assert blocks(" ") == [text(GO_ON)]
    assert "system" not in body(user("hi"), system=" \n")


def test_ids_and_names_that_are_refused_are_written_otherwise_on_both_sides() -> None:
    odd = AssistantMessage(tool_requests=[ToolRequest("call|1", "functions.read", {})])
    written = plain(body(user("do"), odd, ToolResultMessage("call|1", "functions.read", ())))
    (call,), (given,) = written[1]["content"], written[2]["content"]
    assert call["name"] == "functions_read"
    assert call["id"] == given["tool_use_id"] != "call|1" and call["id"].isalnum()


def test_signed_thoughts_go_back_in_their_places_to_who_gave_them_only() -> None:
    items: list[dict[str, Any]] = [
        {"kind": "thought", "chars": 3, "extra": {"signature": "s1"}},
        {"kind": "opaque", "extra": {"block": {"type": "redacted_thinking", "data": "x"}}},
        {"kind": "text", "chars": 2},
        {"kind": "thought", "chars": 0, "extra": {"signature": ""}},
        {"kind": "tool", "call_id": "a", "extra": {"caller": {"type": "code", "tool_id": "t"}}},
    ]
    state = ReasoningState("anthropic:claude-opus-5", items)
    message = AssistantMessage("ok", "Hm.", [ToolRequest("a", "read", {})], state)
    call = {"type": "tool_use", "id": "a", "name": "read", "input": {}}
    assert plain(body(user("do"), message, result("a")))[1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "s1"},
        {"type": "redacted_thinking", "data": "x"},
        text("ok"),
        {"type": "thinking", "thinking": "", "signature": ""},
        {**call, "caller": {"type": "code", "tool_id": "t"}},
    ]
    assert plain(body(user("do"), message, result("a"), model="claude-haiku-5"))[1]["content"] == [text("ok"), call]


def test_what_the_server_paused_is_sent_back_as_it_was() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    state = ReasoningState("anthropic:claude-opus-5", [{"kind": "opaque", "extra": {"block": search}}])
    written = plain(body(user("do"), AssistantMessage(reasoning=state)))
    assert written[-1] == {"role": "assistant", "content": [search]}


# Parts


def _image(media_type: str, data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


@pytest.mark.parametrize("mime_type", ["image/png", "image/jpeg", "image/gif", "image/webp"])
def test_images_are_sent(mime_type: str) -> None:
    assert blocks("see", ImagePart("aQ==", mime_type)) == [text("see"), _image(mime_type, "aQ==")]
    assert blocks(ResourcePart("file:///a", blob="aQ==", mime_type=mime_type)) == [_image(mime_type, "aQ==")]


def test_a_common_misspelling_of_a_type_is_put_right() -> None:
    assert blocks(ImagePart("aQ==", "image/jpg")) == [_image("image/jpeg", "aQ==")]


@pytest.mark.parametrize(
    "part",
    [ImagePart("aQ==", "image/svg+xml"), AudioPart("aQ==", "audio/wav"), ImagePart("", "image/png", "https://i")],
)
def test_what_cannot_be_sent_is_named_in_its_place(part: Part) -> None:
    (block,) = blocks(part)
    assert block["type"] == "text" and part.mime_type in block["text"]  # type: ignore[union-attr]


def test_links_and_embedded_texts_are_text() -> None:
    (block,) = blocks("see ", LinkPart("file:///a.py", "a.py"), " and ", ResourcePart("file:///b.py", "print(1)"))
    assert block["type"] == "text"
    assert "file:///a.py" in block["text"] and "file:///b.py" in block["text"] and "print(1)" in block["text"]


def test_a_pdf_is_a_document_except_for_local_servers_and_models_without_eyes() -> None:
    pdf = ResourcePart("file:///a.pdf", blob="cGRm", mime_type="application/pdf")
    source = {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}
    document = {"type": "document", "source": source, "title": "file:///a.pdf"}
    assert blocks("read", pdf, "now") == [text("read"), document, text("now")]
    local = Endpoint("ollama", "anthropic", "http://localhost", local=True)
    assert {block["type"] for block in blocks(pdf, endpoint=local)} == {"text"}
    assert {block["type"] for block in blocks(pdf, info=ModelInfo("m", "m", images=False))} == {"text"}


def test_images_may_stand_in_results_but_not_in_errors() -> None:
    written = plain(body(user("do"), asks("a", "b"), result("a", IMAGE), result("b", IMAGE, is_error=True)))
    shown, failed = written[2]["content"]
    assert shown == {"type": "tool_result", "tool_use_id": "a", "content": [_image("image/png", "aW1n")]}
    assert failed["is_error"] is True and [block["type"] for block in failed["content"]] == ["text"]


def test_an_empty_result_has_no_content_and_an_empty_error_says_that_it_is_one() -> None:
    written = plain(body(user("do"), asks("a", "b"), result("a", ""), result("b", is_error=True)))
    shown, failed = written[2]["content"]
    assert shown == {"type": "tool_result", "tool_use_id": "a"}
    assert failed["content"][0]["text"]


# Tools


def test_tools_are_declared_with_their_schemas() -> None:
    written = body(user("hi"), tools=[READ])
    declared = {"name": "read", "description": READ.description, "input_schema": READ.parameters}
    assert written["tools"] == [{**declared, "cache_control": CACHED}] and "tool_choice" not in written


def test_a_schema_that_is_refused_at_its_top_is_made_laxer() -> None:
    odd = ToolSpec("odd", "", {**READ.parameters, "anyOf": [{"required": ["path"]}]})
    assert body(user("hi"), tools=[odd])["tools"][0]["input_schema"] == READ.parameters


def test_tools_of_the_past_are_declared_but_not_offered_where_none_are_now() -> None:
    written = body(user("do"), asks("a"), result("a"), asks("b"), result("b"))
    assert [tool["name"] for tool in written["tools"]] == ["read"]
    assert written["tools"][0]["input_schema"] == {"type": "object"}
    assert written["tool_choice"] == {"type": "none"}
    assert "tools" not in body(user("hi"))


# Length and reasoning


@pytest.mark.parametrize(
    ("output", "window", "limit"),
    [(32_000, 200_000, 32_000), (None, None, 16_384), (None, 8192, 4096), (8192, 8192, 4096), (64_000, None, 64_000)],
)
def test_how_long_the_answer_may_be(output: int | None, window: int | None, limit: int) -> None:
    info = ModelInfo("m", "m", output_tokens=output, window_tokens=window)
    assert body(user("hi"), info=info)["max_tokens"] == limit


@pytest.mark.parametrize(
    ("effort", "level"), [("low", "low"), ("high", "high"), ("max", "max"), ("xhigh", "xhigh"), ("minimal", "low")]
)
def test_effort_is_said_and_thoughts_are_shown(effort: str, level: str) -> None:
    written = body(user("hi"), effort=effort)
    assert written["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert written["output_config"] == {"effort": level}


def test_nothing_is_said_of_effort_where_nobody_chose_and_off_is_off() -> None:
    assert {"thinking", "output_config"}.isdisjoint(body(user("hi")))
    off = body(user("hi"), effort="off")
    assert off["thinking"] == {"type": "disabled"} and "output_config" not in off


BY_BUDGET = [
    "claude-3-7-sonnet-20250219",
    "claude-sonnet-4-20250514",
    "claude-opus-4-1",
    "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5",
    "anthropic/claude-opus-4.5",
]


@pytest.mark.parametrize("model", BY_BUDGET)
def test_older_models_are_given_a_budget(model: str) -> None:
    written = body(user("hi"), model=model, effort="low")
    assert written["thinking"] == {"type": "enabled", "budget_tokens": 4096} and "output_config" not in written


@pytest.mark.parametrize(
    "model", ["claude-opus-4-6", "claude-sonnet-4-6-20260217", "claude-sonnet-5", "claude-opus-4-10"]
)
def test_newer_models_are_not(model: str) -> None:
    assert body(user("hi"), model=model, effort="low")["thinking"]["type"] == "adaptive"


def test_a_budget_leaves_half_of_the_answer_and_is_never_too_small() -> None:
    old = Endpoint("lm", "anthropic", "http://x", quirks=frozenset({"budget"}))
    budgets = [
        body(user("hi"), endpoint=old, effort=effort, info=ModelInfo("m", "m", output_tokens=limit)).get("thinking")
        for effort, limit in (("max", 20_000), ("a word of tomorrow", 64_000), ("minimal", 64_000), ("low", 2000))
    ]
    assert [budget and budget["budget_tokens"] for budget in budgets] == [10_000, 12_288, 1024, None]


def test_no_budget_is_given_behind_calls_that_were_asked_for_without_thinking() -> None:
    old = "claude-sonnet-4-5"
    signed: list[dict[str, Any]] = [
        {"kind": "thought", "chars": 1, "extra": {"signature": "s"}},
        {"kind": "tool", "call_id": "a"},
    ]
    state = ReasoningState(f"anthropic:{old}", signed)
    thought = AssistantMessage("", "x", [ToolRequest("a", "read", {})], state)
    assert "thinking" not in body(user("do"), asks("a"), result("a"), model=old, effort="low")
    assert "thinking" in body(user("do"), thought, result("a"), model=old, effort="low")
    assert "thinking" in body(user("do"), asks("a"), result("a"), asks(text="ok"), user("?"), model=old, effort="low")


def test_no_sampling_is_asked_for() -> None:
    written = body(user("hi"), system="s", tools=[READ], effort="high")
    assert set(written) == {
        "model", "max_tokens", "stream", "messages", "system", "tools", "thinking", "output_config"
    }  # fmt: skip


# The cache


def marks(written: dict[str, Any]) -> list[str]:
    """Where the marks are."""
    found = [f"tool {tool['name']}" for tool in written.get("tools", ()) if "cache_control" in tool]
    found += [f"system {block['text']}" for block in written.get("system", ()) if "cache_control" in block]
    for at, message in enumerate(written["messages"]):
        found += [f"{at}.{n}" for n, block in enumerate(message["content"]) if "cache_control" in block]
    return found


def test_four_places_are_marked_for_the_cache() -> None:
    talk: list[ModelMessage] = [
        user("1"),
        asks(text="2"),
        user("3"),
        asks("a", "b"),
        result("a", "4"),
        result("b", "5"),
    ]
    written = body(*talk, system="Be kind.", tools=[READ, ToolSpec("write", "", READ.parameters)])
    assert marks(written) == ["tool write", "system Be kind.", "2.0", "4.1"]
    assert written["system"] == [{**text("Be kind."), "cache_control": CACHED}]


def test_the_next_request_begins_as_the_former_one_did() -> None:
    talk: list[ModelMessage] = [user("1"), asks("a"), result("a", IMAGE), asks(text="2"), user("3")]
    earlier = plain(body(*talk[:3], tools=[READ]))
    later = plain(body(*talk, tools=[READ]))
    assert later[:3] == earlier
