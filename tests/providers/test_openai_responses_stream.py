"""What comes of a stream of Responses, whatever the server leaves out, repeats or adds."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.providers.openai_responses import OpenAIResponsesFormat
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

USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 20},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 30},
}


def decoder() -> Decoder:
    endpoint = Endpoint("somewhere", "openai-responses", "http://127.0.0.1/v1")
    return OpenAIResponsesFormat().decoder(ModelRequest("a-model", []), endpoint)


def sse(*events: dict[str, Any], named: bool = True) -> bytes:
    lines = []
    for event in events:
        name = f"event: {event['type']}\n".encode() if named else b""
        lines.append(name + b"data: " + orjson.dumps(event) + b"\n\n")
    return b"".join(lines)


def heard(*events: dict[str, Any]) -> Played:
    """The same comes of it whole, in fragments, without names outside of the data, and with a proxy's last word."""
    played = play(decoder(), sse(*events))
    assert play(decoder(), sse(*events), 7) == played
    assert play(decoder(), sse(*events, named=False) + b"data: [DONE]\n\n") == played
    return played


def of(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


def ended(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return of(status, response={"status": status, "error": None, "incomplete_details": None, **fields})


def message(text: str, item_id: str | None = "msg_1", **fields: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    item = {"type": "message", "role": "assistant", "status": "completed", "content": content, **fields}
    return item if item_id is None else {**item, "id": item_id}


def function(arguments: str, call_id: str = "a", item_id: str | None = "fc_1", name: str = "read", **more: Any) -> Any:
    item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, **more}
    return item if item_id is None else {**item, "id": item_id}


def delta(text: str, item_id: str = "msg_1", kind: str = "output_text", index: int = 0) -> dict[str, Any]:
    return of(f"{kind}.delta", item_id=item_id, output_index=index, delta=text)


def added(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return of("output_item.added", output_index=index, item=item)


def done(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return of("output_item.done", output_index=index, item=item)


def arguments(piece: str, item_id: str = "fc_1", index: int = 0) -> dict[str, Any]:
    return of("function_call_arguments.delta", item_id=item_id, output_index=index, delta=piece)


def without_indexes(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in event.items() if key != "output_index"} for event in events]


def without_ids(*events: dict[str, Any]) -> list[dict[str, Any]]:
    stripped = []
    for event in events:
        item = {key: value for key, value in event.get("item", {}).items() if key != "id"}
        kept = {key: value for key, value in event.items() if key != "item_id"}
        stripped.append({**kept, "item": item} if item else kept)
    return stripped


TWO = [ToolCallRequested("a", "read", {"path": "x"}), ToolCallRequested("b", "list", {})]
TWO_INTERLEAVED = [
    added(function("", "a", "fc_1")),
    added(function("", "b", "fc_2", "list"), 1),
    arguments('{"path":'),
    arguments("{", "fc_2", 1),
    arguments('"x"}'),
    arguments("}", "fc_2", 1),
    of("function_call_arguments.done", item_id="fc_1", output_index=0, arguments='{"path":"x"}'),
    done(function('{"path":"x"}', "a", "fc_1")),
    done(function("{}", "b", "fc_2", "list"), 1),
]


def test_text_streams_and_ends_the_turn() -> None:
    played = heard(
        of("created", response={"status": "in_progress", "usage": None}),
        of("in_progress", response={"status": "in_progress"}),
        added({"type": "message", "id": "msg_1", "content": []}),
        of("content_part.added", item_id="msg_1", part={"type": "output_text", "text": ""}),
        delta("Hel"),
        delta("lo"),
        of("output_text.done", item_id="msg_1", text="Hello"),
        of("content_part.done", item_id="msg_1", part={"type": "output_text", "text": "Hello"}),
        done(message("Hello")),
        ended(output=[message("Hello")], usage=USAGE),
    )
    usage = UsageSoFar(100, 50, 60, 20, 30)
    assert played.events == [TextDelta("Hel"), TextDelta("lo"), usage, Finished("end_turn")]


def test_a_call_is_told_when_it_begins_and_as_soon_as_it_is_done() -> None:
    one = decoder()
    first = (added(function("")), arguments('{"path":'), arguments('"x"}'))
    told = [event for said in first for event in one.event("", orjson.dumps(said))]
    assert told == [ToolCallBegun(TWO[0].call_id, TWO[0].name)]
    assert list(one.event("", orjson.dumps(done(function('{"path":"x"}'))))) == [TWO[0]]
    one.event("", orjson.dumps(ended()))
    assert list(one.end()) == [Finished("tool_use")]


@pytest.mark.parametrize("change", [list, without_indexes, without_ids])
def test_interleaved_calls_are_told_apart_by_their_ids_or_their_indexes(change: Any) -> None:
    events = change(*TWO_INTERLEAVED) if change is not list else TWO_INTERLEAVED
    played = heard(*events, ended())
    assert played.calls == TWO and played.stop == "tool_use"


def test_ids_that_change_from_event_to_event_lose_nothing() -> None:
    events = []
    for number, event in enumerate(TWO_INTERLEAVED):
        changed = {**event, "item_id": f"x{number}"} if "item_id" in event else event
        events.append({**changed, "item": {**changed["item"], "id": f"x{number}"}} if "item" in changed else changed)
    output = [function('{"path":"x"}', "a", "y"), function("{}", "b", "z", "list")]
    assert heard(*events, ended(output=output)).calls == TWO


def test_everything_may_be_done_only_at_the_end() -> None:
    events = without_indexes(
        added({"type": "message", "id": "msg_1", "content": []}),
        delta("a"),
        added(function("")),
        arguments('{"path":"x"}'),
        done(message("a")),
        done(function('{"path":"x"}')),
    )
    played = heard(*events, ended(output=[message("a"), function('{"path":"x"}')]))
    assert (played.text, played.calls) == ("a", TWO[:1])


def test_the_arguments_of_the_done_item_count() -> None:
    played = heard(added(function("")), arguments('{"path":"?'), done(function('{"path":"x"}')), ended())
    assert played.calls == TWO[:1]


def test_what_no_event_said_is_taken_from_the_whole_response() -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    played = heard(ended(output=[reasoning, message("a"), function('{"path":"x"}')]))
    assert (played.thought, played.text, played.calls, played.stop) == ("hm", "a", TWO[:1], "tool_use")


def test_the_whole_response_repeats_nothing_even_without_ids() -> None:
    events = without_ids(delta("a"), added(function("")), arguments('{"path":"x"}'), done(function('{"path":"x"}')))
    played = heard(*events, ended(output=[message("a", None), function('{"path":"x"}', item_id=None)]))
    assert (played.text, played.calls) == ("a", TWO[:1])


def test_a_call_that_was_never_done_is_told_with_what_was_streamed() -> None:
    assert heard(added(function("")), arguments('{"path":"x"}'), ended()).calls == TWO[:1]


def test_arguments_that_are_no_json_are_told_so_and_never_run() -> None:
    played = heard(done(function('{"path": x}')), ended())
    assert played.calls == [ToolCallRequested("a", "read", {}, "its arguments are not valid JSON")]
    assert played.stop == "tool_use"


def test_of_a_response_that_was_cut_off_the_unfinished_call_is_dropped() -> None:
    cut = ended("incomplete", incomplete_details={"reason": "max_output_tokens"})
    unfinished = function('{"path":"y', "b", "fc_2", status="incomplete")
    for events in ([done(unfinished, 1)], [added(function("", "b", "fc_2"), 1), arguments("", "fc_2", 1)]):
        played = heard(done(function('{"path":"x"}')), *events, cut)
        assert (played.calls, played.stop) == (TWO[:1], "max_tokens")


def test_a_call_without_a_name_or_an_id_is_never_run() -> None:
    (call,) = heard(done({"type": "function_call", "arguments": "{}"}), ended()).calls
    assert call.call_id and call.name and call.misread == "it does not say which tool is meant"


def test_a_call_that_is_incomplete_is_not_run_though_its_arguments_can_be_read() -> None:
    played = heard(done(function("", status="incomplete")), ended())
    assert (played.calls, played.stop) == ([], "max_tokens")


@pytest.mark.parametrize(
    "fields",
    [
        {"output": [message("a", status="incomplete")]},
        {"max_output_tokens": 50, "usage": USAGE},
    ],
    ids=["by its item", "by the numbers"],
)
def test_a_response_that_is_called_complete_although_it_was_cut_off_is_found_out(fields: dict[str, Any]) -> None:
    assert heard(delta("a"), done(message("a", status="incomplete")), ended(**fields)).stop == "max_tokens"
    assert heard(delta("a"), ended(max_output_tokens=51, usage=USAGE)).stop == "end_turn"


@pytest.mark.parametrize(
    ("why", "reason"), [("max_output_tokens", "max_tokens"), ("content_filter", "refusal"), (None, "max_tokens")]
)
def test_an_incomplete_response_says_why(why: str | None, reason: str) -> None:
    details = None if why is None else {"reason": why}
    assert heard(delta("a"), ended("incomplete", incomplete_details=details)).stop == reason


def test_a_refusal_is_shown_and_is_one() -> None:
    played = heard(delta("I will ", kind="refusal"), delta("not.", kind="refusal"), ended())
    assert played.events == [TextDelta("I will "), TextDelta("not."), Finished("refusal")]
    item = {"type": "message", "id": "msg_1", "content": [{"type": "refusal", "refusal": "No."}]}
    assert heard(done(item), ended()).events == [TextDelta("No."), Finished("refusal")]


@pytest.mark.parametrize("kind", ["reasoning_summary_text", "reasoning_text"])
def test_thoughts_are_summaries_or_the_thoughts_themselves(kind: str) -> None:
    played = heard(delta("h", "rs_1", kind), delta("m", "rs_1", kind), delta("a", index=1), ended())
    assert played.events == [ThoughtDelta("h"), ThoughtDelta("m"), TextDelta("a"), Finished("end_turn")]


def test_thoughts_that_are_told_both_ways_are_told_once() -> None:
    played = heard(
        delta("hm", "rs_1", "reasoning_text"), delta("short", "rs_1", "reasoning_summary_text"), delta("a"), ended()
    )
    assert played.thought == "hm"


def test_a_stream_without_a_last_event_is_cut() -> None:
    for body in (b"", b"data: [DONE]\n\n", sse(delta("a"), done(message("a"))), sse(delta("a")) + b"data: [DONE]\n\n"):
        with pytest.raises(StreamCut):
            play(decoder(), body)


def test_nothing_that_matters_comes_behind_the_last_event() -> None:
    one = decoder()
    one.event("", orjson.dumps(delta("a")))
    assert not one.complete
    one.event("", orjson.dumps(ended()))
    assert one.complete


def test_a_failed_response_is_an_error_with_its_code() -> None:
    error = {"code": "rate_limit_exceeded", "message": "Please try again in 11.054s."}
    with pytest.raises(ServerFault) as caught:
        heard(delta("a"), ended("failed", error=error))
    assert caught.value.body == {"error": error} and caught.value.status is None
    with pytest.raises(ServerFault):
        heard(ended("failed"))


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"type": "error", "code": "server_error", "message": "no", "param": None, "sequence_number": 3}, None),
        ({"type": "error", "error": {"type": "server_error", "message": "no"}}, None),
        ({"type": "error", "status": 429, "error": {"type": "rate_limit_error", "message": "no"}}, 429),
        ({"error": {"message": "no", "code": 503}}, 503),
    ],
)
def test_an_error_event_is_an_error_in_whatever_shape(event: dict[str, Any], status: int | None) -> None:
    for name in ("error", ""):
        with pytest.raises(ServerFault) as caught:
            decoder().event(name, orjson.dumps(event))
        assert caught.value.body["error"]["message"] == "no" and caught.value.status == status


