"""P7: garbage costs one frame. Over real pipes, so that the bytes are the client's own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_server.protocol.v1.initialize import AuthenticateResponse
from agent_server.transport.fds import FdTransport

from .wire import WAIT_S, Body, SmallAgent, ask, deed, on_loop, serving

OK = AuthenticateResponse()
LIMIT_BYTES = 1024 * 1024
SILENT = "silent"
NEXT = b'{"jsonrpc":"2.0","id":"next %d","method":"authenticate","params":{"methodId":"fine"}}'


def _deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def _request(rest: bytes) -> bytes:
    return b'{"jsonrpc":"2.0",%b}' % rest


HOSTILE: list[tuple[bytes, Any, int | None]] = [
    # with an id that can be read
    (_request(b'"id":1,"method":"nope/nope"'), 1, -32601),
    (_request(b'"id":2,"method":""'), 2, -32601),
    (_request(b'"id":3,"method":"_x/y","params":[1]'), 3, -32601),
    (_request(b'"id":4,"method":"session/cancel","params":{"sessionId":"s"}'), 4, -32601),
    (_request(b'"id":5,"method":5'), 5, -32600),
    (_request(b'"id":6'), 6, -32600),
    (b'{"id":7,"method":"authenticate"}', 7, -32600),
    (b'{"jsonrpc":"1.0","id":8,"method":"authenticate"}', 8, -32600),
    (b'{"jsonrpc":2.0,"id":9,"method":"authenticate"}', 9, -32600),
    (_request(b'"id":10,"method":"authenticate","params":[]'), 10, -32602),
    (_request(b'"id":11,"method":"authenticate","params":"text"'), 11, -32602),
    (_request(b'"id":12,"method":"authenticate","params":7'), 12, -32602),
    (_request(b'"id":13,"method":"authenticate"'), 13, -32602),
    (_request(b'"id":14,"method":"authenticate","params":{"methodId":5}'), 14, -32602),
    (_request(b'"id":15,"method":"session/prompt","params":{"sessionId":[],"prompt":[]}'), 15, -32602),
    (_request(b'"id":16,"method":"session/prompt","params":{"sessionId":"unknown","prompt":[]}'), 16, -32002),
    (_request(b'"id":17,"method":"authenticate","params":{"methodId":"fine","x":%b}' % _deep(127)), 17, -32600),
    (_request(b'"id":18,"method":"authenticate","params":%b' % _deep(1100)), 18, -32600),
    (_request(b'"id":19,"method":"authenticate","params":"%b"' % (b"x" * LIMIT_BYTES)), 19, -32600),
    (_request(b'"id":"\\u0000\\n","method":"nope"'), "\0\n", -32601),
    (_request(b'"id":21,"method":"\\u2028\\u0085"'), 21, -32601),
    (_request(b'"id":22,"method":"%b"' % (b"m" * 100_000)), 22, -32601),
    # without one
    (b"nope", None, -32700),
    (b"\xff\xfe\x00", None, -32700),
    (b'{"jsonrpc":"2.0","id":25,"method":"authenticate"', None, -32700),
    (b"[]", None, -32600),
    (b"42", None, -32600),
    (b"null", None, -32600),
    (_request(b'"id":true,"method":"authenticate"'), None, -32600),
    (_request(b'"id":1.5,"method":"authenticate"'), None, -32600),
    (b'[{"jsonrpc":"2.0","id":32,"method":"authenticate","params":{"methodId":"fine"}}]', None, -32600),
    # nothing to answer
    (_request(b'"id":33,"result":{"late":true}'), SILENT, None),
    (_request(b'"id":34,"error":"what"'), SILENT, None),
]  # fmt: skip

MORE_SILENT = [
    b"", b"  \t ", b"\r", _request(b'"method":"$/unknown","params":{}'), _request(b'"method":"nope"'),
    _request(b'"method":"session/prompt","params":{"sessionId":"s","prompt":[]}'),
    _request(b'"method":"session/cancel","params":{"sessionId":5}'),
    _request(b'"method":"session/cancel","params":{"sessionId":"unknown"}'),
    _request(b'"method":"session/cancel"'), _request(b'"method":"$/cancel_request","params":{"requestId":{}}'),
    _request(b'"id":null,"result":{}'), b'{"error":{"code":1,"message":"m"}}', b'{"id":true,"result":1}',
    _request(b'"id":1,"result":"%b"' % (b"x" * LIMIT_BYTES)), _request(b'"id":1,"result":%b' % _deep(2000)),
]  # fmt: skip


class PipedAgent:
    """A small agent behind two pipes."""

    def __init__(self, say_fd: int, hear_fd: int) -> None:
        self._say_fd = say_fd
        self._hear_fd = hear_fd
        self._partial = b""
        self.heard: list[Body] = []

    async def exchange(self, data: bytes, until_id: str) -> list[Body]:
        """Say these bytes; everything heard up to the answer with that id."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WAIT_S):
            saying = loop.run_in_executor(None, self._say, data)
            start = len(self.heard)
            while not any(body.get("id") == until_id for body in self.heard[start:]):
                piece = await loop.run_in_executor(None, os.read, self._hear_fd, 65536)
                assert piece, "the agent has gone"
                *lines, self._partial = (self._partial + piece).split(b"\n")
                self.heard += map(orjson.loads, lines)
            await saying
        return self.heard[start:]

    def _say(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._say_fd, data) :]


