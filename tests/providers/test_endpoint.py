"""A provider of one endpoint: what it sends, when it sends again, and how it lets go."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

import pytest

from agent_server.conversation.content import TextPart
from agent_server.conversation.messages import UserMessage
from agent_server.errors import ProviderError
from agent_server.http_client.client import HttpClient
from agent_server.providers.endpoint import EndpointProvider
from agent_server.providers.provider import Finished, ModelInfo, ModelRequest, RetryPlanned, TextDelta, UsageSoFar
from agent_server.providers.retrying import RetryPolicy
from tests.agent.scripted_client import in_loop
from tests.http_client.test_http_client import far, sockets
from tests.providers.asking import KEY, a_request, ask, endpoint_at, provider_at
from tests.providers.fault_server import (
    Line,
    Received,
    chat,
    event,
    fault_server,
    head,
    refuses,
    resets,
    says,
    stalls,
    text_chunk,
)

GOOD = says(head(), chat("good"))


@in_loop
async def test_the_request_carries_the_key_the_model_and_the_trace() -> None:
    trace = {"traceparent": "00-1-2-01", "tracestate": "a=b\r\nx: y", "other": "no"}
    async with fault_server(GOOD) as server, provider_at(server.url, headers={"X-Title": "t"}) as provider:
        heard = await ask(provider, a_request(trace=trace))
    assert heard.text == "good"
    sent = server.received[0]
    assert (sent.method, sent.path, sent.json["model"]) == ("POST", "/chat/completions", "m1")
    assert sent.headers["authorization"] == f"Bearer {KEY}" and sent.headers["x-title"] == "t"
    assert sent.headers["traceparent"] == "00-1-2-01" and "tracestate" not in sent.headers
    assert "other" not in sent.headers and "x" not in sent.headers
    assert sent.headers["content-type"] == "application/json" and "text/event-stream" in sent.headers["accept"]


@pytest.mark.parametrize(
    ("asked", "sent"), [("acme:m1", "m1"), ("m1", "m1"), ("acme:a/b:free", "a/b:free"), ("x:m", "x:m")]
)
@in_loop
async def test_only_its_own_name_is_taken_off_a_models_id(asked: str, sent: str) -> None:
    async with fault_server(GOOD) as server, provider_at(server.url) as provider:
        await ask(provider, a_request(asked))
    assert server.received[0].json["model"] == sent


@in_loop
async def test_what_is_known_of_a_model_is_used() -> None:
    asked: list[str] = []

    def infos(model: str) -> ModelInfo | None:
        asked.append(model)
        return ModelInfo(model, model, output_tokens=77)

    client = HttpClient()
    async with fault_server(GOOD) as server:
        await ask(EndpointProvider(endpoint_at(server.url), lambda: KEY, infos, client))
        await client.aclose()
    assert asked == ["acme:m1"] and server.received[0].json["max_tokens"] == 77


@in_loop
async def test_without_a_key_nothing_is_sent() -> None:
    async with fault_server(GOOD) as server:
        for key in (None, ""):
            async with provider_at(server.url, key=key) as provider:
                heard = await ask(provider)
            assert heard.error is not None
            assert (heard.error.kind, heard.error.reason) == ("auth_failed", "missing_key")
        assert server.accepted == 0


@in_loop
async def test_an_endpoint_that_needs_no_key_is_asked_without_one() -> None:
    async with fault_server(GOOD) as server, provider_at(server.url, key=None, needs_key=False) as provider:
        assert (await ask(provider)).text == "good"
    assert "authorization" not in server.received[0].headers


@in_loop
async def test_the_key_is_the_one_that_there_is_now() -> None:
    keys = iter(["sk-first-key", "sk-second-key"])
    client = HttpClient()
    async with fault_server(GOOD) as server:
        provider = EndpointProvider(endpoint_at(server.url), lambda: next(keys), {}, client)
        for _ in range(2):
            await ask(provider)
        await client.aclose()
    assert [one.headers["authorization"] for one in server.received] == ["Bearer sk-first-key", "Bearer sk-second-key"]


@in_loop
async def test_a_key_with_a_line_break_is_named_and_not_told() -> None:
    async with fault_server(GOOD) as server, provider_at(server.url, key="sk-abc\r\nx-evil: 1") as provider:
        heard = await ask(provider)
        assert server.accepted == 0
    assert heard.error is not None and heard.error.reason == "bad_header"
    assert "authorization" in heard.error.details and "sk-abc" not in heard.error.details + heard.error.raw


@in_loop
async def test_an_answer_in_one_piece_is_read_as_well() -> None:
    whole = {"choices": [{"message": {"content": "good"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    pretty = json.dumps(whole, indent=2).encode()
    for content_type in ("application/json", "text/event-stream", "text/plain"):
        play = says(head(200, content_type), b"\n  ", pretty[:9], pretty[9:])
        async with fault_server(play) as server, provider_at(server.url) as provider:
            heard = await ask(provider)
        assert heard.text == "good" and heard.finished


@in_loop
async def test_a_page_instead_of_an_answer_is_told_as_a_wrong_address() -> None:
    page = says(head(200, "text/html"), b"<!DOCTYPE html><html>Log in to the network</html>")
    async with fault_server(page) as server, provider_at(server.url) as provider:
        heard = await ask(provider)
    assert heard.error is not None and (heard.error.kind, heard.error.retryable) == ("raw", False)
    assert heard.error.details == "Acme sent something that is no answer of a model. Is its base_url right (127.0.0.1)?"


@in_loop
async def test_usage_alone_is_nothing_that_people_saw() -> None:
    begun = {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}
    busy = event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")
    good = event(begun) + event(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    )
    good += event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "good"}})
    good += event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}) + event({"type": "message_stop"})
    plays = (says(head(), event(begun) + busy), says(head(), good))
    async with fault_server(*plays) as server, provider_at(server.url, "anthropic") as provider:
        heard = await ask(provider)
    kinds = [type(one) for one in heard.events]
    assert kinds.index(UsageSoFar) < kinds.index(RetryPlanned) < kinds.index(TextDelta)
    assert heard.text == "good"


@in_loop
async def test_a_kept_connection_that_is_dead_costs_nobody_a_word() -> None:
    kept = says(head(content_length=str(len(chat("good")))), chat("good"), kept=True)
    async with fault_server(kept, resets(), GOOD) as server, provider_at(far(server.url)) as provider:
        assert (await ask(provider)).text == "good"
        await asyncio.sleep(0.05)  # the connection is given back behind the answer
        heard = await ask(provider)
        assert (len(server.received), server.accepted) == (3, 2)
    assert heard.text == "good" and not heard.retries


@in_loop
async def test_a_fresh_connection_that_dies_too_is_told() -> None:
    kept = says(head(content_length=str(len(chat("good")))), chat("good"), kept=True)
    async with fault_server(kept, resets(), resets(), GOOD) as server, provider_at(far(server.url)) as provider:
        await ask(provider)
        await asyncio.sleep(0.05)
        heard = await ask(provider)
    assert heard.text == "good" and [retry.attempt for retry in heard.retries] == [1]


@in_loop
async def test_a_retry_is_told_before_it_is_waited_for_and_given_up_at_once() -> None:
    slow = RetryPolicy(first_delay_s=60, longest_delay_s=60)
    async with fault_server(refuses(503)) as server, provider_at(server.url, retries=slow) as provider:
        told = asyncio.Event()

        async def listen() -> None:
            async for heard in provider.stream(a_request()):
                assert isinstance(heard, RetryPlanned) and 45 <= heard.delay_s <= 60
                told.set()

        task = asyncio.create_task(listen())
        await asyncio.wait_for(told.wait(), 5)
        began = time.monotonic()
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled() and time.monotonic() - began < 0.1
        assert len(server.received) == 1


@in_loop
async def test_a_stream_that_is_closed_lets_go_of_its_connection() -> None:
    async with fault_server(stalls(head(), text_chunk("a"))) as server, provider_at(server.url) as provider:
        stream = provider.stream(a_request())
        assert await anext(stream) == TextDelta("a")
        await stream.aclose()
        await server.until(lambda it: it.live == 0)


@in_loop
async def test_what_comes_behind_the_end_is_not_waited_for() -> None:
    async with fault_server(stalls(head(), chat("good"))) as server, provider_at(server.url) as provider:
        began = time.monotonic()
        heard = await ask(provider)
        assert heard.text == "good" and time.monotonic() - began < 3
        await server.until(lambda it: it.live == 0)


@in_loop
async def test_half_an_emoji_in_the_conversation_is_sent_as_a_question_mark() -> None:
    async with fault_server(GOOD) as server, provider_at(server.url) as provider:
        request = ModelRequest("m1", [UserMessage((TextPart("half \ud83d"),))])
        assert (await ask(provider, request)).text == "good"
    assert server.received[0].json["messages"][-1]["content"] in ("half ?", [{"type": "text", "text": "half ?"}])


@in_loop
async def test_the_log_has_what_the_server_said_and_not_the_key(caplog: pytest.LogCaptureFixture) -> None:
    spilled = {"error": {"message": f"Traceback (most recent call last): key {KEY}"}}
    once = RetryPolicy(1, 0.001)
    caplog.set_level(logging.INFO)
    plays = (refuses(503, spilled), refuses(500, spilled))
    async with fault_server(*plays) as server, provider_at(server.url, retries=once) as provider:
        heard = await ask(provider)
    assert heard.error is not None and "Traceback" in heard.error.raw and "Traceback" in caplog.text
    assert KEY not in heard.error.raw + heard.error.details + caplog.text
    assert "Traceback" not in heard.error.details


def a_failure(**more: Any) -> ProviderError:
    return ProviderError("overloaded", "busy", retryable=True, **more)


@pytest.mark.req("TN-13")
def test_waits_double_up_to_eight_seconds_and_chance_shortens_them_by_a_quarter_at_most() -> None:
    policy = RetryPolicy(retries=9)
    assert [policy.delay_s(a_failure(), n, 0.0) for n in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert policy.delay_s(a_failure(), 2, 1.0) == 0.75
    assert policy.delay_s(a_failure(retry_after_s=119.0), 1, 1.0) == 119.0
    assert policy.delay_s(a_failure(retry_after_s=0.0), 3, 1.0) == 0.0
    assert policy.delay_s(a_failure(retry_after_s=120.5), 1, 0.0) is None
    assert RetryPolicy().delay_s(a_failure(), 4, 0.0) is None
    assert policy.delay_s(ProviderError("raw", "no"), 1, 0.0) is None


@in_loop
async def test_a_hundred_streams_at_once_all_go_on_together() -> None:
    """No stream is done long before another has begun: each gets its turn."""
    heard = dict.fromkeys(range(100), 0)
    everybody = asyncio.Event()

    async def steady(line: Line, request: Received) -> None:
        await line.send(head(), text_chunk("a"))
        await everybody.wait()
        for _ in range(20):
            await line.send(text_chunk("a"))
        await line.send(chat())

    async with fault_server(steady) as server, provider_at(server.url) as provider:

        async def listen(number: int) -> None:
            async for one in provider.stream(a_request()):
                if isinstance(one, TextDelta):
                    heard[number] += 1
                    if min(heard.values()) > 0:
                        everybody.set()

        await asyncio.gather(*(listen(number) for number in heard))
    assert set(heard.values()) == {21}


@in_loop
async def test_a_thousand_cancelled_requests_leave_no_connection_and_disturb_nobody() -> None:
    async def endlessly(line: Line, request: Received) -> None:
        await line.send(head())
        while True:
            await line.send(text_chunk("a"))
            await asyncio.sleep(0.002)

    async with fault_server(GOOD) as server, provider_at(server.url) as provider:
        assert (await ask(provider)).text == "good"
        server.plays[:] = [endlessly]
        before = sockets()
        for round_ in range(10):
            tasks = [asyncio.create_task(ask(provider)) for _ in range(100)]
            for place, task in enumerate(tasks):  # at every point that a request can have come to
                if place % 10 == 9:
                    await asyncio.sleep(0.001 * round_)
                task.cancel()
            await asyncio.wait(tasks)
            assert all(task.cancelled() for task in tasks)
        await server.until(lambda it: it.live == 0)
        async with asyncio.timeout(5):
            while sockets() > before:
                await asyncio.sleep(0.01)
        assert server.accepted > 100
        server.plays[:] = [GOOD]
        assert (await ask(provider)).text == "good"


@in_loop
async def test_every_stream_ends_with_its_end() -> None:
    async with fault_server(GOOD) as server, provider_at(server.url) as provider:
        heard = await ask(provider)
    assert heard.events[-1] == Finished("end_turn")
