"""The road between a format and its server: one request, its answer, and what is done when it fails."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Final

import orjson

from agent_server.errors import ProviderError
from agent_server.http_client.answer import Answer
from agent_server.http_client.client import HttpClient
from agent_server.http_client.deadlines import LOCAL, Deadlines
from agent_server.http_client.failures import HttpFailure
from agent_server.providers.formats import format_named, module_of
from agent_server.providers.provider import (
    ModelInfo,
    ModelRequest,
    ProviderEvents,
    RetryPlanned,
    SimpleProvider,
    UsageSoFar,
)
from agent_server.providers.response_reading import ResponseReader
from agent_server.providers.retrying import RetryPolicy
from agent_server.providers.wire import Decoder, Endpoint, ServerFault, StreamCut, WireFormat, secrets_of

MAX_ERROR_BYTES: Final = 64 * 1024
ERROR_BODY_S: Final = 10.0

_log = logging.getLogger(__name__)

_TRACE_HEADERS: Final = ("traceparent", "tracestate", "baggage")


class EndpointProvider(SimpleProvider):
    """Serves the models of one endpoint. Implements `Provider`.

    Args:
        endpoint: where it is, and what it speaks.
        key: gives the key as it is now, or None; asked before every request.
        models: what is known of a model, by the whole id that clients use (``name:model``); of others nothing is known.
        client: sends the requests; it is not closed here.
        deadlines: how long the server may take; by default longer for this machine's own.
        retries: when a request is sent again.
        wire_format: speaks with it, instead of the format that the endpoint names.
    """

    language_model = True
    system_prompts = True
    source = "builtin"

    def __init__(
        self,
        endpoint: Endpoint,
        key: Callable[[], str | None],
        models: Mapping[str, ModelInfo] | Callable[[str], ModelInfo | None],
        client: HttpClient,
        *,
        deadlines: Deadlines | None = None,
        retries: RetryPolicy | None = None,
        wire_format: WireFormat | None = None,
    ) -> None:
        self.id = endpoint.name
        self._endpoint = endpoint
        self._key = key
        self._models = models
        self._client = client
        self._deadlines = deadlines or (LOCAL if endpoint.local else Deadlines())
        self._retries = retries or RetryPolicy()
        self._format = wire_format

    def warm_up(self) -> None:
        """Begin to load what the first request needs, beside the event loop."""
        endpoint = self._endpoint
        modules = (module_of(endpoint.format), "agent_server.providers.failures")
        self._client.warm_up(modules, plain=endpoint.base_url.startswith("http:"))

    def models(self) -> Sequence[ModelInfo]:
        """The models that are known, where they were given as a table; else one that has the endpoint's name."""
        known = tuple(self._models.values()) if isinstance(self._models, Mapping) else ()
        return known or (ModelInfo(self.id, self._endpoint.title or self.id),)

    async def stream(self, request: ModelRequest) -> ProviderEvents:
        """Send the request and give the response as it comes.

        Sent again is only what nothing has come of, and each time that is told before it is waited for (Req: TN-13).

        Raises:
            ProviderError: the model could not answer, or there is no key although one is needed.
        """
        posted = self._posted(request)
        attempt = 0
        fresh = False
        while True:
            untouched = True
            failure: ProviderError
            try:
                async with posted.send(fresh=fresh) as answer:
                    if answer.status != 200:
                        raise await _fault(answer)
                    reader = ResponseReader(answer, posted.decoder())
                    while (heard := await reader.heard()) is not None:
                        for event in heard:
                            untouched = untouched and type(event) is UsageSoFar
                            yield event
                return
            except HttpFailure as error:
                if error.stale and not fresh:
                    fresh = True
                    continue
                failure = posted.failure(error)
            except (ServerFault, StreamCut, ValueError) as error:
                failure = posted.failure(error)
            attempt += 1
            delay_s = self._retries.delay_s(failure, attempt, _chance()) if untouched else None
            if delay_s is None:
                raise failure
            _log.info("%s is asked again in %.1f s (%s): %s", self.id, delay_s, failure.kind, failure.raw)
            yield RetryPlanned(attempt, delay_s, failure.kind, failure.details)
            await asyncio.sleep(delay_s)

    def _posted(self, request: ModelRequest) -> _Posted:
        endpoint = self._endpoint
        key = self._key()
        if endpoint.needs_key and not key:
            from agent_server.providers.failures import missing_key

            raise missing_key(endpoint)
        info = self._info(request.model)
        wire = self._format = self._format or format_named(endpoint.format)
        own = replace(request, model=request.model.removeprefix(f"{endpoint.name}:"))
        return _Posted(self._client, endpoint, wire, own, info, key, self._deadlines)

    def _info(self, model: str) -> ModelInfo:
        found = self._models.get(model) if isinstance(self._models, Mapping) else self._models(model)
        return found or ModelInfo(model, model)


class _Posted:
    """One request, as it is written, which may be sent several times."""

    def __init__(
        self,
        client: HttpClient,
        endpoint: Endpoint,
        wire: WireFormat,
        request: ModelRequest,
        info: ModelInfo,
        key: str | None,
        deadlines: Deadlines,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._wire = wire
        self._request = request
        self._deadlines = deadlines
        self._key = key
        written = wire.request(request, endpoint, info)
        self._url = endpoint.base_url + written.path
        key_headers = wire.key_headers(key, endpoint) if key else {}
        self._headers = {
            "accept": "text/event-stream, application/json",
            "content-type": "application/json",
            **_trace_headers(request.trace or {}),
            **_lower(written.headers),
            **_lower(endpoint.headers),
            **_lower(key_headers),
        }
        self._body = _json(written.body)

    def send(self, *, fresh: bool) -> AbstractAsyncContextManager[Answer]:
        """Send it; ``fresh``: by a new connection."""
        return self._client.open(
            "POST",
            self._url,
            headers=self._headers,
            body=self._body,
            deadlines=self._deadlines,
            local=self._endpoint.local,
            fresh=fresh,
        )

    def decoder(self) -> Decoder:
        """What reads one answer to it."""
        return self._wire.decoder(self._request, self._endpoint)

    def failure(self, error: Exception) -> ProviderError:
        """Why there was no answer."""
        from agent_server.http_client.proxies import proxy_secrets
        from agent_server.providers.failures import classify

        secrets = (*secrets_of(self._endpoint, self._key), *proxy_secrets())
        return classify(error, self._endpoint, key_sent=bool(self._key), secrets=secrets, now_s=time.time())


def _chance() -> float:
    import random

    return random.random()  # noqa: S311 - nothing depends on its being hard to guess


async def _fault(answer: Answer) -> ServerFault:
    """What a server says instead of a response; as much of it as comes soon."""
    body = b""
    try:
        async with asyncio.timeout(ERROR_BODY_S):
            body = await answer.read(MAX_ERROR_BYTES, cut=True)
    except (TimeoutError, HttpFailure):
        pass  # the status says enough
    return ServerFault(body, answer.status, answer.headers)


def _json(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # half an emoji, or a number beyond 64 bits
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _trace_headers(trace: Mapping[str, str]) -> dict[str, str]:
    """They come from the client: one that no header may hold is left out."""
    known = {name: trace[name] for name in _TRACE_HEADERS if trace.get(name)}
    return {name: value for name, value in known.items() if value.isascii() and value.isprintable()}
