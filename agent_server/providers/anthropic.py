"""The wire format of Anthropic Messages: POST {base}/v1/messages. Pure.

Quirks of an endpoint that it knows:

- ``bearer``: the key is sent as ``Authorization: Bearer``, not as ``x-api-key``.
- ``budget``: its models are told by a number of tokens how much to think. Older models of Anthropic's own, which are
  known by their names, always are.
"""

from __future__ import annotations

from typing import Final

from agent_server.providers.anthropic_request import body_of
from agent_server.providers.anthropic_stream import AnthropicDecoder
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.wire import Endpoint, WireRequest, origin_of

VERSION_HEADER: Final = "anthropic-version"
DEFAULT_VERSION: Final = "2023-06-01"
"""The one that every server of this format knows; an endpoint's own header replaces it."""


class AnthropicFormat:
    """Speaks Anthropic Messages; see `agent_server.providers.wire.WireFormat`."""

    def request(self, request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> WireRequest:
        """How the request is written."""
        named = {name.lower(): value for name, value in endpoint.headers.items()}
        version = named.get(VERSION_HEADER, DEFAULT_VERSION)
        return WireRequest("/v1/messages", body_of(request, endpoint, info), {VERSION_HEADER: version})

    def decoder(self, request: ModelRequest, endpoint: Endpoint) -> AnthropicDecoder:
        """What reads the response to it."""
        return AnthropicDecoder(origin_of(request, endpoint))

    def key_headers(self, key: str, endpoint: Endpoint) -> dict[str, str]:
        """The header that carries the key."""
        return {"authorization": f"Bearer {key}"} if "bearer" in endpoint.quirks else {"x-api-key": key}
