"""What a line means: ids, envelopes, responses, depth, and that both parsers read alike."""

from __future__ import annotations

import math
import re
import string
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from agent_server.jsonrpc.messages import (
    BIG_FRAME_BYTES,
    MAX_DEPTH,
    MAX_ID_CHARS,
    Failure,
    Notification,
    Request,
    Success,
    Violation,
    decode,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
    leading_id,
    unread,
)

PADDING = b" " * (BIG_FRAME_BYTES + 1)
INT64_MAX = 2**63 - 1

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(string.printable, max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


def nested(levels: int) -> bytes:
    """Arrays in arrays, ``levels`` deep."""
    return b"[" * levels + b"]" * levels


def reply_of(message: object) -> dict[str, Any]:
    """The error that is sent for a violation."""
    assert isinstance(message, Violation), message
    assert message.reply is not None
    reply: dict[str, Any] = orjson.loads(message.reply)
    assert reply["id"] == message.request_id
    assert reply["error"]["data"]["details"]
    return reply


def refusal(frame: bytes) -> tuple[int, Any]:
    """Code and id of the error that a frame is answered with."""
    reply = reply_of(decode(frame))
    return reply["error"]["code"], reply["id"]


@pytest.mark.spec("N-20")
@pytest.mark.req("JR-16")
@pytest.mark.parametrize(
    "text", ['"a"', '""', '"Ünï 🚀"', "0", "-1", str(INT64_MAX), str(-(2**63)), "null", '"\\u0000"']
)
def test_an_id_is_echoed_exactly(text: str) -> None:
    message = decode(b'{"jsonrpc":"2.0","id":%b,"method":"m"}' % text.encode())
    assert isinstance(message, Request)
    assert message.id == orjson.loads(text)
    assert type(message.id) is type(orjson.loads(text))
    for answer in (encode_result(message.id, b"{}"), encode_error(message.id, -32603, "no")):
        assert orjson.loads(answer)["id"] == message.id
        assert type(orjson.loads(answer)["id"]) is type(message.id)


@pytest.mark.spec("D-55")
@pytest.mark.req("JR-14")
@pytest.mark.parametrize("padding", [b"", PADDING], ids=["small", "big"])
@pytest.mark.parametrize(
    "text",
    ["true", "false", "1.5", "1.0", "1e3", str(2**63), str(2**64), str(2**70), "-9223372036854775809", "[]", "{}"],
)
def test_an_id_of_another_type_is_refused_without_an_id(text: str, padding: bytes) -> None:
    assert refusal(b'{"jsonrpc":"2.0","id":%b,"method":"m"}%b' % (text.encode(), padding)) == (-32600, None)


def test_a_string_id_too_long_to_echo_is_refused_without_an_id() -> None:
    longest = b"x" * MAX_ID_CHARS
    message = decode(b'{"jsonrpc":"2.0","id":"%b","method":"m"}' % longest)
    assert isinstance(message, Request)
    assert refusal(b'{"jsonrpc":"2.0","id":"%bx","method":"m"}' % longest) == (-32600, None)


@pytest.mark.req("JR-14")
@pytest.mark.req("JR-17")
@pytest.mark.promise("P7")
@pytest.mark.parametrize("padding", [b"", PADDING], ids=["small", "big"])
@pytest.mark.parametrize(
    "frame",
    [b"{", b"nope", b'{"a":1}}', b"\xff\xfe", b'{"id":1,"method":"\xff"}', b'{"id":1 "method":"m"}', b"NaN", b"\x00",
     b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":NaN}}', b'{"a":"\\ud800"}', b"\xef\xbb\xbf{}", b"'a'"],
)  # fmt: skip
def test_what_is_not_json_is_a_parse_error_without_an_id(frame: bytes, padding: bytes) -> None:
    assert refusal(frame + padding) == (-32700, None)


@pytest.mark.req("JR-14")
@pytest.mark.promise("P7")
@pytest.mark.parametrize("padding", [b"", PADDING], ids=["small", "big"])
@pytest.mark.parametrize("frame", [b"1", b"null", b'"text"', b"true", b"1.5"])
def test_what_is_no_object_is_refused_without_an_id(frame: bytes, padding: bytes) -> None:
    assert refusal(frame + padding) == (-32600, None)


@pytest.mark.spec("D-05")
@pytest.mark.req("JR-14")
@pytest.mark.promise("P7")
@pytest.mark.parametrize("frame", [b"[]", b"[1]", b'[{"jsonrpc":"2.0","id":1,"method":"initialize"}]'])
def test_a_batch_is_refused_once_and_not_looked_into(frame: bytes) -> None:
    reply = reply_of(decode(frame))
    assert (reply["error"]["code"], reply["id"]) == (-32600, None)
    assert "batch" in reply["error"]["data"]["details"]


@pytest.mark.req("JR-14")
@pytest.mark.parametrize(
    "rest", ['"method":"m"', '"jsonrpc":"1.0","method":"m"', '"jsonrpc":2.0,"method":"m"', '"jsonrpc":"2.0"',
             '"jsonrpc":"2.0","method":5', '"jsonrpc":"2.0","method":null', '"jsonrpc":"2.0","method":["m"]']
)  # fmt: skip
def test_a_broken_envelope_is_refused_with_its_id(rest: str) -> None:
    assert refusal(b'{"id":"k",%b}' % rest.encode()) == (-32600, "k")
    assert refusal(b"{%b}" % rest.encode()) == (-32600, None)


def test_params_may_be_anything_or_absent_at_this_level() -> None:
    assert decode(b'{"jsonrpc":"2.0","id":1,"method":"m"}') == Request(1, "m", None)
    assert decode(b'{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}') == Request(1, "m", [1])
    assert decode(b'{"jsonrpc":"2.0","method":"m","params":null}') == Notification("m", None)


@pytest.mark.spec("D-56")
def test_a_request_with_a_null_id_is_a_request_and_not_a_notification() -> None:
    assert decode(b'{"jsonrpc":"2.0","id":null,"method":"m"}') == Request(None, "m", None)


@pytest.mark.spec("D-57", "N-19")
@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    "frame",
    [b'{"jsonrpc":"2.0","id":1,"result":{}}', b'{"id":1,"result":null}', b'{"id":true,"result":1}', b'{"error":{}}',
     b'{"id":[],"error":5}', b'{"id":1,"error":null}', b'{"result":1}',
     b'{"jsonrpc":"9","id":1,"method":null,"result":{}}',
     b'{"id":1,"error":{"code":1,"message":"m"},"result":{}}', b'{"id":1,"result":%b}' % nested(MAX_DEPTH),
     b'{"jsonrpc":"2.0","id":1,"result":%b}' % nested(2000)],
)  # fmt: skip
def test_what_is_shaped_like_a_response_is_never_answered(frame: bytes) -> None:
    message = decode(frame)
    assert isinstance(message, Success | Failure) or (isinstance(message, Violation) and message.reply is None)


@pytest.mark.req("JR-16")
@pytest.mark.parametrize(
    "error", ["5", "[]", '"no"', "{}", '{"code":1}', '{"code":"1","message":"m"}', '{"code":1.5,"message":"m"}',
              '{"code":true,"message":"m"}', '{"code":1,"message":null}', "false", "0"]
)  # fmt: skip
def test_a_malformed_error_object_is_an_internal_error(error: str) -> None:
    message = decode(b'{"jsonrpc":"2.0","id":7,"error":%b}' % error.encode())
    assert isinstance(message, Failure)
    assert (message.id, message.code, message.data) == (7, -32603, None)


def test_an_error_object_is_read_whole() -> None:
    frame = encode_error(7, -32001, "m", {"details": "d"})
    assert decode(frame) == Failure(7, -32001, "m", {"details": "d"})


@pytest.mark.promise("P7")
@pytest.mark.parametrize("padding", [b"", PADDING], ids=["small", "big"])
def test_nesting_is_accepted_up_to_the_limit_and_refused_with_the_id_above(padding: bytes) -> None:
    deepest = MAX_DEPTH - 1  # the message itself is the first level
    frame = b'{"jsonrpc":"2.0","id":"deep","method":"m","params":%b}%b'
    assert isinstance(decode(frame % (nested(deepest), padding)), Request)
    for levels in (deepest + 1, 200, 254, 1000, 1024, 5000):
        assert refusal(frame % (nested(levels), padding)) == (-32600, "deep"), levels


def test_many_brackets_that_are_not_nested_are_no_depth() -> None:
    frame = b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":[%b]}}' % b",".join([b"[]"] * 5000)
    assert isinstance(decode(frame), Request)
    text = b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"%b"}}' % (b"[" * 5000)
    assert isinstance(decode(text), Request)


