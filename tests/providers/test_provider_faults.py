"""Every fault that a model server can have ends in what is written here, over a real socket."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc

import pytest

from agent_server.http_client.deadlines import Deadlines
from agent_server.http_client.loading import loaded
from agent_server.providers.provider import RetryPlanned, TextDelta, ToolCallRequested
from agent_server.providers.retrying import RetryPolicy
from tests.agent.scripted_client import in_loop
from tests.providers.asking import Heard, a_request, ask, provider_at
from tests.providers.fault_server import (
    CHAT_END,
    LAST_CHUNK,
    Line,
    Play,
    Received,
    chat,
    chunk,
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
CHUNKED = head(transfer_encoding="chunked")


async def heard_from(*plays: Play, deadlines: Deadlines | None = None, wire: str = "openai-chat") -> Heard:
    """What one request to a server with these plays gives."""
    async with fault_server(*plays) as server, provider_at(server.url, wire, deadlines=deadlines) as provider:
        return await ask(provider)


def assert_unreachable(heard: Heard) -> None:
    assert heard.error is not None
    assert (heard.error.kind, heard.error.retryable) == ("unreachable", True)
    assert heard.error.details.startswith("Acme cannot be reached: ") or "broke off" in heard.error.details


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(resets(), id="reset before the headers"),
        pytest.param(says(), id="closed before the headers"),
        pytest.param(resets(b"HTTP/1.1 200 OK\r\ncontent-"), id="reset inside of the headers"),
        pytest.param(resets(head()), id="reset after the headers"),
        pytest.param(says(head()), id="an empty stream"),
        pytest.param(resets(CHUNKED, b"2a\r\ndata: {"), id="cut in a chunk"),
        pytest.param(says(CHUNKED, chunk(b"data: {")), id="closed in an event"),
        pytest.param(says(head(), event(b"")), id="an event without data"),
    ],
)
@in_loop
async def test_a_connection_that_breaks_before_anything_came_is_tried_again_and_that_is_told(play: Play) -> None:
    heard = await heard_from(play, GOOD)
    assert heard.text == "good" and heard.finished
    assert [(retry.attempt, retry.kind) for retry in heard.retries] == [(1, "unreachable")]
    assert isinstance(heard.events[0], RetryPlanned)


@in_loop
async def test_after_three_more_tries_it_is_given_up() -> None:
    async with fault_server(resets()) as server, provider_at(server.url) as provider:
        heard = await ask(provider)
        assert len(server.received) == 4
    assert_unreachable(heard)
    assert [retry.attempt for retry in heard.retries] == [1, 2, 3]


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(resets(head(), text_chunk("half")), id="reset between events"),
        pytest.param(says(head(), text_chunk("half")), id="closed between events"),
        pytest.param(resets(CHUNKED, chunk(text_chunk("half")), b"40\r\ndata: {"), id="cut in a chunk"),
        pytest.param(says(CHUNKED, chunk(text_chunk("half")), LAST_CHUNK), id="ended without its end"),
    ],
)
@in_loop
async def test_what_breaks_after_something_was_said_is_never_sent_again(play: Play) -> None:
    async with fault_server(play, GOOD) as server, provider_at(server.url) as provider:
        heard = await ask(provider)
        assert len(server.received) == 1
    assert heard.text == "half" and not heard.retries
    assert_unreachable(heard)


@in_loop
async def test_an_error_inside_of_a_stream_is_told_and_what_came_before_it_is_kept() -> None:
    overloaded = event({"error": {"message": "The engine is currently overloaded", "type": "server_error"}})
    heard = await heard_from(says(head(), text_chunk("half") + overloaded), GOOD)
    assert heard.text == "half" and heard.error is not None
    assert (heard.error.kind, heard.error.retryable, heard.error.http_status) == ("overloaded", True, None)


@in_loop
async def test_an_error_inside_of_a_stream_that_said_nothing_is_tried_again() -> None:
    overloaded = event({"error": {"message": "slow down", "type": "server_error", "code": "server_is_overloaded"}})
    heard = await heard_from(says(head(), overloaded), GOOD)
    assert heard.text == "good" and [retry.kind for retry in heard.retries] == ["overloaded"]


@in_loop
async def test_an_error_that_is_no_event_is_heard_too() -> None:
    bare = b'{\n  "error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}\n}\n'
    fine = event({"candidates": [{"content": {"parts": [{"text": "good"}]}, "finishReason": "STOP"}]})
    for play in (says(head(), bare), says(head(), b": hello\n\n", bare)):
        heard = await heard_from(play, says(head(), fine), wire="gemini")
        assert heard.text == "good" and [retry.kind for retry in heard.retries] == ["overloaded"]


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "rate_limited"), (503, "overloaded"), (529, "overloaded"), (500, "raw"), (502, "raw")]
)
@in_loop
async def test_a_server_that_is_busy_is_asked_again(status: int, kind: str) -> None:
    heard = await heard_from(refuses(status), refuses(status), GOOD)
    assert heard.text == "good"
    assert [(retry.attempt, retry.kind) for retry in heard.retries] == [(1, kind), (2, kind)]


@pytest.mark.parametrize("status", [429, 503, 529])
@in_loop
async def test_the_wait_that_a_server_asks_for_is_kept(status: int) -> None:
    times: list[float] = []

    async def refuse(line: Line, request: Received) -> bool | None:
        times.append(time.monotonic())
        return await refuses(status, retry_after="0.4", retry_after_ms="20")(line, request)

    async def answer(line: Line, request: Received) -> bool | None:
        times.append(time.monotonic())
        return await GOOD(line, request)

    heard = await heard_from(refuse, answer)
    assert [retry.delay_s for retry in heard.retries] == [0.4]
    assert times[1] - times[0] >= 0.4


@in_loop
async def test_nobody_is_kept_waiting_for_longer_than_two_minutes() -> None:
    heard = await heard_from(refuses(429, retry_after="121"), GOOD)
    assert not heard.retries and heard.error is not None
    assert (heard.error.kind, heard.error.retryable, heard.error.retry_after_s) == ("rate_limited", True, 121.0)
    assert "Try again in 2 minutes." in heard.error.details


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
@in_loop
async def test_what_would_fail_again_is_not_tried_again(status: int) -> None:
    async with fault_server(refuses(status), GOOD) as server, provider_at(server.url) as provider:
        heard = await ask(provider)
        assert len(server.received) == 1
    assert heard.error is not None and heard.error.http_status == status and not heard.error.retryable


@in_loop
async def test_bad_utf8_costs_a_letter_and_not_the_answer() -> None:
    torn = b'data: {"choices":[{"delta":{"content":"a\xffb"}}]}\n\n'
    heard = await heard_from(says(head(), torn, CHAT_END))
    assert heard.text == "a\N{REPLACEMENT CHARACTER}b" and heard.finished


@in_loop
async def test_line_separators_inside_of_json_end_no_line() -> None:
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
    data = 'data: {"choices":[{"delta":{"content":"a\u2028b\u2029c\x85d\\u000be\\u000cf\\u001cg"}}]}\n\n'
    heard = await heard_from(says(head(), data.encode(), CHAT_END))
    assert heard.text == odd


@in_loop
async def test_unknown_events_are_passed_over() -> None:
    unknown = (
        event({"type": "brand_new", "x": 1}, "brand_new") + event({"object": "x", "y": []}) + b"id: 3\nfoo: bar\n\n"
    )
    for wire, said in (("openai-chat", chat("good")), ("anthropic", MESSAGE)):
        heard = await heard_from(says(head(), unknown, said), wire=wire)
        assert heard.text == "good" and heard.finished


def block(index: int, kind: str, **more: object) -> bytes:
    started = {"type": "content_block_start", "index": index, "content_block": {"type": kind, **more}}
    return event(started, "content_block_start")


def delta(index: int, **more: object) -> bytes:
    return event({"type": "content_block_delta", "index": index, "delta": more}, "content_block_delta")


def stop(index: int) -> bytes:
    return event({"type": "content_block_stop", "index": index}, "content_block_stop")


def message_end(reason: str) -> bytes:
    ending = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}}
    return event(ending, "message_delta") + event({"type": "message_stop"}, "message_stop")


START = event({"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}, "message_start")
MESSAGE = (
    START + block(0, "text", text="") + delta(0, type="text_delta", text="good") + stop(0) + message_end("end_turn")
)


@in_loop
async def test_events_in_the_wrong_order_hurt_nobody() -> None:
    wrong = (
        delta(0, type="text_delta", text="good") + stop(7) + block(0, "text", text="") + START + message_end("end_turn")
    )
    heard = await heard_from(says(head(), wrong), wire="anthropic")
    assert heard.finished and heard.error is None and heard.text in ("good", "")


@in_loop
async def test_calls_with_the_same_id_stay_apart() -> None:
    calls = b"".join(
        block(index, "tool_use", id="call_1", name=name, input={})
        + delta(index, type="input_json_delta", partial_json=f'{{"n":{index}}}')
        + stop(index)
        for index, name in enumerate(("one", "two"))
    )
    heard = await heard_from(says(head(), START + calls + message_end("tool_use")), wire="anthropic")
    asked = [event for event in heard.events if isinstance(event, ToolCallRequested)]
    assert [(call.name, call.arguments) for call in asked] == [("one", {"n": 0}), ("two", {"n": 1})]


@in_loop
async def test_arguments_that_are_no_json_are_told_as_such() -> None:
    call = block(0, "tool_use", id="call_1", name="one", input={}) + delta(
        0, type="input_json_delta", partial_json='{"n": oops'
    )
    heard = await heard_from(says(head(), START + call + stop(0) + message_end("tool_use")), wire="anthropic")
    asked = [event for event in heard.events if isinstance(event, ToolCallRequested)]
    assert [(call.arguments, call.misread) for call in asked] == [({}, "its arguments are not valid JSON")]


@in_loop
async def test_a_stream_that_is_packed_is_unpacked() -> None:
    packed = gzip.compress(chat("good"))
    for name in ("gzip", "deflate"):
        play = says(head(content_encoding=name), packed[:20], packed[20:])
        heard = await heard_from(play)
        assert heard.text == "good" and heard.finished


@in_loop
async def test_a_gzip_bomb_does_not_go_off() -> None:
    bomb = gzip.compress(b"data: " + bytes(200 * 1024 * 1024), 9)
    assert len(bomb) < 1024 * 1024
    tracemalloc.start()
    try:
        heard = await heard_from(says(head(content_encoding="gzip"), bomb))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert heard.error is not None and (heard.error.kind, heard.error.retryable) == ("raw", False)
    assert peak < 100 * 1024 * 1024


@in_loop
async def test_a_line_of_200_mib_is_not_kept() -> None:
    async def flood(line: Line, _request: Received) -> None:
        await line.send(head(), b"data: ")
        block = bytes(1024 * 1024)
        for _ in range(200):
            await line.send(block)

    heard = await heard_from(flood)
    assert heard.error is not None and (heard.error.kind, heard.error.retryable) == ("raw", False)
    assert "no answer of a model" in heard.error.details


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@in_loop
async def test_a_redirect_is_not_followed_and_the_key_stays_here(status: int) -> None:
    async with fault_server(GOOD) as elsewhere:
        port = elsewhere.url.rpartition(":")[2]
        location = f"http://localhost:{port}/v1/x?token=secret#part"
        async with fault_server(refuses(status, location=location)) as server, provider_at(server.url) as provider:
            heard = await ask(provider)
        assert elsewhere.accepted == 0
    assert heard.error is not None and (heard.error.kind, heard.error.reason) == ("raw", "redirect")
    assert f"Acme points to localhost:{port} instead" in heard.error.details and "secret" not in heard.error.details


TIGHT = Deadlines(connect_s=0.8, first_byte_s=0.8, idle_s=0.8, total_s=1.6)
ONCE = RetryPolicy(retries=0)


async def drip(line: Line, _request: Received) -> None:
    await line.send(head(), text_chunk("one"))
    while True:
        await line.send(b"x")
        await asyncio.sleep(0.02)


async def drip_head(line: Line, _request: Received) -> None:
    await line.send(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        await line.send(b"x")
        await asyncio.sleep(0.02)


async def chatter(line: Line, _request: Received) -> None:
    await line.send(head())
    while True:
        await line.send(b": a comment\n\n")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("play", "after_s", "said"),
    [
        pytest.param(stalls(), 0.8, "did not begin to answer within 0.8 s", id="no head"),
        pytest.param(drip_head, 0.8, "did not begin to answer within 0.8 s", id="a head that never ends"),
        pytest.param(stalls(head()), 0.8, "stopped in its answer for 0.8 s", id="a head and nothing more"),
        pytest.param(stalls(head(), text_chunk("a")), 0.8, "stopped in its answer for 0.8 s", id="silence"),
        pytest.param(drip, 0.8, "stopped in its answer for 0.8 s", id="bytes that complete no line"),
        pytest.param(chatter, 1.6, "did not finish its answer within 1.6 s", id="comments for ever"),
    ],
)
@in_loop
async def test_deadlines_hold_within_a_tenth(play: Play, after_s: float, said: str) -> None:
    took_s = 0.0
    async with fault_server(play) as server, provider_at(server.url, deadlines=TIGHT, retries=ONCE) as provider:
        await loaded()  # belongs to no deadline
        for _ in range(5):  # the machine may be busy elsewhere, once
            began = time.monotonic()
            heard = await ask(provider)
            took_s = time.monotonic() - began
            await server.until(lambda it: it.live == 0)
            assert heard.error is not None
            assert (heard.error.kind, heard.error.reason) == ("unreachable", "timeout")
            assert said in heard.error.details and took_s >= after_s
            if took_s < after_s * 1.1:
                return
    pytest.fail(f"{took_s:.3f} s")


@in_loop
async def test_comments_and_pings_are_signs_of_life() -> None:
    async def slow(line: Line, _request: Received) -> None:
        await line.send(head(), text_chunk("go"))
        for _ in range(8):
            await asyncio.sleep(0.1)
            await line.send(b": still here\n")
        await line.send(chat("od"))

    heard = await heard_from(slow, deadlines=Deadlines(idle_s=0.3))
    assert heard.text == "good" and heard.finished


@in_loop
async def test_a_reader_who_takes_its_time_is_not_the_servers_fault() -> None:
    play = says(head(), *[text_chunk("a")] * 3, CHAT_END)
    texts = 0
    async with fault_server(play) as server, provider_at(server.url, deadlines=TIGHT) as provider:
        async for heard in provider.stream(a_request()):
            if isinstance(heard, TextDelta):
                texts += 1
                await asyncio.sleep(0.9)
    assert texts == 3
