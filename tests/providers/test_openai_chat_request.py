"""What is sent to servers that speak Chat Completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, ResourcePart
from agent_server.conversation.messages import AssistantMessage, ModelMessage, ToolRequest
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.providers.openai_chat import OpenAIChatFormat
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.turns import NOTHING_CAME_BACK
from agent_server.providers.wire import GO_ON, Endpoint
from tests.providers.conversations import (
    IMAGE,
    LINK,
    READ,
    RESOURCE,
    SOUND,
    answer,
    call,
    result,
    user,
    wire_request,
    with_tools_and_images,
)
from tests.providers.played import play

FORMAT = OpenAIChatFormat()
INFO = ModelInfo("a-model", "A model")
SHOWN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aW1n"}}


def endpoint(*quirks: str) -> Endpoint:
    return Endpoint("somewhere", "openai-chat", "http://127.0.0.1/v1", quirks=frozenset(quirks))


def body(request: ModelRequest, *quirks: str, info: ModelInfo = INFO) -> dict[str, Any]:
    wire = wire_request(FORMAT, request, endpoint(*quirks), info)
    assert wire.path == "/chat/completions"
    return wire.body


def messages(history: Sequence[ModelMessage], *quirks: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = body(ModelRequest("a-model", history), *quirks)["messages"]
    return made


def test_a_prompt_is_the_least_that_a_server_needs() -> None:
    assert body(ModelRequest("a-model", [user("hi")])) == {
        "model": "a-model",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_server_that_refuses_stream_options_gets_none() -> None:
    assert "stream_options" not in body(ModelRequest("m", [user("hi")]), "no-stream-options")


def test_the_system_prompt_is_the_first_message() -> None:
    sent = body(ModelRequest("m", [user("hi")], system="Be brief."))["messages"]
    assert sent == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]


def test_tools_are_functions() -> None:
    function = {"name": "read", "description": "Reads a file.", "parameters": READ.parameters}
    assert body(ModelRequest("m", [user("hi")], [READ]))["tools"] == [{"type": "function", "function": function}]


def test_a_schema_that_would_make_every_request_fail_is_made_laxer() -> None:
    schema = {"type": "object", "oneOf": [{"required": ["a"]}], "description": "d"}
    tool = ToolSpec("odd", "", schema)
    sent = body(ModelRequest("m", [user("hi")], [tool]))["tools"][0]["function"]["parameters"]
    assert sent == {"type": "object", "description": "d", "properties": {}}
    assert "oneOf" in schema


def test_images_sounds_links_and_resources_are_parts_of_a_prompt() -> None:
    (sent,) = messages([user("See ", LINK, " and", RESOURCE, IMAGE, SOUND, "!")])
    text = 'See [a.txt](file:///w/a.txt) and\n<resource uri="file:///w/b.txt">\ncontent of b\n</resource>\n'
    assert sent["content"] == [
        {"type": "text", "text": text},
        SHOWN,
        {"type": "input_audio", "input_audio": {"data": "c25k", "format": "wav"}},
        {"type": "text", "text": "!"},
    ]


def test_what_is_only_text_is_sent_as_text() -> None:
    link = LinkPart("file:///w/a.txt", "a.txt", title="The file")
    assert messages([user("See ", link)])[0]["content"] == "See [The file](file:///w/a.txt)"


@pytest.mark.parametrize(("mime_type", "word"), [("audio/mpeg", "mp3"), ("audio/x-wav", "wav"), ("audio/ogg", "ogg")])
def test_sounds_are_called_by_short_words(mime_type: str, word: str) -> None:
    (sent,) = messages([user(AudioPart("c25k", mime_type))])
    assert sent["content"][0]["input_audio"]["format"] == word


def test_an_image_without_bytes_is_shown_by_its_address() -> None:
    (sent,) = messages([user(ImagePart("", "image/png", "https://example.com/a.png"))])
    assert sent["content"][0]["image_url"] == {"url": "https://example.com/a.png"}


def test_an_embedded_image_is_an_image_and_another_file_is_told_of() -> None:
    image = ResourcePart("file:///w/i.png", blob="aW1n", mime_type="image/png")
    other = ResourcePart('file:///w/"z.zip', blob="AAAA", mime_type="application/zip")
    (sent,) = messages([user(image, other)])
    assert sent["content"][0] == SHOWN
    assert (
        sent["content"][1]["text"].strip() == "[A file of 3 bytes (application/zip) was here, at file:///w/%22z.zip.]"
    )


def test_a_resource_cannot_say_that_it_has_another_address() -> None:
    (sent,) = messages([user(ResourcePart('a">\n<resource uri="b', text="x"))])
    assert sent["content"].count("<resource") == 1


def test_calls_and_their_results_are_sent_back() -> None:
    sent = messages([user("go"), answer("", call("a"), call("b", "y")), result("a", "1"), result("b", "2")])
    function = {"name": "read", "arguments": '{"path":"x"}'}
    assert sent[1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": function},
            {"id": "b", "type": "function", "function": {"name": "read", "arguments": '{"path":"y"}'}},
        ],
    }
    assert sent[2:] == [
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
    ]


def test_a_call_that_nothing_came_back_from_gets_a_result_and_a_result_without_its_call_is_left_out() -> None:
    sent = messages([user("go"), answer("", call("a"), call("b")), result("b", "2"), result("c", "3"), user("?")])
    said = {one["tool_call_id"]: one["content"] for one in sent if one["role"] == "tool"}
    assert said == {"a": NOTHING_CAME_BACK, "b": "2"}


def test_a_name_that_only_another_server_takes_is_made_to_fit() -> None:
    odd = ToolRequest("a", "files.read:" + "x" * 99, {})
    sent = messages([user("go"), answer("", odd), result("a", "1")])
    assert sent[1]["tool_calls"][0]["function"]["name"] == ("files_read_" + "x" * 99)[:64]


def test_images_of_tools_are_shown_by_the_user_behind_all_the_results() -> None:
    history = [user("go"), answer("", call("a"), call("b")), result("a", IMAGE), result("b", "2")]
    sent = messages(history)
    assert [one["role"] for one in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert sent[2]["content"] == "(see below)"
    assert sent[4]["content"] == [{"type": "text", "text": "What the tools gave besides text:"}, SHOWN]


def test_images_of_tools_and_the_next_prompt_are_one_message() -> None:
    history = [user("go"), answer("", call("a")), result("a", "seen", IMAGE), user("stop")]
    sent = messages(history)
    assert [one["role"] for one in sent] == ["user", "assistant", "tool", "user"]
    assert sent[3]["content"][1:] == [SHOWN, {"type": "text", "text": "stop"}]


def test_prompts_that_nobody_answered_are_one_message_so_that_roles_take_turns() -> None:
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages([user("a"), user("b")]) == [{"role": "user", "content": texts}]


def test_an_answer_without_anything_is_not_sent() -> None:
    assert [one["role"] for one in messages([user("a"), answer("", thought="hm"), user("b")])] == ["user"]


@pytest.mark.parametrize("history", [[], [user("a"), answer("b")]])
def test_where_the_user_said_nothing_the_model_is_told_to_go_on(history: list[ModelMessage]) -> None:
    assert messages(history)[-1] == {"role": "user", "content": GO_ON}


def test_the_longest_answer_is_said_only_where_it_is_known_and_in_the_servers_word() -> None:
    request = ModelRequest("m", [user("hi")])
    known = ModelInfo("m", "m", output_tokens=500)
    fields = {"max_tokens", "max_completion_tokens"}
    assert fields.isdisjoint(body(request))
    assert {field: body(request, info=known).get(field) for field in fields} == {
        "max_tokens": 500,
        "max_completion_tokens": None,
    }
    assert body(request, info=ModelInfo("m", "m", output_tokens=500, window_tokens=600))["max_tokens"] == 300
    newer = body(request, "max-completion-tokens", info=known)
    assert (newer.get("max_tokens"), newer["max_completion_tokens"]) == (None, 500)


@pytest.mark.parametrize(
    ("effort", "quirks", "expected"),
    [
        (None, (), {}),
        ("high", (), {"reasoning_effort": "high"}),
        ("off", (), {"reasoning_effort": "none"}),
        ("high", ("openrouter-reasoning",), {"reasoning": {"effort": "high"}}),
        ("off", ("openrouter-reasoning",), {"reasoning": {"effort": "none"}}),
        (None, ("openrouter-reasoning",), {}),
        ("high", ("no-effort",), {}),
        ("off", ("no-effort", "openrouter-reasoning"), {}),
        ("off", ("thinking-switch",), {"thinking": {"type": "disabled"}}),
        ("high", ("thinking-switch",), {"reasoning_effort": "high"}),
        (None, ("thinking-switch",), {}),
    ],
)
def test_effort_is_said_as_the_server_wants_it(
    effort: str | None, quirks: tuple[str, ...], expected: dict[str, Any]
) -> None:
    sent = body(ModelRequest("m", [user("hi")], effort=effort), *quirks)
    assert {key: value for key, value in sent.items() if key.startswith(("reasoning", "thinking"))} == expected


def test_requests_of_a_session_share_a_cache_only_where_the_server_knows_that() -> None:
    request = ModelRequest("m", [user("hi")], session_id="session_1")
    assert "prompt_cache_key" not in body(request)
    assert body(request, "cache-key")["prompt_cache_key"] == "session_1"
    assert "prompt_cache_key" not in body(ModelRequest("m", [user("hi")]), "cache-key")


@pytest.mark.parametrize(
    ("quirks", "kept", "changed"),
    [
        ((), ["call_1", "functions.read:0", "x" * 40], ["x" * 41, "é", "a b"]),
        (("short-call-ids",), ["aB3dE5gH7"], ["call_1", "x" * 10]),
    ],
)
def test_ids_of_calls_are_ones_that_the_server_takes(
    quirks: tuple[str, ...], kept: list[str], changed: list[str]
) -> None:
    ids = kept + changed
    history = [user("go"), answer("", *map(call, ids)), *(result(call_id, "1") for call_id in ids)]
    sent = messages(history, *quirks)
    asked = [one["id"] for one in sent[1]["tool_calls"]]
    assert asked == [one["tool_call_id"] for one in sent[2:]]
    assert asked[: len(kept)] == kept and set(asked[len(kept) :]).isdisjoint(changed)
    assert all(len(one) == 9 for one in asked[len(kept) :]) and len(set(asked)) == len(ids)


def test_the_key_is_a_bearer_token() -> None:
    assert FORMAT.key_headers("k", endpoint()) == {"authorization": "Bearer k"}


def responded(stream: Sequence[dict[str, Any]], *quirks: str, model: str = "a-model") -> AssistantMessage:
    """What is kept of a response to this very model."""
    decoder = FORMAT.decoder(ModelRequest(model, []), endpoint(*quirks))
    lines = [b"data: " + orjson.dumps({"choices": [{"delta": one}]}) + b"\n\n" for one in stream]
    return play(decoder, b"".join(lines) + b"data: [DONE]\n\n").message


CALLED = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "read", "arguments": '{"path":"x"}'}}]}


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_thoughts_of_turns_with_calls_go_back_where_they_are_wanted(field: str) -> None:
    stream: list[dict[str, Any]] = [{field: "h"}, {field: "m"}, CALLED]
    wanted = responded(stream, "send-reasoning")
    last = responded([{field: "so"}, {"content": "done"}], "send-reasoning")
    sent = messages([user("go"), wanted, result("a", "1"), last, user("more"), last, user("?")], "send-reasoning")
    assert sent[1][field] == "hm" and sent[3][field] == "so"
    assert sent[5] == {"role": "assistant", "content": "done"}
    assert field not in messages([user("go"), responded(stream), result("a", "1")])[1]


def test_thoughts_that_are_not_known_are_blank_where_they_are_wanted() -> None:
    sent = messages([user("go"), answer("", call("a")), result("a", "1")], "send-reasoning")
    assert sent[1]["reasoning_content"] == " "


def test_thoughts_of_another_model_are_never_sent() -> None:
    other = responded([{"reasoning_content": "hm"}, CALLED], "send-reasoning", model="another")
    sent = messages([user("go"), other, result("a", "1")], "send-reasoning")
    assert sent[1]["reasoning_content"] == " "


def test_reasoning_details_go_back_as_they_came_put_together() -> None:
    stream: list[dict[str, Any]] = [
        {"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0, "format": None}]},
        {"reasoning": "m", "reasoning_details": [{"type": "reasoning.text", "text": "m", "index": 0, "format": "f"}]},
        {"reasoning_details": [{"type": "reasoning.text", "signature": "sig", "index": 0}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "AA", "id": "1", "index": 1}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "BB", "id": "2", "index": 1}]},
        {"content": "a", "reasoning_details": []},
        CALLED,
    ]
    message = responded(stream)
    assert (message.text, message.thought) == ("a", "hm")
    sent = messages([user("go"), message, result("a", "1")])
    assert sent[1]["content"] == "a" and sent[1]["tool_calls"][0]["id"] == "a"
    assert sent[1]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "hm", "index": 0, "format": "f", "signature": "sig"},
        {"type": "reasoning.encrypted", "data": "AA", "id": "1", "index": 1},
        {"type": "reasoning.encrypted", "data": "BB", "id": "2", "index": 1},
    ]
    other = responded(stream, model="another")
    assert "reasoning_details" not in messages([user("go"), other, result("a", "1")])[1]


def test_roles_take_turns_around_an_answer_of_thoughts_alone() -> None:
    hidden = [{"type": "reasoning.encrypted", "data": "AA", "index": 0}]
    sent = messages([user("go"), responded([{"reasoning_details": hidden}]), user("?")])
    assert sent[1] == {"role": "assistant", "content": "(no answer)", "reasoning_details": hidden}
    assert [one["role"] for one in sent] == ["user", "assistant", "user"]


def test_reasoning_details_that_nobody_could_read_go_back_too() -> None:
    hidden = [{"type": "reasoning.encrypted", "data": "AA", "index": 0}]
    message = responded([{"reasoning_details": hidden}, {"content": "a"}])
    assert messages([user("go"), message, user("?")])[1] == {
        "role": "assistant",
        "content": "a",
        "reasoning_details": hidden,
    }


def test_a_history_is_written_the_same_each_time_and_left_as_it_is() -> None:
    history = with_tools_and_images()
    before = repr(history)
    assert messages(history) == messages(history) and repr(history) == before
    assert [one["role"] for one in messages(history)] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "user",
        "assistant",
        "user",
    ]
