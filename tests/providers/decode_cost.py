"""What reading one delta of text costs here, and in the official SDK: ``python -m tests.providers.decode_cost``.

Both read the same bytes from memory, in pieces as large as a packet; each figure is the best of several runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent

from agent_server.providers.openai_chat import OpenAIChatFormat
from agent_server.providers.openai_responses import OpenAIResponsesFormat
from agent_server.providers.provider import ModelRequest
from agent_server.providers.sse import EventDecoder
from agent_server.providers.wire import Endpoint, WireFormat

PACKET_BYTES = 1400
EVENTS = 4000
RUNS = 7

CHAT = (
    b'data: {"id":"chatcmpl-9x8y7z6w5v4u3t2s1r0q","object":"chat.completion.chunk","created":1786479604,'
    b'"model":"gpt-5.5-2026-04-01","service_tier":"default","system_fingerprint":"fp_c82faf3ca0","choices":[{"index":0,'
    b'"delta":{"content":" hello there"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"abcd"}\n\n'
)
RESPONSES = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":12,"item_id":'
    b'"msg_00e767404995b9950068e64813","output_index":1,"content_index":0,"delta":" hello there","logprobs":[],'
    b'"obfuscation":"abcdefghij"}\n\n'
)


def packets(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), PACKET_BYTES):
        yield body[start : start + PACKET_BYTES]


def ours(wire: WireFormat, body: bytes) -> int:
    decoder = wire.decoder(ModelRequest("m", []), Endpoint("e", "f", "http://127.0.0.1"))
    cutter = EventDecoder()
    return sum(len(decoder.event(*event)) for packet in packets(body) for event in cutter.feed(packet))


def theirs(cast_to: Any, client: openai.OpenAI, body: bytes) -> int:
    request = httpx2.Request("POST", "http://127.0.0.1")
    headers = {"content-type": "text/event-stream"}
    response = httpx2.Response(200, headers=headers, content=packets(body), request=request)
    stream: openai.Stream[Any] = openai.Stream(cast_to=cast_to, response=response, client=client)
    return sum(1 for _ in stream)


def cost_us(read: Callable[[], int]) -> float:
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        events = read()
        best = min(best, time.perf_counter() - start)
        assert events == EVENTS, f"{events} events were read, not {EVENTS}"
    return best / EVENTS * 1e6


def main() -> None:
    client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9/v1")
    rows: list[tuple[str, bytes, WireFormat, Any]] = [
        ("Chat Completions", CHAT * EVENTS, OpenAIChatFormat(), ChatCompletionChunk),
        ("Responses", RESPONSES * EVENTS, OpenAIResponsesFormat(), ResponseStreamEvent),
    ]
    for name, body, wire, cast_to in rows:
        here = cost_us(lambda wire=wire, body=body: ours(wire, body))  # type: ignore[misc]
        there = cost_us(lambda cast_to=cast_to, body=body: theirs(cast_to, client, body))  # type: ignore[misc]
        print(f"{name:17} {here:5.1f} us here, {there:6.1f} us in the SDK: {there / here:.0f} times less")


if __name__ == "__main__":
    main()
