"""What a response of Anthropic Messages comes to, also of servers that speak the format in their own ways."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.providers.anthropic_stream import WINDOW_EXCEEDED, AnthropicDecoder
from agent_server.providers.provider import (
    ProviderEvent,
    TextDelta,
    ThoughtDelta,
    ToolCallBegun,
    ToolCallRequested,
    UsageSoFar,
)
from agent_server.providers.wire import ServerFault, StreamCut
from tests.providers.played import Played, joined, play

Event = dict[str, Any]
READ = {"path": "a.txt"}


def start(index: int, **block: Any) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> Event:
    return {"type": "content_block_stop", "index": index}


def text(index: int, *pieces: str) -> list[Event]:
    deltas = [delta(index, "text_delta", text=piece) for piece in pieces]
    return [start(index, type="text", text=""), *deltas, stop(index)]


def thinking(index: int, said: str, *signatures: str) -> list[Event]:
    signed = [delta(index, "signature_delta", signature=signature) for signature in signatures]
    said_so = [delta(index, "thinking_delta", thinking=said)] if said else []
    return [start(index, type="thinking", thinking="", signature=""), *said_so, *signed, stop(index)]


def tool(index: int, call_id: str, *json_pieces: str, **more: Any) -> list[Event]:
    deltas = [delta(index, "input_json_delta", partial_json=piece) for piece in json_pieces]
    return [start(index, type="tool_use", id=call_id, name="read", input={}, **more), *deltas, stop(index)]


def begin(**usage: Any) -> Event:
    return {"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": usage}}


def finish(reason: str | None, **usage: Any) -> list[Event]:
    ending = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
    return [ending, {"type": "message_stop"}]


def stream(*events: Event) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def played(*events: Event) -> Played:
    return play(AnthropicDecoder("anthropic:m"), stream(*events))


def heard(decoder: AnthropicDecoder, event: Event) -> list[ProviderEvent]:
    return list(decoder.event(event["type"], json.dumps(event).encode()))


def test_text_and_thoughts_are_told_as_they_come() -> None:
    result = played(begin(), *thinking(0, "Hm.", "sig"), *text(1, "Hel", "lo"), *finish("end_turn"))
    told = [event for event in result.events if isinstance(event, TextDelta | ThoughtDelta)]
    assert told == [ThoughtDelta("Hm."), TextDelta("Hel"), TextDelta("lo")]
    assert result.stop == "end_turn"


def test_pings_comments_and_padding_mean_nothing() -> None:
    body = b': hello\n\nevent: ping\ndata: {"type": "ping"}\n\n' + stream(begin(), *text(0, "a"))
    body += b"event: ping\ndata: pong\n\n" + stream(*finish("end_turn")).replace(b"}\n\n", b"}      \n\n")
    assert play(AnthropicDecoder("a"), body).text == "a"


def test_what_is_not_known_is_left_out() -> None:
    result = played(
        begin(),
        {"type": "message_mood", "mood": "good"},
        start(0, type="text", text=""),
        delta(0, "citations_delta", citation={"url": "x"}),
        delta(0, "hum_delta", hum="la"),
        delta(0, "text_delta", text="a", colour="red"),
        delta(7, "hum_delta", hum="a block that never began"),
        stop(7),
        stop(0),
        *finish("end_turn"),
    )
    assert (result.text, result.reasoning) == ("a", None)


def test_the_end_of_another_format_behind_the_message_means_nothing() -> None:
    body = stream(begin(), *text(0, "a"), *finish("end_turn")) + b"data: [DONE]\n\n"
    assert play(AnthropicDecoder("a"), body).stop == "end_turn"


def test_events_without_names_are_read_by_their_types() -> None:
    body = b"".join(line + b"\n\n" for line in stream(begin(), *text(0, "a"), *finish("end_turn")).split(b"\n\n"))
    nameless = b"\n".join(line for line in body.split(b"\n") if not line.startswith(b"event:"))
    assert play(AnthropicDecoder("a"), nameless).text == "a"


def test_a_block_may_begin_with_what_it_holds() -> None:
    result = played(
        begin(),
        start(0, type="thinking", thinking="Hm", signature="s"),
        stop(0),
        start(1, type="text", text="a"),
        delta(1, "text_delta", text="b"),
        stop(1),
        *finish("end_turn"),
    )
    assert (result.thought, result.text) == ("Hm", "ab")
    assert result.reasoning is not None


def test_a_delta_whose_block_never_began_begins_it() -> None:
    result = played(
        begin(),
        delta(0, "thinking_delta", thinking="Hm"),
        delta(0, "signature_delta", signature="s"),
        delta(1, "text_delta", text="a"),
        *finish("end_turn"),
    )
    assert (result.thought, result.text) == ("Hm", "a")


def test_deltas_without_an_index_belong_to_the_last_block() -> None:
    events = [begin(), *text(0, "a"), *tool(1, "t1", '{"path":"a.txt"}'), *finish("tool_use")]
    for event in events:
        event.pop("index", None)
    result = played(*events)
    assert result.text == "a" and result.calls == [ToolCallRequested("t1", "read", READ)]


# Tool calls


def test_a_call_is_told_when_it_begins_and_as_soon_as_its_block_is_complete() -> None:
    decoder = AnthropicDecoder("a")
    *before, last = tool(0, "t1", '{"path"', ':"a.txt"}')
    assert [event for one in before for event in heard(decoder, one)] == [ToolCallBegun("t1", "read")]
    assert heard(decoder, last) == [ToolCallRequested("t1", "read", READ)]


def test_several_calls_keep_their_order() -> None:
    result = played(begin(), *tool(0, "t1", "{}"), *tool(1, "t2", '{"path":"a.txt"}'), *finish("tool_use"))
    assert result.calls == [ToolCallRequested("t1", "read", {}), ToolCallRequested("t2", "read", READ)]
    assert result.stop == "tool_use"


def test_calls_may_be_interleaved_and_all_stop_at_the_end() -> None:
    one, two = tool(1, "t1", '{"path":', '"a.txt"}'), tool(2, "t2", '{"pa', 'th":"b"}')
    result = played(
        begin(),
        start(0, type="text", text=""),
        delta(0, "text_delta", text="a"),
        *[event for pair in zip(one[:3], two[:3], strict=True) for event in pair],
        stop(0),
        stop(1),
        stop(2),
        *finish("tool_use"),
    )
    calls = [(call.call_id, call.arguments) for call in result.calls]
    assert calls == [("t1", READ), ("t2", {"path": "b"})] and result.text == "a"


def test_blocks_that_never_stop_are_complete_when_the_message_is() -> None:
    result = played(begin(), *tool(0, "t1", '{"path":"a.txt"}')[:2], *finish("tool_use"))
    assert result.calls == [ToolCallRequested("t1", "read", READ)]


def test_an_index_that_begins_anew_is_another_call() -> None:
    one, two = tool(0, "t1", '{"path":"a.txt"}'), tool(0, "t2", '{"path":"b"}')
    result = played(begin(), *one[:2], *two, *finish("tool_use"))
    assert [call.call_id for call in result.calls] == ["t1", "t2"]


@pytest.mark.parametrize("pieces", [(), ("",), ("", " ")])
def test_a_call_without_arguments_has_none(pieces: tuple[str, ...]) -> None:
    assert played(begin(), *tool(0, "t1", *pieces), *finish("tool_use")).calls == [ToolCallRequested("t1", "read", {})]


def test_a_call_may_begin_without_input_or_with_all_of_it() -> None:
    bare = {"type": "tool_use", "id": "t1", "name": "read"}
    without = played(begin(), start(0, **bare), delta(0, "input_json_delta", partial_json="{}"), *finish("tool_use"))
    whole = played(begin(), start(0, **bare, input=READ), stop(0), *finish("tool_use"))
    assert without.calls == [ToolCallRequested("t1", "read", {})]
    assert whole.calls == [ToolCallRequested("t1", "read", READ)]


def test_calls_without_ids_or_with_the_same_one_get_their_own() -> None:
    result = played(
        begin(), *tool(0, "t", '{"a":1}'), *tool(1, "t", '{"a":2}'), *tool(2, "", '{"a":3}'), *finish("tool_use")
    )
    assert len({call.call_id for call in result.calls}) == 3 and all(call.call_id for call in result.calls)


@pytest.mark.parametrize("written", ['{"path": "a', "[1]", "7", "nonsense"])
def test_arguments_that_are_no_object_are_told_as_misread(written: str) -> None:
    (call,) = played(begin(), *tool(0, "t1", written), *finish("tool_use")).calls
    assert call == ToolCallRequested("t1", "read", {}, "its arguments are not valid JSON")


@pytest.mark.parametrize("reason", ["max_tokens", "refusal"])
@pytest.mark.parametrize("written", ['{"path": "a', ""])
def test_a_call_that_was_cut_is_left_out(written: str, reason: str) -> None:
    result = played(begin(), *tool(0, "t1", '{"path":"a.txt"}'), *tool(1, "t2", written), *finish(reason))
    assert result.calls == [ToolCallRequested("t1", "read", READ)]
    assert result.stop == reason


def test_a_whole_call_stays_though_the_message_was_cut_behind_it() -> None:
    result = played(begin(), *tool(0, "t1"), *text(1, "and th"), *finish("max_tokens"))
    assert result.calls == [ToolCallRequested("t1", "read", {})]


# The end


@pytest.mark.parametrize(
    ("reason", "stopped"),
    [
        ("end_turn", "end_turn"),
        ("stop_sequence", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("pause_turn", "pause"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "max_tokens"),
        ("a reason of tomorrow", "end_turn"),
        (None, "end_turn"),
    ],
)
def test_why_it_ended_is_told(reason: str | None, stopped: str) -> None:
    assert played(begin(), *text(0, "a"), *finish(reason)).stop == stopped


def test_a_full_context_window_is_a_fault_where_nothing_was_said() -> None:
    decoder = AnthropicDecoder("a")
    events = [begin(input_tokens=9), *thinking(0, "Hm", "s"), *finish("model_context_window_exceeded", output_tokens=3)]
    told = [event for one in events for event in heard(decoder, one)]
    assert UsageSoFar(9, 3) in told, "what it cost is told before it fails"
    with pytest.raises(ServerFault) as fault:
        decoder.end()
    assert fault.value.body == {"error": {"type": "model_context_window_exceeded", "message": WINDOW_EXCEEDED}}


def test_tools_are_used_whatever_the_server_calls_the_end() -> None:
    assert played(begin(), *tool(0, "t1", '{"a":1}'), *finish("end_turn")).stop == "tool_use"


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_a_stream_that_ends_inside_of_the_message_is_cut(kept: int) -> None:
    with pytest.raises(StreamCut):
        played(*[begin(), *text(0, "a", "b"), *finish("end_turn")][:kept])


def test_a_stream_may_end_behind_the_reason_of_the_end() -> None:
    result = played(begin(), *text(0, "a"), *finish("max_tokens")[:1])
    assert (result.text, result.stop) == ("a", "max_tokens")


def test_the_decoder_says_when_nothing_more_comes() -> None:
    decoder = AnthropicDecoder("a")
    for event in [begin(), *text(0, "a"), finish("end_turn")[0]]:
        heard(decoder, event)
        assert not decoder.complete
    heard(decoder, {"type": "message_stop"})
    assert decoder.complete


def test_a_decoder_is_gone_as_soon_as_nobody_has_it() -> None:
    decoder = AnthropicDecoder("a")
    heard(decoder, begin())
    gone = weakref.ref(decoder)
    gc.disable()
    try:
        del decoder
        assert gone() is None, "it waits for the garbage collector, with all that it has read"
    finally:
        gc.enable()


# Usage


def test_usage_is_told_at_once_and_later_counts_replace_former_ones() -> None:
    result = played(
        begin(input_tokens=10, cache_read_input_tokens=200, cache_creation_input_tokens=30, output_tokens=1),
        *text(0, "a"),
        *finish("end_turn", output_tokens=44, output_tokens_details={"thinking_tokens": 12}),
    )
    told = [event for event in result.events if isinstance(event, UsageSoFar)]
    assert told == [UsageSoFar(240, 1, 200, 30), UsageSoFar(240, 44, 200, 30, 12)]


def test_what_a_later_count_does_not_tell_stays() -> None:
    result = played(
        begin(input_tokens=10, cache_read_input_tokens=5),
        *text(0, "a"),
        *finish("end_turn", input_tokens=25, cache_read_input_tokens=None, output_tokens=3),
    )
    assert result.usage == UsageSoFar(30, 3, 5)


def test_no_usage_is_no_fault() -> None:
    bare: list[Event] = [{"type": "message_start"}, *text(0, "a"), {"type": "message_delta"}, {"type": "message_stop"}]
    assert played(*bare).usage is None


# Faults


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, None),
        ({"type": "error", "error": {"type": "api_error", "message": "Overloaded"}}, None),
        ({"error": {"code": 500, "message": "slot", "type": "server_error"}}, 500),
        ({"error": "out of memory"}, None),
    ],
)
@pytest.mark.parametrize("named", ["error", ""])
def test_an_error_in_the_stream_is_a_fault(named: str, body: Event, status: int | None) -> None:
    decoder = AnthropicDecoder("a")
    heard(decoder, begin())
    with pytest.raises(ServerFault) as fault:
        decoder.event(named, json.dumps(body).encode())
    assert fault.value.body["error"] == body["error"] and fault.value.status == status


def test_an_error_that_is_no_json_is_a_fault_too() -> None:
    with pytest.raises(ServerFault) as fault:
        AnthropicDecoder("a").event("error", b"upstream died")
    assert fault.value.body["error"] == "upstream died"


@pytest.mark.parametrize("data", [b"<html>", b"[1]", b'"a"', b"", b'{"type":"content_block_delta","delta":[1]}'])
def test_what_is_none_of_this_format_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        AnthropicDecoder("a").event("", data)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", "text", "tool_use", "text_delta", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "delta", "index", "id", "usage", "error"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
KINDS = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "ping"]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(
    ["index", "content_block", "delta", "message", "usage", "error"]), VALUES)), max_size=6))  # fmt: skip
def test_whatever_comes_nothing_else_is_raised(events: list[tuple[str, Event]]) -> None:
    decoder = AnthropicDecoder("a")
    try:
        for kind, event in events:
            heard(decoder, {"type": kind, **event})
        joined(decoder.end())
    except (ServerFault, StreamCut, ValueError):
        pass


# A message in one piece


def test_a_message_in_one_piece_is_read_as_its_stream_is() -> None:
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "t1", "name": "read", "input": READ},
    ]
    usage = {"input_tokens": 4, "output_tokens": 5}
    body = {"type": "message", "content": content, "stop_reason": "tool_use", "usage": usage}
    whole = joined(AnthropicDecoder("o").whole(body))
    streamed = play(
        AnthropicDecoder("o"),
        stream(
            begin(input_tokens=4),
            *thinking(0, "Hm.", "sig"),
            *text(1, "Hello"),
            *tool(2, "t1", json.dumps(READ)),
            *finish("tool_use", output_tokens=5),
        ),
    )
    assert whole.message == streamed.message and whole.message.reasoning is not None
    assert (whole.usage, whole.stop, whole.calls) == (streamed.usage, streamed.stop, streamed.calls)


def test_an_error_in_one_piece_is_a_fault() -> None:
    with pytest.raises(ServerFault) as fault:
        AnthropicDecoder("a").whole({"type": "error", "error": {"type": "not_found_error", "message": "model: x"}})
    assert fault.value.body["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("body", [None, [], "a", {"choices": []}, {"content": "text"}])
def test_a_body_that_is_no_message_is_refused(body: Any) -> None:
    with pytest.raises(ValueError):
        AnthropicDecoder("a").whole(body)


# What goes back


def items(*events: Event) -> list[dict[str, Any]] | None:
    state = played(*events).reasoning
    return None if state is None else state.items


def test_a_plain_response_leaves_nothing_behind() -> None:
    assert items(begin(), *thinking(0, "Hm"), *text(1, "a"), *tool(2, "t", "{}"), *finish("tool_use")) is None


def test_the_last_signature_of_a_thought_counts() -> None:
    assert items(begin(), *thinking(0, "Hm", "one", "two"), *text(1, "abc"), *finish("end_turn")) == [
        {"kind": "thought", "chars": 2, "extra": {"signature": "two"}},
        {"kind": "text", "chars": 3},
    ]


def test_a_thought_that_nobody_may_read_keeps_its_place() -> None:
    redacted = {"type": "redacted_thinking", "data": "EmwKAhgB"}
    assert items(
        begin(), *thinking(0, "", "sig"), start(1, **redacted), stop(1), *tool(2, "t", "{}"), *finish("tool_use")
    ) == [
        {"kind": "thought", "chars": 0, "extra": {"signature": "sig"}},
        {"kind": "opaque", "extra": {"block": redacted}},
        {"kind": "tool", "call_id": "t"},
    ]


def test_two_thoughts_that_follow_each_other_stay_two() -> None:
    assert items(begin(), *thinking(0, "ab", "s0"), *thinking(1, "cde", "s1"), *finish("end_turn")) == [
        {"kind": "thought", "chars": 2, "extra": {"signature": "s0"}},
        {"kind": "thought", "chars": 3, "extra": {"signature": "s1"}},
    ]


def test_a_signature_that_comes_behind_the_answer_belongs_to_its_own_thought() -> None:
    assert items(
        begin(),
        start(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="Hm"),
        start(1, type="text", text=""),
        delta(1, "text_delta", text="a"),
        delta(0, "signature_delta", signature="late"),
        stop(0),
        stop(1),
        *finish("end_turn"),
    ) == [{"kind": "thought", "chars": 2, "extra": {"signature": "late"}}, {"kind": "text", "chars": 1}]


def test_an_empty_signature_goes_back_too() -> None:
    assert items(begin(), *thinking(0, "Hm", ""), *finish("end_turn")) == [
        {"kind": "thought", "chars": 2, "extra": {"signature": ""}}
    ]


def test_what_the_servers_own_tools_did_is_kept_whole() -> None:
    searched = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result"}]}
    summary = {"type": "compaction", "content": None}
    assert items(
        begin(),
        start(0, **searched),
        delta(0, "input_json_delta", partial_json='{"query":'),
        delta(0, "input_json_delta", partial_json='"acp"}'),
        stop(0),
        start(1, **found),
        stop(1),
        start(2, **summary),
        delta(2, "compaction_delta", content="What "),
        delta(2, "compaction_delta", content="was."),
        stop(2),
        *finish("pause_turn"),
    ) == [
        {"kind": "opaque", "extra": {"block": {**searched, "input": {"query": "acp"}}}},
        {"kind": "opaque", "extra": {"block": found}},
        {"kind": "opaque", "extra": {"block": {**summary, "content": "What was."}}},
    ]


def test_what_else_a_call_has_goes_back_with_it() -> None:
    by_code = {"type": "code_execution_20260521", "tool_id": "s1"}
    assert items(begin(), *tool(0, "t", "{}", caller=by_code), *finish("tool_use")) == [
        {"kind": "tool", "call_id": "t", "extra": {"caller": by_code}}
    ]
    assert items(begin(), *tool(0, "t", "{}", caller={"type": "direct"}), *finish("tool_use")) is None


def test_a_call_that_was_left_out_is_not_kept_either() -> None:
    assert items(begin(), *thinking(0, "Hm", "s"), *tool(1, "t", '{"a'), *finish("max_tokens")) == [
        {"kind": "thought", "chars": 2, "extra": {"signature": "s"}}
    ]


def test_texts_that_cannot_be_told_apart_any_more_are_not_kept_in_pieces() -> None:
    result = played(
        begin(),
        *thinking(0, "Hm", "s"),
        start(1, type="text", text=""),
        start(2, type="text", text=""),
        delta(2, "text_delta", text="b"),
        delta(1, "text_delta", text="a"),
        *finish("end_turn"),
    )
    assert (result.text, result.reasoning) == ("ba", None)
