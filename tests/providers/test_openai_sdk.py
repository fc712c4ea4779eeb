"""What the official SDK sends for a conversation, beside what we send for the same; and its types for our requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import openai
import orjson
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter

from agent_server.conversation.messages import AssistantMessage, ModelMessage
from agent_server.providers.openai_chat import OpenAIChatFormat
from agent_server.providers.openai_responses import OpenAIResponsesFormat
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.wire import Endpoint
from tests.providers.conversations import IMAGE, LINK, READ, RESOURCE, SOUND, result, user, with_tools_and_images
from tests.providers.model_servers import Asked, ModelServer, streaming
from tests.providers.played import play

CHAT, RESPONSES = OpenAIChatFormat(), OpenAIResponsesFormat()
OPENAI = Endpoint(
    "openai", "openai-chat", "https://api.openai.com/v1", quirks=frozenset({"max-completion-tokens", "cache-key"})
)
INFO = ModelInfo("gpt-6", "GPT-6", output_tokens=9000, efforts=("low", "high"))
IMAGE_URL = "data:image/png;base64,aW1n"

CALL_DELTAS: list[dict[str, Any]] = [
    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "read", "arguments": ""}},
    {"index": 0, "function": {"arguments": '{"path":'}},
    {"index": 0, "function": {"arguments": '"a.txt"}'}},
    {"index": 1, "id": "call_2", "type": "function", "function": {"name": "read", "arguments": "{}"}},
]
DELTAS: list[dict[str, Any]] = [
    {"role": "assistant", "content": "I will"},
    {"content": " look."},
    *[{"tool_calls": [call]} for call in CALL_DELTAS],
]


def chat_answer() -> bytes:
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in DELTAS]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-6"}
    lines = [b"data: " + orjson.dumps({**chunk, "choices": [choice]}) + b"\n\n" for choice in choices]
    return b"".join(lines) + b"data: [DONE]\n\n"


OUTPUT: list[dict[str, Any]] = [
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "gAAA",
    },
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "phase": "commentary",
        "content": [{"type": "output_text", "text": "I will look.", "annotations": []}],
    },
    {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gBBB"},
    *[
        {
            "type": "function_call",
            "id": f"fc_{number}",
            "call_id": f"call_{number}",
            "name": "read",
            "arguments": arguments,
            "status": "completed",
        }
        for number, arguments in ((1, '{"path":"a.txt"}'), (2, "{}"))
    ],
]


def responses_answer() -> bytes:
    whole = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-6", "status": "completed"}
    settings = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "output": OUTPUT}
    text = {"item_id": "msg_1", "output_index": 1, "content_index": 0, "delta": "I will look.", "logprobs": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**whole, **settings, "status": "in_progress", "output": []}},
        *[{"type": "response.output_item.added", "output_index": at, "item": item} for at, item in enumerate(OUTPUT)],
        {"type": "response.output_text.delta", **text},
        *[{"type": "response.output_item.done", "output_index": at, "item": item} for at, item in enumerate(OUTPUT)],
        {"type": "response.completed", "response": {**whole, **settings}},
    ]
    lines = []
    for number, event in enumerate(events):
        data = orjson.dumps({**event, "sequence_number": number})
        lines.append(b"event: " + event["type"].encode() + b"\ndata: " + data + b"\n\n")
    return b"".join(lines)


def sdk(server: ModelServer) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0)


def history(answer: AssistantMessage) -> list[ModelMessage]:
    return [user("What is in a?"), answer, result("call_1", "text of a"), result("call_2", "no such file")]


def our_request(messages: Sequence[ModelMessage]) -> ModelRequest:
    return ModelRequest("gpt-6", messages, [READ], "Be brief.", effort="high", session_id="session_1")


def differences(ours: Any, theirs: Any, at: str = "") -> set[str]:
    """Where two values differ: + only we send it, - only the SDK does, ~ the values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = {f"+{at}.{key}" for key in ours.keys() - theirs} | {f"-{at}.{key}" for key in theirs.keys() - ours}
        return found.union(*(differences(ours[key], theirs[key], f"{at}.{key}") for key in ours.keys() & theirs))
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return set().union(*(differences(one, other, f"{at}[]") for one, other in zip(ours, theirs, strict=True)))
    return set() if ours == theirs else {f"~{at}"}


