"""The recorded streams come over a real connection as they are read from a file, also in fragments of seven bytes.

That they are read from a file as the official SDKs read them is shown by the tests of each format.
"""

from __future__ import annotations

import pytest

from agent_server.conversation.reasoning import ReasoningState
from agent_server.providers.failures import classify
from agent_server.providers.formats import format_named
from agent_server.providers.provider import ProviderEvent, RetryPlanned
from agent_server.providers.retrying import RetryPolicy
from agent_server.providers.wire import ServerFault
from tests.agent.scripted_client import in_loop
from tests.providers.asked import a_request, ask, endpoint_at, provider_at
from tests.providers.cassettes import Recorded, streams
from tests.providers.fault_server import LAST_CHUNK, Play, chunk, fault_server, head, says
from tests.providers.played import joined, play

FORMATS = {"chat": "openai-chat", "messages": "anthropic", "responses": "openai-responses", "gemini": "gemini"}
WHOLE, SEVEN = "whole", "seven bytes at a time"


def played_back(body: bytes, how: str) -> Play:
    """The server sends the recording. A chunk of the transfer coding is what the client gets to see at once."""
    if how == WHOLE:
        return says(head(content_length=str(len(body))), body)
    chunks = b"".join(chunk(body[start : start + 7]) for start in range(0, len(body), 7))
    return says(head(transfer_encoding="chunked"), chunks + LAST_CHUNK)


def told(events: list[ProviderEvent]) -> list[ProviderEvent]:
    """What an origin is called is another matter."""
    return [ReasoningState("", event.items) if isinstance(event, ReasoningState) else event for event in events]


@pytest.mark.parametrize("how", [WHOLE, SEVEN])
@pytest.mark.parametrize("recorded", streams(*FORMATS))
@in_loop
async def test_a_recorded_stream_arrives_as_it_was_sent(recorded: Recorded, how: str) -> None:
    assert recorded.expected is not None
    wire = FORMATS[recorded.expected["kind"]]
    async with fault_server(played_back(recorded.body, how)) as server:
        endpoint = endpoint_at(server.url, wire)
        decoder = format_named(wire).decoder(a_request("m1"), endpoint)
        try:
            expected, fault = play(decoder, recorded.body), None
        except ServerFault as raised:
            expected, fault = None, classify(raised, endpoint)
        async with provider_at(server.url, wire, retries=RetryPolicy(retries=0)) as provider:
            heard = await ask(provider)
        assert len(server.received) == 1
    if expected is not None:
        assert heard.error is None
        assert told(joined(heard.events).events) == told(expected.events)
    else:
        assert heard.error is not None and fault is not None
        assert (heard.error.kind, heard.error.details) == (fault.kind, fault.details)
    assert not any(isinstance(event, RetryPlanned) for event in heard.events)