def test_what_is_not_known_means_nothing() -> None:
    played = heard(
        of("web_search_call.searching", item_id="ws_1"),
        done({"type": "web_search_call", "id": "ws_1", "status": "completed"}),
        of("output_text.annotation.added", item_id="msg_1", annotation={}),
        of("something.new", delta=7),
        delta("a"),
        delta(""),
        ended(output=[{"type": "web_search_call", "id": "ws_1"}, message("a")]),
    )
    assert played.events == [TextDelta("a"), Finished("end_turn")]


def test_a_response_in_one_piece_is_read_as_well() -> None:
    body = {"object": "response", "status": "completed", "output": [message("a"), function('{"path":"x"}')]}
    played = joined(decoder().whole({**body, "usage": USAGE}))
    assert (played.text, played.calls, played.stop) == ("a", TWO[:1], "tool_use")
    assert played.usage == UsageSoFar(100, 50, 60, 20, 30)


def test_an_error_in_one_piece_is_an_error_and_anything_else_is_refused() -> None:
    with pytest.raises(ServerFault):
        decoder().whole({"error": {"message": "no"}})
    bodies: list[Any] = [{"detail": "not found"}, [], "text", None, {"output": [7]}]
    for body in bodies:
        with pytest.raises(ValueError):
            decoder().whole(body)


