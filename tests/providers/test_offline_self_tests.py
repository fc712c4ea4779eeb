"""The ``/test`` prompts for people who test editors."""

from __future__ import annotations

import asyncio
import base64
import struct
import tracemalloc
import zlib
from typing import get_args

import pytest

from agent_server.conversation.content import ImagePart, TextPart
from agent_server.conversation.messages import AssistantMessage, ToolRequest, ToolResultMessage, UserMessage
from agent_server.conversation.tool_calls import ToolSpec
from agent_server.errors import ErrorKind, ProviderError
from agent_server.providers.offline import OfflineProvider
from agent_server.providers.provider import (
    CompactionEnded,
    CompactionStarted,
    CompactionSummary,
    Finished,
    ModelRequest,
    NoticeGiven,
    PartDelta,
    PlanProposed,
    ProviderEvent,
    TextDelta,
    ThoughtDelta,
    ToolCallRequested,
    Usage,
)

SELF_TEST = ToolSpec("self_test", "", {})


def request(prompt: str, *tools: ToolSpec) -> ModelRequest:
    return ModelRequest("offline", [UserMessage((TextPart(prompt),))], tools or (SELF_TEST,))


def events(prompt: str, *tools: ToolSpec) -> list[ProviderEvent]:
    async def collect() -> list[ProviderEvent]:
        return [event async for event in OfflineProvider().stream(request(prompt, *tools))]

    return asyncio.run(collect())


def test_stream_gives_n_deltas_of_the_size_and_reuses_one_object() -> None:
    *deltas, end = events("/test stream 1000 32")
    assert deltas == [TextDelta("x" * 32)] * 1000
    assert len({id(delta) for delta in deltas}) == 1
    assert end == Finished()


@pytest.mark.parametrize(
    "prompt", ["/test stream 10 4 3", "/test stream 9 4 3", "/test stream 2 4 3", "/test stream 0 4"]
)
def test_stream_with_pauses_gives_as_many_chunks(prompt: str) -> None:
    assert len(events(prompt)) == int(prompt.split()[2]) + 1


def turns_of_the_loop(prompt: str) -> int:
    async def count() -> int:
        turns = 0
        done = False

        async def other() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        async for _ in OfflineProvider().stream(request(prompt)):
            pass
        seen = turns
        done = True
        await asyncio.wait_for(task, 5)
        return seen

    return asyncio.run(count())


def test_stream_yields_to_the_event_loop_after_every_y_chunks_and_else_never() -> None:
    assert turns_of_the_loop("/test stream 100 4") == 0
    assert turns_of_the_loop("/test stream 100 4 10") == 10


@pytest.mark.parametrize(
    "prompt",
    [
        "/test stream",
        "/test stream 5",
        "/test stream five 5",
        "/test stream -1 5",
        "/test stream 1_0 5",
        "/test stream ٣ 5",
        "/test stream 10000001 5",
        "/test stream 5 0",
        "/test stream 5 1048577",
        "/test stream 5 5 secret",
        "/test stream 5 5 -1",
        "/test perm 0",
        "/test perm secret",
        "/test fs 99999999",
        "/test terminal",
        "/test terminal " + "secret" * 1000,
        "/test error secret",
        "/test compact secret",
        "/test secret",
        "/test  ",
        "/test",
    ],
)
def test_a_bad_test_prompt_ends_with_one_short_line_that_echoes_nothing(prompt: str) -> None:
    *texts, end = events(prompt)
    assert end == Finished()
    if prompt != "/test":
        [line] = texts
        assert isinstance(line, TextDelta)
        assert len(line.text) < 200
        assert "\n" not in line.text
        assert "secret" not in line.text


def test_noop_only_finishes() -> None:
    assert events("/test noop") == [Finished()]


def test_a_huge_prompt_is_neither_copied_nor_split() -> None:
    prompt = request("/test noop " + "x y " * 5_000_000)

    async def memory_of_one_call() -> int:
        tracemalloc.start()
        assert [event async for event in OfflineProvider().stream(prompt)] == [Finished()]
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak_bytes

    asyncio.run(memory_of_one_call())  # the first call imports
    assert asyncio.run(memory_of_one_call()) < 100_000


@pytest.mark.parametrize("prompt", ["/test wait", "wait_for_cancel"])
def test_wait_says_one_text_and_works_until_cancelled(prompt: str) -> None:
    async def run() -> list[ProviderEvent]:
        seen: list[ProviderEvent] = []
        spoken = asyncio.Event()

        async def turn() -> None:
            async for event in OfflineProvider().stream(request(prompt)):
                seen.append(event)
                spoken.set()

        task = asyncio.create_task(turn())
        await asyncio.wait_for(spoken.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)
        return seen

    [delta] = asyncio.run(run())
    assert isinstance(delta, TextDelta)