def test_a_chat_with_tools_is_sent_as_the_sdk_sends_it() -> None:
    tool: Any = {
        "type": "function",
        "function": {"name": "read", "description": "Reads a file.", "parameters": READ.parameters},
    }
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is in a?"}]
    with streaming(chat_answer(), b"data: [DONE]\n\n").running() as server, sdk(server) as client:
        with client.chat.completions.stream(model="gpt-6", messages=messages, tools=[tool]) as stream:
            answered = stream.get_final_completion().choices[0].message
        messages.append(answered.to_dict(exclude_none=True))
        messages += [
            {"role": "tool", "tool_call_id": "call_1", "content": "text of a"},
            {"role": "tool", "tool_call_id": "call_2", "content": "no such file"},
        ]
        client.chat.completions.create(
            model="gpt-6",
            messages=messages,
            tools=[tool],
            stream=True,
            stream_options={"include_usage": True},
            max_completion_tokens=9000,
            reasoning_effort="high",
            prompt_cache_key="session_1",
        ).close()
    ours = CHAT.request(our_request(history(answered_chat())), OPENAI, INFO)
    check_address(server.asked[1], ours.path, CHAT.key_headers("k", OPENAI))
    assert differences(ours.body, server.asked[1].body) == {
        # The SDK's object of a streamed call keeps where the call stood in the stream; the request has no such field.
        "-.messages[].tool_calls[].index",
    }


def answered_chat() -> AssistantMessage:
    return play(CHAT.decoder(our_request([]), OPENAI), chat_answer()).message


def test_a_response_with_thoughts_and_tools_is_sent_back_as_the_sdk_sends_it() -> None:
    tool: Any = {
        "type": "function",
        "name": "read",
        "description": "Reads a file.",
        "parameters": READ.parameters,
        "strict": False,
    }
    items: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "What is in a?"}]}]
    settings: Any = {
        "model": "gpt-6",
        "instructions": "Be brief.",
        "tools": [tool],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "high", "summary": "auto"},
        "max_output_tokens": 9000,
        "prompt_cache_key": "session_1",
    }
    with streaming(responses_answer(), b"data: [DONE]\n\n").running() as server, sdk(server) as client:
        with client.responses.stream(input=items, **settings) as stream:
            items += [item.to_dict() for item in stream.get_final_response().output]
        items += [
            {"type": "function_call_output", "call_id": "call_1", "output": "text of a"},
            {"type": "function_call_output", "call_id": "call_2", "output": "no such file"},
        ]
        client.responses.create(input=items, stream=True, **settings).close()
    ours = RESPONSES.request(our_request(history(answered_response())), OPENAI, INFO)
    check_address(server.asked[1], ours.path, RESPONSES.key_headers("k", OPENAI))
    assert differences(ours.body, server.asked[1].body) == {
        # What the server told of the state of a call; it is complete, or it would not be sent back.
        "-.input[].status",
        # Added by the SDK's objects of a streamed response for its own use.
        "-.input[].parsed_arguments",
        "-.input[].content[].parsed",
    }


def answered_response() -> AssistantMessage:
    return play(RESPONSES.decoder(our_request([]), OPENAI), responses_answer()).message


def check_address(asked: Asked, path: str, headers: dict[str, str]) -> None:
    assert asked.path == "/v1" + path
    assert {name: asked.headers[name] for name in headers} == headers


def known_to(adapter: TypeAdapter[Any], body: dict[str, Any]) -> Any:
    """What of the body these types know."""
    return consumed(adapter.validate_python(body))


def consumed(value: Any) -> Any:
    """The value with all in it validated: pydantic looks at what is in an iterable only when it is asked for it."""
    if isinstance(value, dict):
        return {key: consumed(inner) for key, inner in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else [consumed(inner) for inner in value]


CONVERSATIONS = {
    "a prompt": [user("hi")],
    "all kinds of parts": [user("See ", LINK, RESOURCE, IMAGE, SOUND)],
    "tools and images": with_tools_and_images(),
    "an answer of another model": history(answered_chat()),
}


@pytest.mark.parametrize("effort", [None, "off", "minimal", "max"])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_sdks_types_know_every_field_of_a_chat_request(name: str, effort: str | None) -> None:
    request = ModelRequest("gpt-6", CONVERSATIONS[name], [READ], "Be brief.", effort=effort, session_id="session_1")
    body = CHAT.request(request, OPENAI, INFO).body
    assert known_to(TypeAdapter(CompletionCreateParamsStreaming), body) == body


@pytest.mark.parametrize("effort", [None, "off", "minimal", "max"])
@pytest.mark.parametrize("name", [*CONVERSATIONS, "an answer of its own"])
def test_the_sdks_types_know_every_field_of_a_responses_request(name: str, effort: str | None) -> None:
    messages = CONVERSATIONS[name] if name in CONVERSATIONS else history(answered_response())
    request = ModelRequest("gpt-6", messages, [READ], "Be brief.", effort=effort, session_id="session_1")
    body = RESPONSES.request(request, OPENAI, INFO).body
    assert known_to(TypeAdapter(ResponseCreateParamsStreaming), body) == body
