"""What a response of Google Gemini comes to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.conversation.content import ImagePart
from agent_server.providers.gemini import GeminiFormat
from agent_server.providers.gemini_stream import ENDINGS, FAILURES, MADE_ID, NO_ANSWER, GeminiDecoder
from agent_server.providers.provider import (
    ModelRequest,
    PartDelta,
    TextDelta,
    ThoughtDelta,
    ToolCallRequested,
    UsageSoFar,
)
from agent_server.providers.wire import Endpoint, ServerFault, StreamCut
from tests.providers.played import Played, joined, play

Chunk = dict[str, Any]
READ = {"path": "a.txt"}


def chunk(*parts: Chunk, reason: str | None = None, usage: Chunk | None = None, **more: Any) -> Chunk:
    candidate: Chunk = {"index": 0}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if reason:
        candidate["finishReason"] = reason
    return {"candidates": [candidate | more], "responseId": "r1"} | ({"usageMetadata": usage} if usage else {})


def text(said: str, **more: Any) -> Chunk:
    return {"text": said, **more}


def call(name: str = "read", args: Any = READ, **more: Any) -> Chunk:
    return {"functionCall": {"name": name, "args": args, **more}}


def stream(*chunks: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in chunks)


def decoder() -> GeminiDecoder:
    return GeminiDecoder("gemini:g", "seed")


def played(*chunks: Chunk) -> Played:
    return play(decoder(), stream(*chunks))


def test_text_and_thoughts_are_told_as_they_come() -> None:
    result = played(chunk(text("Hm", thought=True)), chunk(text("Hel")), chunk(text("lo"), text("!"), reason="STOP"))
    assert result.events[:-1] == [ThoughtDelta("Hm"), TextDelta("Hel"), TextDelta("lo"), TextDelta("!")]
    assert (result.stop, result.reasoning) == ("end_turn", None)


def test_what_is_not_known_is_left_out() -> None:
    result = played(
        {"modelVersion": "g"},
        {"candidates": []},
        chunk(text("a", colour="red"), {"videoMetadata": {}, "text": "b"}, groundingMetadata={}),
        chunk(reason="STOP", urlContextMetadata={}),
    )
    assert result.text == "ab"


def test_other_candidates_are_not_mixed_in() -> None:
    both = chunk(text("one"), reason="STOP")
    both["candidates"].append(chunk(text("two"), reason="MAX_TOKENS")["candidates"][0])
    assert (played(both).text, played(both).stop) == ("one", "end_turn")


def test_images_of_the_model_are_parts_of_the_answer() -> None:
    image, sound = ({"inlineData": {"mimeType": kind, "data": "aQ=="}} for kind in ("image/png", "audio/wav"))
    result = played(chunk(image, sound, reason="STOP"))
    assert result.events[:-1] == [PartDelta(ImagePart("aQ==", "image/png"))]


# Tool calls


def test_calls_are_told_whole_in_one_chunk_or_in_many() -> None:
    result = played(
        chunk(call(id="c1"), call(args={}, id="c2")), chunk(call("list", args=None, id="c3")), chunk(reason="STOP")
    )
    assert result.calls == [
        ToolCallRequested("c1", "read", READ),
        ToolCallRequested("c2", "read", {}),
        ToolCallRequested("c3", "list", {}),
    ]
    assert result.stop == "tool_use"


def test_a_call_without_arguments_has_none() -> None:
    (asked,) = played(chunk({"functionCall": {"name": "read", "id": "c1"}}, reason="STOP")).calls
    assert asked == ToolCallRequested("c1", "read", {})


@pytest.mark.parametrize("args", ["{}", [1], 7])
def test_arguments_that_are_no_object_are_told_as_misread(args: Any) -> None:
    (asked,) = played(chunk(call(args=args, id="c1"), reason="STOP")).calls
    assert asked == ToolCallRequested("c1", "read", {}, "its arguments are not valid JSON")


def made_ids(chunks: list[Chunk], *, messages: int = 1, session_id: str = "s") -> list[str]:
    request = ModelRequest("g", [None] * messages, session_id=session_id)  # type: ignore[list-item]
    reader = GeminiFormat().decoder(request, Endpoint("gemini", "gemini", "https://x"))
    return [asked.call_id for asked in play(reader, stream(*chunks)).calls]


def test_calls_without_ids_get_ids_of_their_own_that_are_the_same_each_time() -> None:
    twice = [chunk(call(), call()), chunk(call(), reason="STOP")]
    found = made_ids(twice)
    assert len(set(found)) == 3 and all(one.startswith(MADE_ID) for one in found)
    assert found == made_ids(twice)


def test_made_ids_differ_between_responses_and_between_requests() -> None:
    same = [chunk(call(), reason="STOP")]
    other = [{**same[0], "responseId": "r2"}]
    nameless = [{key: value for key, value in same[0].items() if key != "responseId"}]
    found = [made_ids(same), made_ids(other), made_ids(nameless), made_ids(nameless, messages=3)]
    assert len({one for (one,) in found}) == 4


# The end


def test_every_reason_of_the_end_of_the_api_has_its_meaning() -> None:
    types = pytest.importorskip("google.genai.types")
    unsaid = {"FINISH_REASON_UNSPECIFIED", "OTHER", "IMAGE_OTHER", "NO_IMAGE"}
    assert {reason.value for reason in types.FinishReason} == {*ENDINGS, *FAILURES, *unsaid} - {"FUNCTION_CALL"}
    assert not set(ENDINGS) & set(FAILURES)


@pytest.mark.parametrize("reason", ENDINGS)
def test_why_it_ended_is_told(reason: str) -> None:
    assert played(chunk(text("a"), reason=reason)).stop == ENDINGS[reason]


def test_what_was_blocked_without_a_word_is_a_refusal() -> None:
    assert played(chunk(reason="SAFETY")).stop == "refusal"
    assert played({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {}}).stop == "refusal"


@pytest.mark.parametrize("reason", ["OTHER", "FINISH_REASON_UNSPECIFIED", "A_REASON_OF_TOMORROW"])
def test_an_end_without_a_reason_is_an_end_only_where_something_was_said(reason: str) -> None:
    assert played(chunk(text("a"), reason=reason)).stop == "end_turn"
    assert played(chunk(call(id="c"), reason=reason)).stop == "tool_use"
    image = {"inlineData": {"mimeType": "image/png", "data": "aQ=="}}
    assert played(chunk(image, reason=reason)).stop == "end_turn"
    with pytest.raises(ServerFault) as fault:
        played(chunk(text("only thought", thought=True), reason=reason))
    assert fault.value.body == {"error": {"status": reason, "message": NO_ANSWER}}


@pytest.mark.parametrize("reason", FAILURES)
def test_a_failure_is_told_in_the_servers_words_or_in_ours_and_behind_what_it_cost(reason: str) -> None:
    reader = decoder()
    told = reader.event("", json.dumps(chunk(text("a"), reason=reason, usage={"promptTokenCount": 7})).encode())
    assert told == [TextDelta("a"), UsageSoFar(7)]
    with pytest.raises(ServerFault) as fault:
        reader.end()
    assert fault.value.body == {"error": {"status": reason, "message": FAILURES[reason]}}
    with pytest.raises(ServerFault) as fault:
        played(chunk(reason=reason, finishMessage="Malformed function call: print("))
    assert fault.value.body["error"]["message"] == "Malformed function call: print("


def test_a_stream_without_a_reason_of_its_end_is_cut() -> None:
    cut: list[list[Chunk]] = [[], [chunk(text("a"))], [{"candidates": []}]]
    for chunks in cut:
        with pytest.raises(StreamCut):
            played(*chunks)


def test_what_comes_behind_the_reason_of_the_end_still_counts() -> None:
    reader = decoder()
    reader.event("", json.dumps(chunk(text("a"), reason="STOP")).encode())
    assert not reader.complete
    result = played(chunk(text("a"), reason="STOP"), {"usageMetadata": {"promptTokenCount": 3}})
    assert (result.usage, result.stop) == (UsageSoFar(3), "end_turn")


def test_a_reason_that_was_told_stays_told() -> None:
    assert played(chunk(text("a"), reason="MAX_TOKENS"), chunk(text(""))).stop == "max_tokens"
    reason = "MALFORMED_FUNCTION_CALL"
    with pytest.raises(ServerFault) as fault:
        played(chunk(reason=reason, finishMessage="in its words"), chunk(reason=reason))
    assert fault.value.body == {"error": {"status": reason, "message": "in its words"}}


def test_the_end_of_another_format_means_nothing() -> None:
    assert play(decoder(), stream(chunk(text("a"), reason="STOP")) + b"data: [DONE]\n\n").text == "a"


# Usage


def test_thoughts_are_part_of_what_was_written_and_tools_of_what_was_read() -> None:
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "toolUsePromptTokenCount": 7,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 5,
        "totalTokenCount": 132,
    }
    result = played(chunk(text("a"), reason="STOP", usage=usage))
    assert result.usage == UsageSoFar(
        input_tokens=107, output_tokens=25, cached_read_tokens=60, cached_write_tokens=0, thought_tokens=5
    )


def test_the_last_counts_are_the_ones_that_count() -> None:
    first, last = {"promptTokenCount": 15, "candidatesTokenCount": 9}, {"promptTokenCount": 13}
    assert played(chunk(text("a"), usage=first), chunk(reason="STOP", usage=last)).usage == UsageSoFar(13, 0)


# Faults

OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize("body", [OVERLOADED, [OVERLOADED]])
def test_an_error_is_a_fault_with_the_status_that_it_names(body: Any) -> None:
    for raising in (lambda: played(chunk(text("a")), body), lambda: decoder().whole(body)):
        with pytest.raises(ServerFault) as fault:
            raising()
        assert (fault.value.body, fault.value.status) == (OVERLOADED, 503)


def test_an_event_that_is_called_an_error_is_one() -> None:
    with pytest.raises(ServerFault) as fault:
        decoder().event("error", b"upstream died")
    assert fault.value.body == {"error": "upstream died"}


@pytest.mark.parametrize("data", [b"<html>", b"", b'"a"', b"7", b'{"candidates":{"a":1}}', b'{"candidates":["a"]}'])
def test_what_is_none_of_this_format_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decoder().event("", data)


FIELDS = ["candidates", "content", "parts", "text", "thought", "functionCall", "finishReason", "usageMetadata", "error",
          "inlineData", "thoughtSignature", "promptFeedback", "promptTokenCount", "name", "args"]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", "STOP", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, min_size=1, max_size=3),
    max_leaves=14,
)
PARTS = st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3), max_size=3)


@given(st.lists(VALUES | PARTS.map(lambda parts: chunk(*parts, reason="STOP")), max_size=4))
def test_whatever_comes_nothing_else_is_raised(chunks: list[Any]) -> None:
    reader = decoder()
    try:
        for one in chunks:
            list(reader.event("", json.dumps(one).encode()))
        joined(reader.end())
    except (ServerFault, StreamCut, ValueError):
        pass


# A response in one piece


def test_a_response_in_one_piece_is_read_as_its_stream_is() -> None:
    parts = [text("Hm", thought=True), text("Hello", thoughtSignature="s"), call(id="c1")]
    usage = {"promptTokenCount": 3}
    streamed = played(*[chunk(part) for part in parts], chunk(reason="STOP", usage=usage))
    for body in (chunk(*parts, reason="STOP", usage=usage), [chunk(*parts), chunk(reason="STOP", usage=usage)]):
        whole = joined(decoder().whole(body))
        assert whole.message == streamed.message and whole.message.reasoning is not None
        assert (whole.usage, whole.stop) == (streamed.usage, streamed.stop)


@pytest.mark.parametrize("body", [None, "a", 7, ["a"], {"candidates": 7}])
def test_a_body_that_is_no_response_is_refused(body: Any) -> None:
    with pytest.raises(ValueError):
        decoder().whole(body)


def test_a_body_without_an_answer_is_cut() -> None:
    with pytest.raises(StreamCut):
        decoder().whole({})


# What goes back


def items(*chunks: Chunk) -> list[dict[str, Any]] | None:
    state = played(*chunks, chunk(reason="STOP")).reasoning
    assert state is None or state.origin == "gemini:g"
    return None if state is None else state.items


def test_a_signature_belongs_to_the_part_that_it_came_with() -> None:
    signed = call(id="c1") | {"thoughtSignature": "sc"}
    assert items(chunk(text("ab", thought=True)), chunk(text("cd"), signed, call(id="c2"))) == [
        {"kind": "thought", "chars": 2},
        {"kind": "text", "chars": 2},
        {"kind": "tool", "call_id": "c1", "extra": {"thoughtSignature": "sc"}},
        {"kind": "tool", "call_id": "c2"},
    ]


def test_what_is_signed_stays_apart_from_what_is_not() -> None:
    assert items(
        chunk(text("ab")),
        chunk(text("c")),
        chunk(text("de", thoughtSignature="s1")),
        chunk(text("fgh")),
        chunk(text("", thoughtSignature="s2")),
    ) == [
        {"kind": "text", "chars": 3},
        {"kind": "text", "chars": 2, "extra": {"thoughtSignature": "s1"}},
        {"kind": "text", "chars": 3},
        {"kind": "text", "chars": 0, "extra": {"thoughtSignature": "s2"}},
    ]


def test_a_signature_without_any_text_is_kept_and_a_part_without_anything_is_not() -> None:
    assert items(chunk(text("a"), {}, text("")), chunk({"thoughtSignature": "s"})) == [
        {"kind": "text", "chars": 1},
        {"kind": "text", "chars": 0, "extra": {"thoughtSignature": "s"}},
    ]


def test_what_the_servers_own_tools_did_is_kept_whole() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "s"}
    done = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}
    assert items(chunk(code), chunk(done, text("1"))) == [
        {"kind": "opaque", "extra": {"part": code}},
        {"kind": "opaque", "extra": {"part": done}},
        {"kind": "text", "chars": 1},
    ]


def test_a_plain_response_leaves_nothing_behind() -> None:
    assert items(chunk(text("Hm", thought=True)), chunk(text("a"), call())) is None
