"""OpenAI Responses, without anything kept at the server. Pure.

The quirks that it knows, as words in `Endpoint.quirks`:

- ``no-effort``: knows no level of reasoning
- ``no-summary``: does not tell its thoughts: OpenAI itself, to organisations that it has not verified
- ``text-tool-results``: takes only text as the result of a tool
"""

from __future__ import annotations

from agent_server.providers.openai_responses_request import responses_body
from agent_server.providers.openai_responses_stream import ResponsesDecoder
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.wire import Decoder, Endpoint, WireRequest


class OpenAIResponsesFormat:
    """Implements `WireFormat`."""

    def request(self, request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> WireRequest:
        """A POST to ``/responses``; the base URL ends in what comes before it, ``/v1`` say."""
        return WireRequest("/responses", responses_body(request, endpoint, info))

    def decoder(self, request: ModelRequest, endpoint: Endpoint) -> Decoder:
        """What reads the response to it."""
        return ResponsesDecoder(request, endpoint)

    def key_headers(self, key: str, endpoint: Endpoint) -> dict[str, str]:
        """The key as a bearer token."""
        return {"authorization": f"Bearer {key}"}