def test_an_answer_nested_too_deep_fails_the_request_instead_of_reaching_it() -> None:
    for levels in (MAX_DEPTH + 1, 2000):
        for key in (b"result", b"error"):
            message = decode(b'{"jsonrpc":"2.0","id":3,"%b":%b}' % (key, nested(levels)))
            assert isinstance(message, Failure)
            assert (message.id, message.code) == (3, -32603)


@pytest.mark.promise("P7")
@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 400])
def test_a_number_that_could_not_be_written_again_is_refused_in_big_frames_too(number: str) -> None:
    frame = b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"n":%b}}' % number.encode()
    assert refusal(frame) == (-32600, 1)
    assert refusal(frame + PADDING) == (-32600, 1)


@pytest.mark.req("JR-14")
@pytest.mark.parametrize("padding", [b"", PADDING], ids=["small", "big"])
@pytest.mark.parametrize("half", ["\\ud800", "\\udc00 tail", "\\ud800\\u0041"])
def test_a_request_with_half_of_a_surrogate_pair_is_refused_under_its_own_id(half: str, padding: bytes) -> None:
    frame = b'{"jsonrpc":"2.0","id":7,"method":"m","params":{"n":"%b"}}' % half.encode()
    assert refusal(frame + padding) == (-32600, 7)


