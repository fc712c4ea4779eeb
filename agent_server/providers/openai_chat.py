"""OpenAI Chat Completions, and everything that speaks it. Pure.

The quirks that it knows, as words in `Endpoint.quirks`:

- ``max-completion-tokens``: the longest answer is said in the newer field
- ``no-stream-options``: refuses requests that ask for the usage
- ``no-effort``: knows no level of reasoning
- ``openrouter-reasoning``: takes the level of reasoning inside of an object
- ``thinking-switch``: no level turns its reasoning off, but a field of its own does
- ``send-reasoning``: wants the thoughts of turns with tool calls sent back
- ``cache-key``: keeps requests of one session together for its cache
- ``short-call-ids``: takes only ids of tool calls that have nine letters or digits
"""

from __future__ import annotations

from agent_server.providers.openai_chat_request import chat_body
from agent_server.providers.openai_chat_stream import ChatDecoder
from agent_server.providers.provider import ModelInfo, ModelRequest
from agent_server.providers.wire import Decoder, Endpoint, WireRequest


class OpenAIChatFormat:
    """Implements `WireFormat`."""

    def request(self, request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> WireRequest:
        """A POST to ``/chat/completions``; the base URL ends in what comes before it, ``/v1`` say."""
        return WireRequest("/chat/completions", chat_body(request, endpoint, info))

    def decoder(self, request: ModelRequest, endpoint: Endpoint) -> Decoder:
        """What reads the response to it."""
        return ChatDecoder(request, endpoint)

    def key_headers(self, key: str, endpoint: Endpoint) -> dict[str, str]:
        """The key as a bearer token."""
        return {"authorization": f"Bearer {key}"}
