"""The recorded streams of Anthropic Messages come to what the official SDK makes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent_server.providers.anthropic_stream import AnthropicDecoder
from agent_server.providers.provider import Usage
from tests.providers.cassettes import Recorded, streams
from tests.providers.played import play

STOPS = {"end_turn": "end_turn", "stop_sequence": "end_turn", "tool_use": "tool_use", "pause_turn": "pause"}


def usage_of(said: dict[str, Any]) -> Usage:
    """The SDK's three separate counts of what was read, as our one."""
    read, written = said["cache_read_input_tokens"] or 0, said["cache_creation_input_tokens"] or 0
    thoughts = (said.get("output_tokens_details") or {}).get("thinking_tokens", 0)
    return Usage(said["input_tokens"] + read + written, said["output_tokens"], read, written, thoughts)


@pytest.mark.parametrize("fragment_bytes", [None, 7])
@pytest.mark.parametrize("recorded", streams("messages"))
def test_a_recorded_stream_is_read_as_the_sdk_reads_it(recorded: Recorded, fragment_bytes: int | None) -> None:
    expected = recorded.expected
    assert expected is not None
    played = play(AnthropicDecoder("a"), recorded.body, fragment_bytes)

    assert played.text == expected["text"]
    assert played.thought == expected["thought"]
    calls = [(call.call_id, call.name, call.arguments, call.misread) for call in played.calls]
    assert calls == [(tool["id"], tool["name"], json.loads(tool["args"]), None) for tool in expected["tools"]]
    assert played.stop == STOPS[expected["stop"]]
    assert played.usage is not None
    counted = played.usage
    assert usage_of(expected["usage"]) == Usage(
        counted.input_tokens,
        counted.output_tokens,
        counted.cached_read_tokens,
        counted.cached_write_tokens,
        counted.thought_tokens,
    )
