"""Asking a model at an endpoint of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from agent_server.conversation.content import TextPart
from agent_server.conversation.messages import UserMessage
from agent_server.errors import ProviderError
from agent_server.http_client.client import HttpClient
from agent_server.http_client.deadlines import Deadlines
from agent_server.providers.endpoint import EndpointProvider
from agent_server.providers.provider import Finished, ModelRequest, ProviderEvent, RetryPlanned, TextDelta
from agent_server.providers.retrying import RetryPolicy
from agent_server.providers.wire import Endpoint

KEY = "sk-test-0123456789abcdef"
SOON = RetryPolicy(first_delay_s=0.001, longest_delay_s=0.002)


@dataclass(slots=True)
class Heard:
    """What came of a request."""

    events: list[ProviderEvent] = field(default_factory=list)
    error: ProviderError | None = None

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def retries(self) -> list[RetryPlanned]:
        return [event for event in self.events if isinstance(event, RetryPlanned)]

    @property
    def finished(self) -> bool:
        return any(isinstance(event, Finished) for event in self.events)


def endpoint_at(url: str, wire: str = "openai-chat", **more: Any) -> Endpoint:
    """An endpoint with this format; of an unknown vendor."""
    return Endpoint("acme", wire, url, "Acme", key_variables=("ACME_KEY",), **more)


def a_request(model: str = "acme:m1", trace: Mapping[str, str] | None = None) -> ModelRequest:
    return ModelRequest(model, [UserMessage((TextPart("hello"),))], trace=trace)


async def ask(provider: EndpointProvider, request: ModelRequest | None = None) -> Heard:
    """Everything that one request gives."""
    heard = Heard()
    try:
        async for event in provider.stream(request or a_request()):
            heard.events.append(event)
    except ProviderError as error:
        heard.error = error
    return heard


@asynccontextmanager
async def provider_at(
    url: str,
    wire: str = "openai-chat",
    *,
    key: str | None = KEY,
    deadlines: Deadlines | None = None,
    retries: RetryPolicy = SOON,
    **more: Any,
) -> AsyncIterator[EndpointProvider]:
    """A provider with a client of its own."""
    client = HttpClient()
    try:
        endpoint = endpoint_at(url, wire, **more)
        yield EndpointProvider(endpoint, lambda: key, {}, client, deadlines=deadlines, retries=retries)
    finally:
        await client.aclose()
