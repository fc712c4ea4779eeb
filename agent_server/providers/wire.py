"""What a wire format is: how a request is written in it, and how its stream is read. Pure.

A format knows nothing of connections, keys in transit, deadlines and retries: it makes a `WireRequest`, and its decoder
turns the events of one response into what the agent loop hears.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from agent_server.providers.provider import ModelInfo, ModelRequest, ProviderEvent

FORMATS: Final = ("anthropic", "openai-chat", "openai-responses", "gemini")

GO_ON: Final = "(go on)"
"""Said in the user's place where a format wants the user to speak and nobody did."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where models are served, and in which format.

    Attributes:
        name: the provider's word: ``anthropic``, ``openrouter``, ``ollama``, or one of the user's own.
        format: one of `FORMATS`.
        base_url: what the format's paths are put behind; no slash at its end.
        title: what people call it.
        headers: sent with every request, besides what the format needs.
        quirks: words for what this server does otherwise; the formats say which they know.
        key_variables: the environment variables that may hold its key, the first that is set wins.
        needs_key: whether it is of no use without a key.
        local: whether it is this machine's own: no proxy, no keep-alive.
    """

    name: str
    format: str
    base_url: str
    title: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    quirks: frozenset[str] = frozenset()
    key_variables: tuple[str, ...] = ()
    needs_key: bool = True
    local: bool = False


@dataclass(slots=True)
class WireRequest:
    """A request to be posted: ``path`` goes behind the endpoint's base URL, ``body`` is plain JSON values."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


class StreamCut(Exception):
    """The stream ended before the response did."""


class ServerFault(Exception):
    """The server answered with an error, inside of a stream or instead of one.

    ``body`` is what it said, decoded from JSON where it was that. ``status`` is the HTTP status; None inside a stream,
    unless the error names one itself. ``headers`` have lower-case names.
    """

    def __init__(self, body: Any, status: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__("the server answered with an error")
        self.body = body
        self.status = status
        self.headers = headers or {}


class Decoder(Protocol):
    """Reads one response.

    ``complete``: nothing that matters comes any more, so the stream need not be read to its end.
    """

    complete: bool

    def event(self, name: str, data: bytes) -> Sequence[ProviderEvent]:
        """What one event of the stream means.

        Raises:
            ServerFault: it is an error.
            ValueError: it is no JSON, or none of this format.
        """

    def end(self) -> Sequence[ProviderEvent]:
        """What is known only now that the stream has ended. The last of them is `Finished`.

        Raises:
            StreamCut: it ended before the response did, or there was nothing in it.
            ServerFault: how it ended is an error; what was spent is told by then.
        """

    def whole(self, body: Any) -> Sequence[ProviderEvent]:
        """What a response means that came in one piece, though a stream was asked for; with the end of it.

        Raises:
            ServerFault: it is an error.
            ValueError: it is none of this format.
        """


class WireFormat(Protocol):
    """One way of speaking with models over HTTP."""

    def request(self, request: ModelRequest, endpoint: Endpoint, info: ModelInfo) -> WireRequest:
        """How the request is written. ``request.model`` is the model's id as the server knows it."""

    def decoder(self, request: ModelRequest, endpoint: Endpoint) -> Decoder:
        """What reads the response to it."""

    def key_headers(self, key: str, endpoint: Endpoint) -> dict[str, str]:
        """The headers that carry the key."""


def origin_of(request: ModelRequest, endpoint: Endpoint) -> str:
    """Who gives the response: what must be the same for its signatures to be sent back."""
    return f"{endpoint.name}:{request.model}"


def secrets_of(endpoint: Endpoint, key: str | None) -> tuple[str, ...]:
    """What is sent to an endpoint and must not come back: its key, and whatever the user's own headers hold."""
    own = [part for value in endpoint.headers.values() for part in (value, *value.split())]
    return tuple(dict.fromkeys(filter(None, (key, *own))))


def fitting_call_id(call_id: str, allowed: re.Pattern[str]) -> str:
    """An id of a tool call that the server takes: its own, or, of another server's making, one that stands for it."""
    if allowed.fullmatch(call_id):
        return call_id
    return hashlib.blake2b(call_id.encode("utf-8", "replace"), digest_size=5).hexdigest()[:9]
