"""The recorded streams of Google Gemini come to what the official SDK makes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent_server.providers.gemini_stream import MADE_ID, GeminiDecoder
from agent_server.providers.provider import UsageSoFar
from tests.providers.cassettes import Recorded, streams
from tests.providers.played import play


def usage_of(said: dict[str, Any]) -> UsageSoFar:
    """The SDK's counts, as ours; the parts are all that the server's own sum holds."""
    thoughts = said.get("thoughts_token_count", 0)
    read = said["prompt_token_count"] + said.get("tool_use_prompt_token_count", 0)
    written = said.get("candidates_token_count", 0) + thoughts
    assert read + written == said["total_token_count"]
    return UsageSoFar(read, written, said.get("cached_content_token_count", 0), 0, thoughts)


@pytest.mark.parametrize("fragment_bytes", [None, 7])
@pytest.mark.parametrize("recorded", streams("gemini"))
def test_a_recorded_stream_is_read_as_the_sdk_reads_it(recorded: Recorded, fragment_bytes: int | None) -> None:
    expected = recorded.expected
    assert expected is not None
    played = play(GeminiDecoder("g", "seed"), recorded.body, fragment_bytes)

    assert played.text == expected["text"]
    assert played.thought == expected["thought"]
    calls = [(call.name, call.arguments, call.misread) for call in played.calls]
    assert calls == [(tool["name"], json.loads(tool["args"]), None) for tool in expected["tools"]]
    for call, tool in zip(played.calls, expected["tools"], strict=True):
        assert call.call_id == tool["id"] or (tool["id"] is None and call.call_id.startswith(MADE_ID))
    assert expected["stop"] == "STOP"
    assert played.stop == ("tool_use" if expected["tools"] else "end_turn")
    assert played.usage == usage_of(expected["usage"])
