"""What comes of a stream of Chat Completions, whatever the server leaves out, repeats or adds."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.providers.openai_chat import OpenAIChatFormat
from agent_server.providers.provider import (
    Finished,
    ModelRequest,
    TextDelta,
    ThoughtDelta,
    ToolCallBegun,
    ToolCallRequested,
    UsageSoFar,
)
from agent_server.providers.wire import Decoder, Endpoint, ServerFault, StreamCut
from tests.providers.played import Played, joined, play

DONE = b"data: [DONE]\n\n"


def decoder(*quirks: str) -> Decoder:
    endpoint = Endpoint("somewhere", "openai-chat", "http://127.0.0.1/v1", quirks=frozenset(quirks))
    return OpenAIChatFormat().decoder(ModelRequest("a-model", []), endpoint)


def sse(*chunks: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "choices": [choice(finish, **delta)]}


def choice(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def call(arguments: Any = None, *, index: int | None = 0, id: str | None = None, name: str | None = None) -> Any:  # noqa: A002
    said: dict[str, Any] = {"function": {}}
    if index is not None:
        said["index"] = index
    if id is not None:
        said |= {"id": id, "type": "function"}
    if name is not None:
        said["function"]["name"] = name
    if arguments is not None:
        said["function"]["arguments"] = arguments
    return chunk(tool_calls=[said])


def heard(*chunks: dict[str, Any], quirks: tuple[str, ...] = ()) -> Played:
    """The same comes of it whole and in fragments."""
    body = sse(*chunks) + DONE
    played = play(decoder(*quirks), body)
    assert play(decoder(*quirks), body, 7) == played
    return played


def calls(played: Played) -> list[tuple[str, str, dict[str, Any]]]:
    assert all(one.misread is None for one in played.calls)
    return [(one.call_id, one.name, one.arguments) for one in played.calls]


TWO = [("a", "read", {"path": "x"}), ("b", "list", {})]


def test_text_streams_and_ends_the_turn() -> None:
    played = heard(chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo"), chunk("stop"))
    assert played.events == [TextDelta("Hel"), TextDelta("lo"), Finished("end_turn")]


def test_parallel_calls_are_told_in_their_order_each_as_soon_as_the_next_begins() -> None:
    one = decoder()
    first = [call("", id="a", name="read"), call('{"path"'), call(':"x"}')]
    told = [event for said in first for event in one.event("", orjson.dumps(said))]
    assert told == [ToolCallBegun("a", "read")]
    assert one.event("", orjson.dumps(call("", index=1, id="b", name="list"))) == [
        ToolCallRequested("a", "read", {"path": "x"}),
        ToolCallBegun("b", "list"),
    ]
    one.event("", orjson.dumps(chunk("tool_calls")))
    assert list(one.end()) == [ToolCallRequested("b", "list", {}), Finished("tool_use")]


def test_interleaved_arguments_reach_the_call_at_their_index() -> None:
    played = heard(
        call("", id="a", name="read"),
        call("", index=1, id="b", name="list"),
        call('{"path":'),
        call("{", index=1),
        call('"x"}'),
        call("}", index=1),
        chunk("tool_calls"),
    )
    assert calls(played) == TWO


def test_ids_and_names_that_every_delta_repeats_make_no_new_call() -> None:
    played = heard(
        call("", id="a", name="read"),
        call('{"path":', id="a", name="read"),
        call('"x"}', id="a", name="read"),
        call("{}", index=1, id="b", name="list"),
        chunk("tool_calls"),
    )
    assert calls(played) == TWO


def test_calls_that_share_an_index_are_told_apart_by_their_ids() -> None:
    played = heard(
        call('{"path":', id="a", name="read"), call('"x"}'), call("{", id="b", name="list"), call("}"), chunk("stop")
    )
    assert calls(played) == TWO and played.stop == "tool_use"


def test_interleaved_calls_that_share_an_index_and_repeat_their_ids_are_told_apart() -> None:
    played = heard(
        call('{"path":', id="a", name="read"),
        call("{", id="b", name="list"),
        call('"x"}', id="a"),
        call("}", id="b"),
        chunk("tool_calls"),
    )
    assert calls(played) == TWO


def test_an_index_may_begin_at_one() -> None:
    played = heard(
        call('{"path":"x"}', index=1, id="a", name="read"), call("{}", index=2, id="b", name="list"), chunk("stop")
    )
    assert calls(played) == TWO


def test_an_index_may_be_missing() -> None:
    played = heard(
        call('{"path":', index=None, id="a", name="read"),
        call('"x"}', index=None),
        call("{}", index=None, id="b", name="list"),
        chunk("stop"),
    )
    assert calls(played) == TWO


def test_index_and_id_may_both_be_missing() -> None:
    played = heard(
        call('{"path":"x"}', index=None, name="read"), call({}, index=None, name="list"), chunk("tool_calls")
    )
    assert [(name, arguments) for _, name, arguments in calls(played)] == [("read", {"path": "x"}), ("list", {})]
    ids = {call_id for call_id, _, _ in calls(played)}
    assert len(ids) == 2 and all(ids)


def test_an_id_that_comes_late_belongs_to_the_call_that_is_open() -> None:
    played = heard(call("{", name="list"), call("}", id="b"), chunk("tool_calls"))
    assert calls(played) == [("b", "list", {})]


def test_two_calls_with_one_id_get_two() -> None:
    played = heard(call("{}", id="a", name="read"), call("{}", index=1, id="a", name="read"), chunk("tool_calls"))
    assert len({call_id for call_id, _, _ in calls(played)}) == 2


def test_a_repeated_name_behind_complete_arguments_makes_no_new_call() -> None:
    played = heard(call('{"path":"x"}', name="read"), call("", name="read"), chunk("tool_calls"))
    assert [arguments for _, _, arguments in calls(played)] == [{"path": "x"}]


def test_arguments_may_be_an_object_already() -> None:
    played = heard(call({"path": "x"}, id="a", name="read"), chunk("tool_calls"))
    assert calls(played) == [("a", "read", {"path": "x"})]


def test_null_is_the_same_as_absent() -> None:
    nothing = {"role": None, "content": None, "tool_calls": None, "function_call": None, "refusal": None}
    played = heard(
        chunk(**{**nothing, "role": "assistant"}),
        {**chunk(**{**nothing, "content": "yes"}), "usage": None, "error": None},
        {"id": "c", "choices": None},
        {"id": "c", "choices": [{"delta": None, "finish_reason": "stop"}]},
    )
    assert played.events == [TextDelta("yes"), Finished("end_turn")]


def test_a_call_that_is_mirrored_in_the_old_way_is_one_call() -> None:
    function = {"name": "list", "arguments": "{}"}
    played = heard(
        chunk(tool_calls=[{"index": 0, "id": "b", "function": function}], function_call=function), chunk("tool_calls")
    )
    assert calls(played) == [("b", "list", {})]


def test_a_call_in_the_old_way_alone_is_a_call() -> None:
    played = heard(
        chunk(function_call={"name": "read"}),
        chunk(function_call={"arguments": '{"path":'}),
        chunk(function_call={"arguments": '"x"}'}),
        chunk("function_call"),
    )
    assert [(one.name, one.arguments) for one in played.calls] == [("read", {"path": "x"})]
    assert played.calls[0].call_id and played.stop == "tool_use"


def test_arguments_that_are_no_json_are_told_so_and_never_run() -> None:
    played = heard(call('{"path": x}', id="a", name="read"), call("[1]", index=1, id="b", name="read"), chunk("stop"))
    misread = "its arguments are not valid JSON"
    assert played.calls == [ToolCallRequested("a", "read", {}, misread), ToolCallRequested("b", "read", {}, misread)]


def test_of_a_response_that_was_cut_off_the_unfinished_call_is_dropped() -> None:
    played = heard(
        call('{"path":"x"}', id="a", name="read"), call('{"path":"y', index=1, id="b", name="read"), chunk("length")
    )
    assert calls(played) == [("a", "read", {"path": "x"})] and played.stop == "max_tokens"


def test_of_a_response_that_was_cut_off_a_call_that_had_no_arguments_yet_is_dropped() -> None:
    played = heard(call("", id="a", name="delete_all"), chunk("length"))
    assert played.calls == []


def test_a_call_without_a_name_is_never_run() -> None:
    played = heard(call("{}", id="a"), chunk("tool_calls"))
    assert [(one.call_id, one.misread) for one in played.calls] == [("a", "it does not say which tool is meant")]


def test_usage_is_read_wherever_it_stands() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
    expected = UsageSoFar(10, 3)
    alone = [chunk(content="a"), chunk("stop"), {"choices": [], "usage": usage}]
    at_the_finish = [chunk(content="a"), {**chunk("stop"), "usage": usage}]
    behind_with_a_choice = [chunk(content="a"), chunk("stop"), {"choices": [{"index": 0, "delta": {}}], "usage": usage}]
    beside_text = [{**chunk(content="a"), "usage": usage}, chunk("stop")]
    before = [{"choices": [], "usage": usage}, chunk(content="a"), chunk("stop")]
    for chunks in (alone, at_the_finish, behind_with_a_choice, beside_text, before):
        played = heard(*chunks)
        assert (played.text, played.usage, played.stop) == ("a", expected, "end_turn")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 20},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            UsageSoFar(100, 50, 60, 20, 30),
            id="cached and thought tokens are parts of what was read and written",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
            },
            UsageSoFar(100, 5, 64),
            id="DeepSeek",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 5, "cached_tokens": 8}, UsageSoFar(9, 5, 8), id="Moonshot"
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 5, "cost": 0.25}, UsageSoFar(9, 5, cost_usd=0.25), id="OpenRouter"
        ),
        pytest.param(
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "cost": 0.25,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 1.5},
            },
            UsageSoFar(9, 5, cost_usd=1.75),
            id="OpenRouter with a key of one's own",
        ),
        pytest.param(
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "total_tokens": 24,
                "completion_tokens_details": {"reasoning_tokens": 10},
            },
            UsageSoFar(9, 15, thought_tokens=10),
            id="thoughts that are not counted in what was written",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 24},
            UsageSoFar(9, 15, thought_tokens=10),
            id="thoughts that only the total tells",
        ),
        pytest.param(
            {"prompt_tokens": None, "completion_tokens": "5", "prompt_tokens_details": None, "cost": "?"},
            UsageSoFar(),
            id="nonsense",
        ),
    ],
)
def test_usage_means_the_same_of_every_server(usage: dict[str, Any], expected: UsageSoFar) -> None:
    assert heard(chunk("stop", content="a"), {"choices": [], "usage": usage}).usage == expected


def test_the_last_usage_counts() -> None:
    counts = [{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": count}} for count in (1, 2, 3)]
    assert heard(chunk("stop", content="a"), *counts).usage == UsageSoFar(7, 3)


def test_a_reason_to_finish_is_an_end_without_done() -> None:
    assert play(decoder(), sse(chunk(content="a"), chunk("stop"))).stop == "end_turn"


def test_done_is_an_end_without_a_reason_to_finish() -> None:
    assert play(decoder(), sse(chunk(content="a")) + DONE).stop == "end_turn"
    assert play(decoder(), sse(call("{}", id="a", name="list")) + DONE).stop == "tool_use"


def test_done_says_that_nothing_more_comes_and_a_reason_does_not() -> None:
    one = decoder()
    one.event("", orjson.dumps(chunk("stop", content="a")))
    assert not one.complete
    one.event("", b"[DONE]")
    assert one.complete


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b": still here\n\n",
        DONE,
        sse(chunk(role="assistant", content="")),
        sse(chunk(content="a")),
        sse(call('{"path":"x"}', id="a", name="read")),
        sse(chunk(content="a"), {"choices": [], "usage": {"prompt_tokens": 1}}),
    ],
)
def test_a_stream_that_does_not_end_or_holds_nothing_is_cut(body: bytes) -> None:
    with pytest.raises(StreamCut):
        play(decoder(), body)


def test_several_reasons_to_finish_are_one_end() -> None:
    played = heard(chunk(content="a"), chunk("stop", content=""), chunk("stop", content=""))
    assert played.events == [TextDelta("a"), Finished("end_turn")]


def test_comments_mean_nothing() -> None:
    body = b": OPENROUTER PROCESSING\n\n" + sse(chunk(content="a")) + b": x\n\n" + sse(chunk("stop")) + DONE
    assert play(decoder(), body).text == "a"


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"),
        ("eos", "end_turn"),
        ("tool_calls", "end_turn"),
        ("length", "max_tokens"),
        ("model_length", "max_tokens"),
        ("content_filter", "refusal"),
        ("sensitive", "refusal"),
    ],
)
def test_reasons_to_finish(finish: str, reason: str) -> None:
    assert heard(chunk(content="a"), chunk(finish)).stop == reason


def test_a_refusal_is_shown_and_is_one() -> None:
    played = heard(chunk(refusal="I will "), chunk(refusal="not."), chunk("stop", refusal=""))
    assert played.events == [TextDelta("I will "), TextDelta("not."), Finished("refusal")]


def test_an_empty_refusal_is_none() -> None:
    assert heard(chunk(content="a", refusal=""), chunk("stop")).stop == "end_turn"


def test_content_may_be_a_list_with_thoughts_in_it() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    played = heard(
        chunk(content=[thinking]),
        chunk(content=[{"type": "thinking", "thinking": "m"}]),
        chunk(content=[{"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}]),
        chunk("stop", content="b"),
    )
    assert played.events == [
        ThoughtDelta("hm"),
        ThoughtDelta("m"),
        TextDelta("a"),
        TextDelta("b"),
        Finished("end_turn"),
    ]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_thoughts_stand_in_either_of_two_fields(field: str) -> None:
    played = heard(chunk(**{field: "hm", "content": None}), chunk(content="a"), chunk("stop"))
    assert (played.thought, played.text) == ("hm", "a")


def test_thoughts_that_stand_in_both_fields_are_told_once() -> None:
    played = heard(chunk(reasoning="hm", reasoning_content="hm"), chunk(content="a"), chunk("stop"))
    assert played.thought == "hm"


def test_text_beside_a_thought_is_told_behind_it() -> None:
    played = heard(chunk(content="a", reasoning="hm"), chunk("stop"))
    assert played.events == [ThoughtDelta("hm"), TextDelta("a"), Finished("end_turn")]


def test_an_error_beside_choices_is_an_error() -> None:
    error = {"code": 502, "message": "Provider disconnected"}
    with pytest.raises(ServerFault) as caught:
        heard(chunk(content="a"), {**chunk("error", content=""), "error": error})
    assert (caught.value.body, caught.value.status) == ({"error": error}, 502)


def test_an_error_beside_text_is_an_error() -> None:
    with pytest.raises(ServerFault):
        heard({**chunk(content="a"), "error": {"message": "no"}})


def test_an_error_event_is_an_error_and_names_its_status() -> None:
    error = {"message": "Tool call validation failed", "code": "tool_use_failed", "status_code": 400}
    body = sse(chunk(content="a")) + b"event: error\n" + sse({"error": error})
    with pytest.raises(ServerFault) as caught:
        play(decoder(), body)
    assert (caught.value.body, caught.value.status) == ({"error": error}, 400)


@pytest.mark.parametrize(
    ("said", "status", "error"),
    [
        ({"error": {"message": "no", "type": "server_error", "code": None}}, None, {"message": "no"}),
        ({"error": {"message": "no", "code": "401"}}, 401, {"message": "no"}),
        ({"error": {"message": "no", "code": "3051"}}, None, {"message": "no"}),
        ({"error": {"message": "no", "code": 200}}, None, {"message": "no"}),
        ({"error": "no"}, None, "no"),
        ({"object": "error", "message": "no", "code": 400}, 400, {"message": "no"}),
        ([{"error": {"message": "no", "code": 429}}], 429, {"message": "no"}),
    ],
)
def test_an_error_alone_is_an_error_in_whatever_shape(said: Any, status: int | None, error: Any) -> None:
    with pytest.raises(ServerFault) as caught:
        decoder().event("", orjson.dumps(said))
    assert caught.value.status == status
    found = caught.value.body["error"]
    assert found == error if isinstance(error, str) else found["message"] == error["message"]


def test_an_error_event_that_is_no_json_keeps_its_text() -> None:
    with pytest.raises(ServerFault) as caught:
        decoder().event("error", b"upstream died")
    assert caught.value.body == {"error": "upstream died"}


@pytest.mark.parametrize(
    ("finish", "code"),
    [
        ("error", None),
        ("network_error", None),
        ("insufficient_system_resource", "server_is_overloaded"),
        ("model_context_window_exceeded", "context_length_exceeded"),
    ],
)
def test_a_reason_to_finish_that_is_an_error_is_one(finish: str, code: str | None) -> None:
    with pytest.raises(ServerFault) as caught:
        heard(chunk(content="a"), chunk(finish))
    assert caught.value.body["error"]["code"] == code and finish in caught.value.body["error"]["message"]


def test_what_is_not_known_means_nothing() -> None:
    played = heard(
        {"object": "something.else"},
        {**chunk(content="a", annotations=[{}], audio=None), "obfuscation": "x", "x_groq": {"usage": {}}},
        {**chunk("stop"), "timings": {}, "system_fingerprint": None},
    )
    assert played.events == [TextDelta("a"), Finished("end_turn")]


def test_half_an_emoji_and_bytes_that_are_no_text_lose_only_themselves() -> None:
    said = rb'{"choices":[{"delta":{"content":"a\ud83d"}}]}', b'{"choices":[{"delta":{"content":"b\xff"}}],"p":NaN}'
    body = b"".join(b"data: " + one + b"\n\n" for one in said) + DONE
    text = play(decoder(), body).text
    assert text[0] == "a" and text[2] == "b" and text.encode()


def test_a_response_in_one_piece_is_read_as_well() -> None:
    function = {"name": "list", "arguments": "{}"}
    message = {
        "role": "assistant",
        "content": "a",
        "reasoning_content": "hm",
        "tool_calls": [{"id": "a", "type": "function", "function": function}, {"id": "b", "function": function}],
    }
    body = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 1},
    }
    played = joined(decoder().whole(body))
    assert (played.thought, played.text, played.stop) == ("hm", "a", "tool_use")
    assert calls(played) == [("a", "list", {}), ("b", "list", {})]
    assert played.usage == UsageSoFar(2, 1)


def test_an_error_in_one_piece_is_an_error_and_anything_else_is_refused() -> None:
    with pytest.raises(ServerFault):
        decoder().whole({"error": {"message": "no"}})
    bodies: list[Any] = [{"detail": "not found"}, [], "text", None, {"choices": []}]
    for body in bodies:
        with pytest.raises(ValueError):
            decoder().whole(body)


@pytest.mark.parametrize("data", [b"<html>", b"", b"7", b'"a"', b"[]", b'{"choices":7}', b'{"choices":[7]}'])
def test_what_is_no_chunk_is_refused_as_a_value(data: bytes) -> None:
    with pytest.raises(ValueError):
        decoder().event("", data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FUNCTIONS = st.fixed_dictionaries({}, optional={"name": JSON, "arguments": JSON})
CALLS = st.lists(st.fixed_dictionaries({}, optional={"index": JSON, "id": JSON, "function": FUNCTIONS}), max_size=2)
DETAILS = st.lists(st.fixed_dictionaries({}, optional={"text": JSON, "type": JSON, "data": JSON}), max_size=2)
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": JSON,
        "reasoning": JSON,
        "refusal": JSON,
        "tool_calls": JSON | CALLS,
        "function_call": FUNCTIONS,
        "reasoning_details": JSON | DETAILS,
    },
)
CHOICES = st.lists(st.fixed_dictionaries({"delta": DELTAS}, optional={"finish_reason": JSON}), max_size=2)
CHUNKS = st.fixed_dictionaries({"choices": CHOICES}, optional={"usage": JSON})


@given(said=st.lists(JSON | CHUNKS | CHUNKS, max_size=4))
def test_nothing_that_a_server_says_is_a_surprise(said: list[Any]) -> None:
    one = decoder("send-reasoning")
    try:
        for value in said:
            one.event("", json.dumps(value).encode())
        one.end()
    except (ValueError, ServerFault, StreamCut):
        pass
