"""The wire format of Google Gemini: POST {base}/{version}/models/{model}:streamGenerateContent. Pure.

Quirks of an endpoint that it knows:

- ``v1``: the stable version of the API is asked. Otherwise it is ``v1beta``, because that serves the models in preview
  too, knows every field, and is what gateways and test servers offer. ``v1beta`` may be said too.
- ``budget``: its models are told by a number of tokens how much to think. Google's own up to Gemini 2.5, which are
  known by their names, always are.
"""

from __future__ import annotations

from urllib.parse import quote

from agent_server.providers.gemini_request import body_of
from agent_server.providers.gemini_stream import GeminiDecoder
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.wire import Endpoint, WireRequest, origin_of


class GeminiFormat:
    """Speaks Gemini's generateContent; see `agent_server.providers.wire.WireFormat`."""

    def request(self, request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> WireRequest:
        """How the request is written."""
        version = "v1" if "v1" in endpoint.quirks else "v1beta"
        model = request.model if "/" in request.model else f"models/{request.model}"
        path = f"/{version}/{quote(model)}:streamGenerateContent?alt=sse"
        return WireRequest(path, body_of(request, endpoint, info))

    def decoder(self, request: ModelRequest, endpoint: Endpoint) -> GeminiDecoder:
        """What reads the response to it."""
        seed = f"{request.session_id} {len(request.messages)}"
        return GeminiDecoder(origin_of(request, endpoint), seed)

    def key_headers(self, key: str, endpoint: Endpoint) -> dict[str, str]:
        """The header that carries the key."""
        return {"x-goog-api-key": key}
