"""The network, for the catalog: one client for all servers, and a backend for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from agent_server.config.settings import Settings
from agent_server.errors import ErrorKind, ProviderError
from agent_server.http_client.client import HttpClient
from agent_server.http_client.deadlines import LOCAL, Deadlines
from agent_server.http_client.failures import HttpFailure, StatusRefused
from agent_server.providers.provider import ModelInfo, Provider
from agent_server.providers.server_text import harmless
from agent_server.providers.wire import Endpoint, secrets_of

MAX_LIST_BYTES: Final = 8 * 1024 * 1024
_USUAL_HEADERS: Final = {"anthropic": {"anthropic-version": "2023-06-01"}}


class Network:
    """Implements `Outside`. ``settings`` say how patient it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = HttpClient()

    def backend(
        self, endpoint: Endpoint, key: Callable[[], str | None], infos: Callable[[str], ModelInfo | None]
    ) -> Provider:
        """Whoever asks this endpoint for responses; what that needs is loaded from now on."""
        from agent_server.providers.endpoint import EndpointProvider

        backend = EndpointProvider(endpoint, key, infos, self._client, deadlines=self._deadlines(endpoint))
        backend.warm_up()
        return backend

    async def ask(
        self, endpoint: Endpoint, url: str, key: str | None, *, body: dict[str, Any] | None, timeout_s: float
    ) -> Any:
        """The JSON that a URL of the endpoint gives, or gives for a body that is posted.

        Raises:
            ProviderError: there was none in time.
        """
        headers = {**_USUAL_HEADERS.get(endpoint.format, {}), **endpoint.headers}
        if key is not None:
            from agent_server.providers.formats import format_named

            headers.update(format_named(endpoint.format).key_headers(key, endpoint))
        posted = None
        if body is not None:
            import orjson

            posted = orjson.dumps(body)
        try:
            return await self._client.get_json(
                url, headers, timeout_s=timeout_s, limit_bytes=MAX_LIST_BYTES, local=endpoint.local, body=posted
            )
        except HttpFailure as failure:
            raise _error(failure, endpoint, secrets_of(endpoint, key)) from failure

    async def aclose(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    def _deadlines(self, endpoint: Endpoint) -> Deadlines:
        deadlines = LOCAL if endpoint.local else Deadlines()
        first, idle = self._settings.first_byte_timeout_s, self._settings.idle_stream_timeout_s
        return replace(deadlines, first_byte_s=first or deadlines.first_byte_s, idle_s=idle or deadlines.idle_s)


def _error(failure: HttpFailure, endpoint: Endpoint, secrets: tuple[str, ...]) -> ProviderError:
    """Why a server does not tell what it has, in a sentence that says nothing which it said."""
    title, status = endpoint.title or endpoint.name, None
    kind: ErrorKind = "raw"
    if not isinstance(failure, StatusRefused):
        kind, details = "unreachable", f"{title} cannot be reached: {harmless(str(failure), secrets)}."
    elif failure.status == 401 or (failure.status == 400 and endpoint.format == "gemini"):
        kind, details = "rejected_key", f"{title} rejected the key."
    elif failure.status == 403:
        kind, details = "auth_failed", f"{title} does not let this key in."
    else:
        details = f"{title} answered with the status {failure.status}."
    if isinstance(failure, StatusRefused):
        status = failure.status
    return ProviderError(kind, details, provider=endpoint.name, http_status=status)