@pytest.mark.parametrize(
    ("prompt", "arguments"),
    [
        ("/test perm 3", {"action": "perm", "count": 3}),
        ("/test perm", {"action": "perm", "count": 1}),
        ("/test fs 200", {"action": "fs", "count": 200}),
        ("/test form", {"action": "form"}),
        ("/test url", {"action": "url"}),
    ],
)
def test_a_round_trip_test_asks_once_and_finishes_silently_after_the_result(
    prompt: str, arguments: dict[str, object]
) -> None:
    call, end = events(prompt)
    assert isinstance(call, ToolCallRequested)
    assert (call.name, call.arguments, end) == ("self_test", arguments, Finished("tool_use"))

    async def after(*, is_error: bool) -> list[ProviderEvent]:
        again = request(prompt)
        result = ToolResultMessage(call.call_id, "self_test", (TextPart("done"),), is_error)
        asked = AssistantMessage(tool_requests=[ToolRequest(call.call_id, "self_test", arguments)])
        again.messages = [*again.messages, asked, result]
        return [event async for event in OfflineProvider().stream(again)]

    assert asyncio.run(after(is_error=False)) == [Finished()]
    assert asyncio.run(after(is_error=True)) == [Finished()]


def test_a_terminal_test_asks_for_the_tool_that_needs_a_permission() -> None:
    command = "echo  'a  b'"
    call, end = events(f"/test terminal {command}", ToolSpec("self_test_terminal", "", {}))
    assert isinstance(call, ToolCallRequested)
    assert (call.name, call.arguments) == ("self_test_terminal", {"command": command})
    assert end == Finished("tool_use")


def test_a_round_trip_test_says_if_the_tool_is_missing() -> None:
    line, end = events("/test perm 3", ToolSpec("read_file", "", {}))
    assert isinstance(line, TextDelta)
    assert end == Finished()


def test_plan_progresses_over_three_proposals() -> None:
    *plans, end = events("/test plan")
    statuses = [[entry.status for entry in plan.entries] for plan in plans if isinstance(plan, PlanProposed)]
    assert statuses == [
        ["in_progress", "pending", "pending"],
        ["completed", "in_progress", "pending"],
        ["completed", "completed", "completed"],
    ]
    assert end == Finished()


def test_thoughts_and_texts_alternate() -> None:
    kinds = [type(event) for event in events("/test thought")]
    assert kinds == [ThoughtDelta, ThoughtDelta, TextDelta, ThoughtDelta, TextDelta, Finished]


@pytest.mark.parametrize("kind", ["", *get_args(ErrorKind)])
def test_an_error_of_every_kind_can_be_had(kind: str) -> None:
    with pytest.raises(ProviderError) as caught:
        events(f"/test error {kind}")
    assert caught.value.kind == (kind or "raw")


def test_usage_reports_tokens_of_a_model_whose_window_is_known() -> None:
    report, end = events("/test usage")
    assert isinstance(report, Usage)
    window = OfflineProvider().models()[0].window_tokens
    assert window is not None
    assert 0 < report.input_tokens + report.output_tokens < window
    assert end == Finished()


def test_there_is_a_notice_of_every_severity() -> None:
    *notices, end = events("/test notice")
    assert [notice.severity for notice in notices if isinstance(notice, NoticeGiven)] == ["info", "warning", "error"]
    assert (len(notices), end) == (3, Finished())


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_compaction_of_every_end_can_be_had(status: str) -> None:
    start, *summary, last, end = events(f"/test compact {status}")
    assert isinstance(start, CompactionStarted)
    assert summary and all(isinstance(piece, CompactionSummary) for piece in summary)
    assert isinstance(last, CompactionEnded)
    assert (last.status, last.error is not None, end) == (status, status == "failed", Finished())


def test_a_compaction_completes_unless_it_is_told_otherwise() -> None:
    assert events("/test compact") == events("/test compact completed")


def test_the_image_is_a_valid_png_of_one_pixel() -> None:
    part, end = events("/test image")
    assert isinstance(part, PartDelta)
    assert isinstance(part.part, ImagePart)
    data = base64.b64decode(part.part.data, validate=True)
    assert part.part.mime_type == "image/png"
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (1, 1)
    assert chunk_names(data) == [b"IHDR", b"IDAT", b"IEND"]
    assert end == Finished()


def chunk_names(png: bytes) -> list[bytes]:
    names, at = [], 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        body = png[at + 4 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0] == zlib.crc32(body)
        if body[:4] == b"IDAT":
            assert len(zlib.decompress(body[4:])) == 2
        names.append(body[:4])
        at += 12 + size
    return names


@pytest.mark.parametrize(
    "prompt", ["/test stream 5 5", "/test stream 5 5 2", "/test wait", "/test plan", "/test thought", "/test compact"]
)
def test_a_test_stream_may_be_closed_early(prompt: str) -> None:
    async def close() -> None:
        stream = OfflineProvider().stream(request(prompt))
        await anext(stream)
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    asyncio.run(close())