@asynccontextmanager
async def piped() -> AsyncIterator[PipedAgent]:
    their_stdin, say_fd = os.pipe()
    hear_fd, their_stdout = os.pipe()
    transport = FdTransport(their_stdin, their_stdout, limit_bytes=LIMIT_BYTES)
    agent = SmallAgent(transport, {"fine": lambda: OK})
    running = asyncio.create_task(agent.connection.run(drain_s=0))
    try:
        yield PipedAgent(say_fd, hear_fd)
    finally:
        os.close(say_fd)
        await asyncio.wait_for(running, WAIT_S)
        os.close(hear_fd)


def test_there_are_33_hostile_frames() -> None:
    assert len(HOSTILE) == 33
    assert sum(1 for _, request_id, _ in HOSTILE if request_id not in (None, SILENT)) == 22


@pytest.mark.spec("D-05", "D-55", "D-56", "D-57", "N-13")
@pytest.mark.promise("P7")
@pytest.mark.req("JR-14")
@pytest.mark.req("JR-15")
@pytest.mark.req("JR-17")
def test_each_hostile_frame_gets_exactly_its_reply_and_the_next_request_is_answered() -> None:
    async def work() -> None:
        async with piped() as agent:
            for number, (frame, request_id, code) in enumerate(HOSTILE):
                *replies, _ = await agent.exchange(frame + b"\n" + NEXT % number + b"\n", f"next {number}")
                if request_id == SILENT:
                    assert replies == [], frame[:100]
                    continue
                (reply,) = replies
                assert (reply["id"], reply["error"]["code"]) == (request_id, code), frame[:100]
                assert isinstance(reply["error"]["data"]["details"], str)
                assert len(orjson.dumps(reply)) < 1000

    on_loop(work)


@pytest.mark.promise("P7")
def test_all_hostile_frames_in_one_breath_are_answered_in_order() -> None:
    async def work() -> None:
        async with piped() as agent:
            data = b"\r\n".join(frame for frame, _, _ in HOSTILE) + b"\n" + NEXT % 0 + b"\n"
            started = time.monotonic()
            *replies, last = await agent.exchange(data, "next 0")
            assert time.monotonic() - started < 5
            expected = [(request_id, code) for _, request_id, code in HOSTILE if request_id != SILENT]
            assert [(reply["id"], reply["error"]["code"]) for reply in replies] == expected
            assert last["result"] == {}

    on_loop(work)