@pytest.mark.parametrize("data", [b"<html>", b"7", b"[]", b'{"type":"response.completed"}'])
def test_what_is_no_event_is_refused_as_a_value(data: bytes) -> None:
    with pytest.raises(ValueError):
        decoder().event("", data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "reasoning", "function_call"]) | JSON},
    optional=dict.fromkeys(("id", "content", "summary", "call_id", "name", "arguments", "status"), JSON),
)
KINDS = st.sampled_from(
    [
        "output_text.delta",
        "reasoning_text.delta",
        "function_call_arguments.delta",
        "output_item.added",
        "output_item.done",
        "completed",
        "incomplete",
    ]
)
EVENTS = st.builds(
    lambda kind, fields: {**fields, "type": f"response.{kind}"},
    KINDS,
    st.fixed_dictionaries(
        {},
        optional={
            "item": ITEMS,
            "delta": JSON,
            "item_id": JSON,
            "output_index": JSON,
            "response": st.fixed_dictionaries({}, optional={"output": st.lists(ITEMS), "usage": JSON, "status": JSON}),
        },
    ),
)


@given(said=st.lists(JSON | EVENTS | EVENTS, max_size=4))
def test_nothing_that_a_server_says_is_a_surprise(said: list[Any]) -> None:
    one = decoder()
    try:
        for value in said:
            one.event("", json.dumps(value).encode())
        one.end()
    except (ValueError, ServerFault, StreamCut):
        pass
