"""What is sent to servers that speak Responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from agent_server.conversation.messages import AssistantMessage, ModelMessage, ToolRequest
from agent_server.providers.openai_responses import OpenAIResponsesFormat
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

FORMAT = OpenAIResponsesFormat()
INFO = ModelInfo("a-model", "A model")
REASONS = ModelInfo("a-model", "A model", efforts=("low", "high"))
SHOWN = {"type": "input_image", "image_url": "data:image/png;base64,aW1n", "detail": "auto"}


def endpoint(*quirks: str) -> Endpoint:
    return Endpoint("somewhere", "openai-responses", "http://127.0.0.1/v1", quirks=frozenset(quirks))


def body(request: ModelRequest, *quirks: str, info: ModelInfo = INFO) -> dict[str, Any]:
    wire = wire_request(FORMAT, request, endpoint(*quirks), info)
    assert wire.path == "/responses"
    return wire.body


def items(history: Sequence[ModelMessage], *quirks: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = body(ModelRequest("a-model", history), *quirks)["input"]
    return made


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}]}


def test_a_prompt_is_the_least_that_a_server_needs_and_nothing_is_kept_there() -> None:
    assert body(ModelRequest("a-model", [user("hi")])) == {
        "model": "a-model",
        "input": [said("hi")],
        "stream": True,
        "store": False,
    }


def test_the_system_prompt_is_the_instructions() -> None:
    assert body(ModelRequest("m", [user("hi")], system="Be brief."))["instructions"] == "Be brief."


def test_tools_are_functions_that_are_not_strict() -> None:
    assert body(ModelRequest("m", [user("hi")], [READ]))["tools"] == [
        {
            "type": "function",
            "name": "read",
            "description": "Reads a file.",
            "parameters": READ.parameters,
            "strict": False,
        }
    ]


def test_images_links_and_resources_are_parts_of_a_prompt_and_a_sound_is_told_of() -> None:
    (sent,) = items([user("See ", LINK, RESOURCE, IMAGE, SOUND)])
    text = 'See [a.txt](file:///w/a.txt)\n<resource uri="file:///w/b.txt">\ncontent of b\n</resource>\n'
    assert sent["content"][:2] == [{"type": "input_text", "text": text}, SHOWN]
    assert "audio" in sent["content"][2]["text"]


def test_calls_and_their_results_are_sent_back() -> None:
    sent = items([user("go"), answer("Yes.", call("a")), result("a", "1")])
    assert sent[1] == {
        "type": "message",
        "role": "assistant",
        "id": "msg_1",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Yes.", "annotations": []}],
    }
    assert sent[2] == {"type": "function_call", "call_id": "a", "name": "read", "arguments": '{"path":"x"}'}
    assert sent[3] == {"type": "function_call_output", "call_id": "a", "output": "1"}


def test_a_call_that_nothing_came_back_from_gets_a_result_and_a_result_without_its_call_is_left_out() -> None:
    sent = items([user("go"), answer("", call("a"), call("b")), result("b", "2"), result("c", "3"), user("?")])
    said = {one["call_id"]: one["output"] for one in sent if one.get("type") == "function_call_output"}
    assert said == {"a": NOTHING_CAME_BACK, "b": "2"}


def test_a_name_that_only_another_server_takes_is_made_to_fit() -> None:
    sent = items([user("go"), answer("", ToolRequest("a", "files.read", {})), result("a", "1")])
    assert sent[1]["name"] == "files_read"


def test_images_of_tools_are_part_of_their_results() -> None:
    sent = items([user("go"), answer("", call("a")), result("a", "seen", IMAGE)])
    assert sent[2]["output"] == [{"type": "input_text", "text": "seen"}, SHOWN]


def test_images_of_tools_are_shown_by_the_user_where_results_are_only_text() -> None:
    history = [user("go"), answer("", call("a"), call("b")), result("a", IMAGE), result("b", "2"), user("?")]
    sent = items(history, "text-tool-results")
    assert [one.get("output") for one in sent[3:5]] == ["(see below)", "2"]
    assert sent[5]["content"] == [{"type": "input_text", "text": "What the tools gave besides text:"}, SHOWN]
    assert sent[6] == said("?")


@pytest.mark.parametrize("history", [[], [user("a"), answer("b")]])
def test_where_the_user_said_nothing_the_model_is_told_to_go_on(history: list[ModelMessage]) -> None:
    assert items(history)[-1] == said(GO_ON)


def test_the_longest_answer_is_said_only_where_it_is_known() -> None:
    request = ModelRequest("m", [user("hi")])
    assert body(request, info=ModelInfo("m", "m", output_tokens=500))["max_output_tokens"] == 500


ENCRYPTED = {"include": ["reasoning.encrypted_content"]}


@pytest.mark.parametrize(
    ("effort", "quirks", "info", "expected"),
    [
        (None, (), INFO, {}),
        (None, (), REASONS, ENCRYPTED),
        ("high", (), INFO, {**ENCRYPTED, "reasoning": {"effort": "high", "summary": "auto"}}),
        ("high", ("no-summary",), REASONS, {**ENCRYPTED, "reasoning": {"effort": "high"}}),
        ("high", ("no-effort",), REASONS, ENCRYPTED),
        ("off", (), REASONS, {"reasoning": {"effort": "none"}}),
        ("off", ("no-effort",), REASONS, {}),
    ],
)
def test_effort_and_what_is_to_come_back_of_the_thoughts_are_said(
    effort: str | None, quirks: tuple[str, ...], info: ModelInfo, expected: dict[str, Any]
) -> None:
    sent = body(ModelRequest("m", [user("hi")], effort=effort), *quirks, info=info)
    assert {key: sent[key] for key in ("include", "reasoning") if key in sent} == expected


def test_requests_of_a_session_share_a_cache() -> None:
    assert body(ModelRequest("m", [user("hi")], session_id="session_1"))["prompt_cache_key"] == "session_1"
    assert len(body(ModelRequest("m", [user("hi")], session_id="s" * 99))["prompt_cache_key"]) == 64


def test_ids_of_calls_are_ones_that_the_server_takes() -> None:
    ids = ["call_1", "x" * 64, "x" * 65]
    history = [user("go"), answer("", *map(call, ids)), *(result(call_id, "1") for call_id in ids)]
    sent = items(history)
    assert [one["call_id"] for one in sent[1:4]] == [one["call_id"] for one in sent[4:]]
    assert [one["call_id"] for one in sent[1:3]] == ids[:2] and len(sent[3]["call_id"]) == 9


def test_the_key_is_a_bearer_token() -> None:
    assert FORMAT.key_headers("k", endpoint()) == {"authorization": "Bearer k"}


def thought(item_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "reasoning", "id": item_id, "summary": [{"type": "summary_text", "text": "hm"}], **fields}


def message(item_id: str, text: str, **fields: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "id": item_id, "status": "completed", "content": content, **fields}


def function(item_id: str, call_id: str) -> dict[str, Any]:
    arguments = '{"path":"x"}'
    return {"type": "function_call", "id": item_id, "call_id": call_id, "name": "read", "arguments": arguments}


def responded(*output: dict[str, Any], model: str = "a-model", status: str = "completed") -> AssistantMessage:
    """What is kept of a response with these items."""
    lines = []
    streamed = {"message": ("output_text", "content"), "reasoning": ("reasoning_summary_text", "summary")}
    for index, item in enumerate(output):
        kind, field = streamed.get(item["type"], ("", ""))
        for part in item.get(field) or ():
            where = {"output_index": index, "item_id": item["id"]}
            lines.append({"type": f"response.{kind}.delta", **where, "delta": part["text"]})
        lines.append({"type": "response.output_item.done", "output_index": index, "item": item})
    lines.append({"type": f"response.{status}", "response": {"status": status, "output": list(output)}})
    stream = b"".join(b"data: " + orjson.dumps(line) + b"\n\n" for line in lines)
    return play(FORMAT.decoder(ModelRequest(model, []), endpoint()), stream).message


def test_thoughts_go_back_unchanged_each_followed_by_its_own_item() -> None:
    output = [
        thought("rs_1", encrypted_content="AAA"),
        message("msg_7", "I will look.", phase="commentary"),
        thought("rs_2", encrypted_content="BBB", summary=[]),
        function("fc_1", "a"),
        function("fc_2", "b"),
    ]
    sent = items([user("go"), responded(*output), result("a", "1"), result("b", "2")])
    assert sent[1:6] == output


def test_thoughts_that_nothing_followed_do_not_go_back() -> None:
    cut = responded(thought("rs_1", encrypted_content="AAA"), status="incomplete")
    assert items([user("go"), cut, user("?")]) == [said("go"), said("?")]
    trailing = responded(message("msg_7", "a"), thought("rs_1", encrypted_content="AAA"), status="incomplete")
    assert [one.get("type") for one in items([user("go"), trailing, user("?")])] == [None, "message", None]


def test_thoughts_that_the_server_could_not_read_again_do_not_go_back_nor_the_ids_of_what_they_led_to() -> None:
    sent = items([user("go"), responded(thought("rs_1"), message("msg_7", "a"), function("fc_1", "a")), result("a")])
    assert [one.get("type") for one in sent] == [None, "message", "function_call", "function_call_output"]
    assert sent[1]["id"] == "msg_1" and "id" not in sent[2]


def test_thoughts_in_clear_go_back() -> None:
    clear = thought("rs_1", content=[{"type": "reasoning_text", "text": "hm"}], summary=[], status="completed")
    assert items([user("go"), responded(clear, message("msg_7", "a")), user("?")])[1] == clear


def test_the_phase_of_a_message_goes_back_without_thoughts_too() -> None:
    sent = items([user("go"), responded(message("msg_7", "a", phase="final_answer")), user("?")])
    assert sent[1]["phase"] == "final_answer"


def test_thoughts_of_another_model_are_never_sent() -> None:
    output = [thought("rs_1", encrypted_content="AAA"), message("msg_7", "a"), function("fc_1", "a")]
    sent = items([user("go"), responded(*output, model="another"), result("a", "1")])
    assert [one.get("type") for one in sent] == [None, "message", "function_call", "function_call_output"]
    assert sent[1]["id"] == "msg_1" and "id" not in sent[2]


def test_a_history_is_written_the_same_each_time_and_left_as_it_is() -> None:
    history = [*with_tools_and_images(), responded(thought("rs_1", encrypted_content="A"), message("msg_7", "a"))]
    before = repr(history), repr(history[-1].reasoning)  # type: ignore[union-attr]
    assert items(history) == items(history)
    assert before == (repr(history), repr(history[-1].reasoning))  # type: ignore[union-attr]
