"""Reading one response from the connection: what the agent loop hears, as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent_server.http_client.answer import Answer
from agent_server.providers.json_reading import json_of
from agent_server.providers.provider import ProviderEvent
from agent_server.providers.sse import EventDecoder
from agent_server.providers.wire import Decoder, ServerFault, StreamCut

MAX_WHOLE_BYTES: Final = 32 * 1024 * 1024
SHOWN_BYTES: Final = 2000


class ResponseReader:
    """Reads a response with status 200, whether it streams or comes in one piece: its first byte tells."""

    def __init__(self, answer: Answer, decoder: Decoder) -> None:
        self._answer = answer
        self._decoder = decoder
        self._cutter = EventDecoder()
        self._failure: Exception | None = None
        self._begun = False
        self._ended = False

    async def heard(self) -> Sequence[ProviderEvent] | None:
        """What the next bytes mean, which may be nothing yet; None behind the end of the response.

        Raises:
            HttpFailure: the connection broke, or a deadline passed.
            ServerFault: the server tells an error.
            StreamCut: the stream ended before the response did.
            ValueError: it is no response of this format.
        """
        if self._failure is not None:
            raise self._failure
        if self._ended:
            return None
        chunk = await self._answer.chunk()
        if not self._begun and chunk:
            start = chunk.lstrip()
            if not start:
                return ()
            self._begun = True
            if start[:1] in b"{[<":
                return await self._whole(start)
        return self._heard_in(chunk) if chunk else self._end()

    def _heard_in(self, chunk: bytes) -> Sequence[ProviderEvent]:
        cutter, decoder = self._cutter, self._decoder
        lines = cutter.lines
        events = cutter.feed(chunk)
        if cutter.lines != lines:  # comments are a sign of life too
            self._answer.alive()
        heard: list[ProviderEvent] = []
        try:
            for name, data in events:
                heard += decoder.event(name, data)
                if decoder.complete:
                    self._ended = True
                    heard += decoder.end()
                    break
        except (ServerFault, StreamCut, ValueError) as failure:
            return self._first(heard, failure)
        return heard

    def _first(self, heard: list[ProviderEvent], failure: Exception) -> list[ProviderEvent]:
        """What was said before it failed, which counts; the failure is raised next."""
        if not heard:
            raise failure
        self._failure = failure
        return heard

    def _end(self) -> Sequence[ProviderEvent]:
        self._ended = True
        heard: list[ProviderEvent] = []
        try:
            for name, data in self._cutter.end():
                heard += self._decoder.event(name, data)
            heard += self._decoder.end()
        except StreamCut as cut:
            return self._first(heard, self._stray_fault() or cut)
        except (ServerFault, ValueError) as failure:
            return self._first(heard, failure)
        return heard

    def _stray_fault(self) -> ServerFault | None:
        """Some servers break a stream off with an error that is no event."""
        stray = self._cutter.stray.strip()
        if stray[:1] not in (b"{", b"["):
            return None
        try:
            return ServerFault(json_of(stray))
        except ValueError:
            return None

    async def _whole(self, start: bytes) -> Sequence[ProviderEvent]:
        self._ended = True
        self._answer.alive()
        data = start + await self._answer.read(MAX_WHOLE_BYTES)
        try:
            body = json_of(data)
        except ValueError:
            raise ValueError(data[:SHOWN_BYTES].decode("utf-8", "replace")) from None
        return self._decoder.whole(body)