@pytest.mark.spec("N-19", "D-57")
@pytest.mark.promise("P7")
@pytest.mark.req("JR-15")
def test_what_wants_no_answer_gets_none() -> None:
    async def work() -> None:
        async with piped() as agent:
            for number, frame in enumerate(MORE_SILENT):
                replies = await agent.exchange(frame + b"\n" + NEXT % number + b"\n", f"next {number}")
                assert len(replies) == 1, (frame[:100], replies)

    on_loop(work)


@pytest.mark.spec("D-55")
@pytest.mark.promise("P7")
def test_a_request_id_in_flight_is_refused_with_null_and_the_first_request_goes_on() -> None:
    async def work() -> None:
        gate = asyncio.Event()

        async def patient() -> Any:
            await gate.wait()
            return OK

        async with serving({"patient": patient}) as (_agent, wire):
            wire.say(deed(1, "patient"), deed(1, "patient"), b'{"id":1,"method":"authenticate"}')
            await wire.fence()
            assert [body["error"]["code"] for body in wire.answers(None)] == [-32600, -32600]
            assert not wire.answers(1)
            gate.set()
            assert (await wire.answer(1))["result"] == {}

    on_loop(work)


@pytest.mark.spec("N-79", "D-53")
@pytest.mark.promise("P7")
@pytest.mark.req("JR-14")
@pytest.mark.req("JR-15")
def test_an_unknown_method_is_refused_with_a_sentence_that_names_it() -> None:
    async def work() -> None:
        async with serving() as (_agent, wire):
            for name in ("_example.com/method", "session/newer", "x" * 10_000):
                wire.say(ask(name[:20], name))
                error = (await wire.answer(name[:20]))["error"]
                assert error["code"] == -32601
                assert name[:50] in error["data"]["details"]
                assert len(error["data"]["details"]) < 200

    on_loop(work)


FIELDS = [
    "sessionId",
    "prompt",
    "type",
    "text",
    "protocolVersion",
    "clientCapabilities",
    "fs",
    "cwd",
    "mcpServers",
    "_meta",
]
METHODS = [
    "initialize",
    "authenticate",
    "session/prompt",
    "session/cancel",
    "session/close",
    "$/cancel_request",
    "session/new",
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.sampled_from(FIELDS), inner, max_size=5)
    ),
    max_leaves=12,
)


@pytest.mark.promise("P1")
@pytest.mark.promise("P7")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(METHODS), st.none() | json_values, st.booleans()), max_size=15))
def test_any_params_of_any_method_cost_one_error_at_most(messages: list[tuple[str, Any, bool]]) -> None:
    async def work() -> None:
        async with serving({"fine": lambda: OK}) as (_agent, wire):
            for number, (method, params, asked) in enumerate(messages):
                try:
                    raw = orjson.dumps(params)
                except TypeError:  # integers above 64 bits, surrogates
                    raw = b"null"
                head = b'{"jsonrpc":"2.0",' + (b'"id":%d,' % number if asked else b"")
                wire.say(head + b'"method":"%b","params":%b}' % (method.encode(), raw))
            await wire.fence()
            wire.say(deed("last", "fine"))
            await wire.answer("last")
            answered = [body["id"] for body in wire.heard if isinstance(body["id"], int)]
            assert sorted(answered) == [number for number, (_, _, asked) in enumerate(messages) if asked]

    on_loop(work)


@pytest.mark.promise("P7")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), max_size=10))
def test_any_bytes_are_answered_at_most_once_a_line_and_never_end_the_stream(lines: list[bytes]) -> None:
    async def work() -> None:
        async with piped() as agent:
            replies = await agent.exchange(b"\n".join([*lines, NEXT % 0]) + b"\n", "next 0")
            assert len(replies) <= len(lines) + 1
            assert all(reply["error"]["code"] in (-32700, -32600) and reply["id"] is None for reply in replies[:-1])

    on_loop(work)