@pytest.mark.req("JR-16")
@pytest.mark.parametrize("padding", [b"", PADDING], ids=["small", "big"])
@pytest.mark.parametrize("text", ['{"content":"\\ud800"}', '{"n":1e400}', '{"content":"cut of', "NaN}"])
def test_an_answer_that_is_not_json_fails_the_request_instead_of_leaving_it_waiting(text: str, padding: bytes) -> None:
    message = decode(b'{"jsonrpc":"2.0","id":3,"result":%b' % text.encode() + b"}" + padding)
    assert isinstance(message, Failure)
    assert (message.id, message.code) == (3, -32603)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(json_values, st.none() | st.text(string.printable) | st.integers(-(2**63), INT64_MAX), st.booleans())
def test_a_big_frame_is_read_exactly_like_a_small_one(params: Any, request_id: Any, asked: bool) -> None:
    body = {"jsonrpc": "2.0", "method": "m", "params": params} | ({"id": request_id} if asked else {})
    small = orjson.dumps(body)
    assert repr(decode(small)) == repr(decode(small + PADDING))
    result = orjson.dumps({"jsonrpc": "2.0", "id": request_id, "result": params})
    assert repr(decode(result)) == repr(decode(result + PADDING))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=60) | st.text('{}[]",:01.e-nulltrue \\', max_size=40).map(str.encode))
def test_any_bytes_are_read_alike_small_and_big_and_never_raise(noise: bytes) -> None:
    assume(not re.search(rb"\d{19}|[eE]\+?0*[1-9]\d\d", noise))  # such numbers may be refused otherwise in big frames
    for frame in (noise, b'{"jsonrpc":"2.0","id":4,"method":"m","params":%b}' % noise):
        small, big = decode(frame), decode(frame + PADDING)
        assert type(small) is type(big)
        if isinstance(small, Violation):
            assert reply_of(small)["error"]["code"] == reply_of(big)["error"]["code"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(json_values, st.integers(0, 200), st.booleans())
def test_whatever_is_accepted_can_be_written_again(value: Any, levels: int, big: bool) -> None:
    """F3: what is read is echoed, logged and replayed; nothing is let in that orjson does not write."""
    text = b"[" * levels + orjson.dumps(value) + b"]" * levels
    message = decode(b'{"jsonrpc":"2.0","id":1,"method":"m","params":%b}%b' % (text, PADDING if big else b""))
    if isinstance(message, Request):
        assert orjson.loads(orjson.dumps(message.params)) == message.params
    else:
        assert reply_of(message)["id"] == 1


@given(st.floats(allow_nan=False))
def test_no_infinity_gets_in(number: float) -> None:
    text = repr(number).replace("inf", "1e999").encode()
    for padding in (b"", PADDING):
        message = decode(b'{"jsonrpc":"2.0","id":1,"method":"m","params":[%b]}%b' % (text, padding))
        assert isinstance(message, Request) is math.isfinite(number)


@pytest.mark.spec("N-13", "N-14")
def test_our_own_frames_are_single_lines_that_read_back() -> None:
    params = orjson.dumps({"text": "two\nlines\r\n\u2028"})
    for frame in (
        encode_request(1, "m", params), encode_notification("m", params), encode_result("i\n", params),
        encode_error("i\n", -32603, "a\nb", {"details": "c\nd"}),
    ):  # fmt: skip
        assert b"\n" not in frame and b"\r" not in frame
        assert not isinstance(decode(frame), Violation)


@pytest.mark.parametrize(
    ("head", "expected"),
    [(b'{"id":5,"params":', 5), (b'{"jsonrpc":"2.0","id":"a","method":"', "a"),
     (b' { "method" : "m" , "id" : -7 , "x', -7),
     (b'{"jsonrpc":"2.0","method":"m","id":12}', 12), (b'{"params":{"id":1', None), (b'{"id":true,', None),
     (b'{"id":1.5,', None), (b'{"id":9223372036854775808,', None), (b'{"id":01,', None), (b'{"id":"\xff",', None),
     (b'{"id":"a\nb",', None), (b'{"id":"a', None), (b"", None), (b"[", None), (b'{"id":null,', None)],
)  # fmt: skip
def test_the_id_is_read_from_a_beginning_where_it_leads(head: bytes, expected: object) -> None:
    assert leading_id(head) == expected


@given(st.binary(max_size=40), st.sampled_from([b'{"id":', b'{"jsonrpc":"2.0","id":"', b'{"method":"', b""]))
def test_no_beginning_of_a_message_raises(noise: bytes, start: bytes) -> None:
    message = unread(start + noise, "too long")
    assert isinstance(message, Failure) or reply_of(message)["error"]["code"] == -32600
