"""The recorded streams of OpenAI's two formats say what the official SDK makes of them, however they arrive."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent_server.providers.openai_chat import OpenAIChatFormat
from agent_server.providers.openai_responses import OpenAIResponsesFormat
from agent_server.providers.provider import ModelRequest, Usage
from agent_server.providers.wire import Decoder, Endpoint, ServerFault
from tests.providers.cassettes import Recorded, streams
from tests.providers.played import Played, play

FORMATS: dict[str, Any] = {"chat": OpenAIChatFormat(), "responses": OpenAIResponsesFormat()}
REASONS = {
    "stop": "end_turn",
    "completed": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    None: "end_turn",
}


def decoder_of(kind: str) -> Decoder:
    request = ModelRequest("a-model", [])
    decoder: Decoder = FORMATS[kind].decoder(request, Endpoint("recorded", kind, "http://127.0.0.1"))
    return decoder


@pytest.mark.parametrize("fragment_bytes", [None, 7], ids=["whole", "in fragments of 7 bytes"])
@pytest.mark.parametrize("recorded", streams("chat", "responses"))
def test_a_recorded_stream_says_what_the_official_sdk_makes_of_it(
    recorded: Recorded, fragment_bytes: int | None
) -> None:
    expected = recorded.expected
    assert expected is not None
    decoder = decoder_of(expected["kind"])
    if "error" in expected:
        with pytest.raises(ServerFault) as caught:
            play(decoder, recorded.body, fragment_bytes)
        assert f"APIError: {caught.value.body['error']['message']}" == expected["error"]
        assert caught.value.status == 400
        return
    played = play(decoder, recorded.body, fragment_bytes)
    assert played.text == expected["text"]
    assert played.thought == expected["thought"]
    calls = [(call.call_id, call.name, call.arguments, call.misread) for call in played.calls]
    assert calls == [(one["id"], one["name"], json.loads(one["args"] or "{}"), None) for one in expected["tools"]]
    assert played.stop == ("tool_use" if calls else REASONS[expected["stop"]])
    check_usage(played, expected["kind"], expected["usage"])
    check_state(played)


def check_usage(played: Played, kind: str, usage: dict[str, Any] | None) -> None:
    if usage is None:
        assert played.usage is None
        return
    read, written = ("prompt", "completion") if kind == "chat" else ("input", "output")
    of_read, of_written = usage.get(f"{read}_tokens_details") or {}, usage.get(f"{written}_tokens_details") or {}
    said = played.usage
    assert isinstance(said, Usage)
    assert said.input_tokens == usage[f"{read}_tokens"]
    assert said.output_tokens == usage[f"{written}_tokens"]
    assert said.cached_read_tokens == of_read.get("cached_tokens", 0)
    assert said.cached_write_tokens == of_read.get("cache_write_tokens", 0)
    assert said.thought_tokens == of_written.get("reasoning_tokens", 0)
    assert said.cost_usd == usage.get("cost")


def check_state(played: Played) -> None:
    """The pieces that would be sent back have all of the text, and every call."""
    if played.reasoning is not None:
        items = played.reasoning.items
        assert sum(item["chars"] for item in items if item["kind"] == "text") == len(played.text)
        assert [item["call_id"] for item in items if item["kind"] == "tool"] == [one.call_id for one in played.calls]
