"""Chunks that are like the one before are read quickly, and mean what they would mean if they were read slowly."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.client.client import RemoteAgent
from agent_server.client.receiving import ChunkReader
from agent_server.client.services import ClientServices
from agent_server.jsonrpc import Notification, Peer
from agent_server.protocol.v1.methods import SESSION_UPDATE
from agent_server.transport.memory import memory_pair

TEXTS = st.text(max_size=12) | st.sampled_from(["text", "agent_message_chunk", "s", ",", ":", "}", chr(34), "\\", "é"])


def chunk(text: Any, *, session: Any = "s", kind: Any = "agent_message_chunk", **more: Any) -> bytes:
    update = {"sessionUpdate": kind, "content": {"type": "text", "text": text}, **more}
    return orjson.dumps(
        {"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": session, "update": update}}
    )


def decoded(frame: bytes) -> Notification:
    message = Peer().receive(frame)
    assert isinstance(message, Notification)
    return message


def reader_of(*frames: bytes) -> ChunkReader:
    reader = ChunkReader()
    for frame in frames:
        reader.learn(frame, decoded(frame))
    return reader


@pytest.mark.parametrize("kind", ["agent_message_chunk", "agent_thought_chunk"])
@given(texts=st.lists(TEXTS, min_size=2, max_size=4), text=TEXTS)
def test_what_is_read_quickly_is_what_the_model_reads(kind: str, texts: list[str], text: str) -> None:
    reader = reader_of(*(chunk(before, kind=kind, messageId="1") for before in texts))
    frame = chunk(text, kind=kind, messageId="1")
    quick, slow = reader.read(frame), SESSION_UPDATE.validate(decoded(frame).params)
    if quick is not None:
        assert (quick.session_id, quick.update) == (slow.session_id, slow.update)


@given(inner=st.binary(max_size=12) | TEXTS.map(orjson.dumps).flatmap(lambda a: TEXTS.map(lambda b: a + b.encode())))
def test_only_a_json_string_is_taken_for_a_text(inner: bytes) -> None:
    reader = reader_of(chunk("one"), chunk("two"))
    frame = chunk("@@").replace(b'"@@"', inner)
    quick = reader.read(frame)
    try:
        text = orjson.loads(inner)
    except ValueError:
        text = None
    assert (quick is not None) == isinstance(text, str)
    if quick is not None:
        assert quick.update == SESSION_UPDATE.validate(decoded(frame).params).update


@pytest.mark.parametrize("first", ["one", "text", "agent_message_chunk", "s"])
def test_from_the_third_chunk_on_a_message_is_read_quickly(first: str) -> None:
    reader = reader_of(chunk(first), chunk(first), chunk("two"))
    read = reader.read(chunk("three"))
    assert read is not None
    assert read.update.content.text == "three"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "other",
    [
        chunk("x", session="t"),
        chunk("x", messageId="2"),
        chunk("x", kind="agent_thought_chunk"),
        chunk("x").replace(b'"2.0"', b'"1.0"'),
        chunk("x")[:-1] + b',"id":1}',
        chunk("x")[:-1],
        chunk("x")[:90],
        b"",
    ],
)
def test_a_frame_that_differs_elsewhere_is_read_slowly(other: bytes) -> None:
    assert reader_of(chunk("one"), chunk("two")).read(other) is None


@pytest.mark.parametrize(
    "odd",
    [
        chunk("x", session=1),
        chunk("x", session=None),
        chunk("x", kind=["agent_message_chunk"]),
        chunk("x", kind="plan"),
        chunk(7),
        chunk("x", _meta={"a": []}),
        chunk("x", content="x"),
        chunk("x", content={"type": "image", "text": "x"}),
        chunk("x", content={"type": "text", "text": "x", "annotations": {}}),
        b'{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":[]}}',
        b'{"jsonrpc":"2.0","method":"session/update"}',
        b'{"jsonrpc":"2.0","method":"other","params":{}}',
    ],
)
def test_what_is_not_plain_is_not_learned(odd: bytes) -> None:
    reader = reader_of(odd, odd, odd)
    assert reader.read(odd) is None


def test_an_agent_whose_chunks_are_never_alike_is_looked_at_a_few_times_only() -> None:
    def frame(number: int) -> bytes:
        return chunk("x")[:-1] + b',"extra":%d}' % number

    reader = reader_of(*(frame(number) for number in range(2)))
    assert reader.read(frame(1)) is not None
    reader.learn(frame(2), decoded(frame(2)))
    assert reader.read(frame(2)) is None


def test_a_burst_is_told_in_its_order_whatever_comes_between() -> None:
    other = b'{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":%b}}'
    frames = [
        *(chunk(text) for text in ("a", "b", "c", "\u00e9")),
        chunk("d").replace(b'"d"', b"7"),
        chunk("e", session="unknown"),
        other % b'{"sessionUpdate":"tool_call","toolCallId":"1","title":"t"}',
        b"garbage",
        *(chunk(text) for text in ("f", "g")),
    ]

    async def body() -> list[str]:
        remote = RemoteAgent(memory_pair()[0], ClientServices())
        session = remote._registry.opened("s")
        heard: list[str] = []
        session.establish(["/"], lambda update: heard.append(getattr(update, "title", None) or update.content.text))  # type: ignore[union-attr]
        remote.connection.receive_frames(list(frames))
        assert [message.text for message in session.transcript.messages] == ["abc\u00e9", "fg"]
        return heard

    assert asyncio.run(body()) == ["a", "b", "c", "\u00e9", "t", "f", "g"]
