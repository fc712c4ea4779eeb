"""Text between a prefix and a suffix, dictionaries, models: three ways to the same bytes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from agent_server.agent.features import Features, initialize_result
from agent_server.conversation.content import TextPart
from agent_server.protocol.v1.content import TextContent
from agent_server.protocol.v1.initialize import InitializeResponse
from agent_server.protocol.v1.session import NewSessionResponse
from agent_server.protocol.v1.updates import AgentMessageChunk, AgentThoughtChunk, SessionNotification
from agent_server.providers.provider import PartDelta, TextDelta, ThoughtDelta

from .puppets import PuppetModel
from .scripted_client import ScriptedClient, house, in_loop, one_client

TEXTS = (
    "plain",
    'quotes " and \\ back',
    "line\nend\ttab\r",
    "\0\x01\x1f\x7f",
    "\u2028\u2029\ufeff",
    "ümläut 漢字 😀",
    "</script>",
    "x" * 10_000,
)


def kept(client: ScriptedClient) -> list[bytes]:
    """The frames that the client gets from now on, as they are."""
    raw: list[bytes] = []
    receive = client.receive_frames

    def keep(frames: list[bytes | bytearray]) -> None:
        raw.extend(bytes(frame) for frame in frames)
        receive(frames)

    client.receive_frames = keep  # type: ignore[method-assign]
    return raw


@pytest.mark.req("JR-19", "TN-06")
@in_loop
async def test_a_chunk_is_the_same_bytes_by_prefix_by_dictionary_and_by_model(tmp_path: Path) -> None:
    """Text that is streamed goes by prefix, the same text as a part of a message by dictionary."""
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        raw = kept(client)
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.finish(1, *(e for text in TEXTS for e in (TextDelta(text), PartDelta(TextPart(text)))))
        await client.answer(prompt)
        assert len(raw) == 2 * len(TEXTS) + 3, "the title, the time and the answer come last"
        for text, by_prefix, by_dictionary in zip(TEXTS, raw[::2], raw[1::2], strict=False):
            message_id = orjson.loads(by_prefix)["params"]["update"]["messageId"]
            chunk = AgentMessageChunk(content=TextContent(text=text), message_id=message_id)
            params = SessionNotification(session_id=session_id, update=chunk).to_json()
            by_model = b'{"jsonrpc":"2.0","method":"session/update","params":%b}' % params
            assert by_prefix == by_dictionary == by_model


@pytest.mark.req("JR-19", "TN-06")
@in_loop
async def test_a_thought_is_the_same_bytes_by_prefix_and_by_model(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        raw = kept(client)
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.finish(1, *(ThoughtDelta(text) for text in TEXTS))
        await client.answer(prompt)
        for text, by_prefix in zip(TEXTS, raw, strict=False):
            message_id = orjson.loads(by_prefix)["params"]["update"]["messageId"]
            chunk = AgentThoughtChunk(content=TextContent(text=text), message_id=message_id)
            params = SessionNotification(session_id=session_id, update=chunk).to_json()
            assert by_prefix == b'{"jsonrpc":"2.0","method":"session/update","params":%b}' % params


def test_the_answer_to_initialize_is_the_bytes_that_its_model_would_give() -> None:
    result = initialize_result(Features(), {})
    assert orjson.dumps(result) == InitializeResponse.model_validate(result).to_json()


@in_loop
async def test_the_answers_to_initialize_and_to_a_new_session_are_the_models_bytes(tmp_path: Path) -> None:
    async with house(PuppetModel()) as made:
        client = made.join()
        raw = kept(client)
        for method, params, model in (
            ("initialize", {"protocolVersion": 1, "clientCapabilities": {}}, InitializeResponse),
            ("session/new", {"cwd": str(tmp_path), "mcpServers": []}, NewSessionResponse),
        ):
            request = client.request(method, **params)
            answer = await client.answer(request)
            result = model.model_validate(answer["result"])
            assert raw[-1] == b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (request, result.to_json())
