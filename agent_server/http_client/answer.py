"""One request and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from agent_server.http_client.addresses import host_of
from agent_server.http_client.deadlines import Deadlines
from agent_server.http_client.failures import (
    AnswerTooLarge,
    AnswerUnreadable,
    BadRequest,
    DeadlinePassed,
    HttpFailure,
    Phase,
    RedirectRefused,
)

if TYPE_CHECKING:
    from agent_server.http_client.unpacking import Unpacker

REST_S: Final = 1.0
REST_BYTES: Final = 64 * 1024
"""How long, and how much, is read of an answer that nobody needs any more, to keep its connection."""

_PHASES: Final[dict[str, tuple[Phase, str]]] = {
    "connect_tcp.started": ("connect", "connect_s"),
    "start_tls.started": ("tls", "connect_s"),
    "send_request_headers.started": ("sending", "first_byte_s"),
    "receive_response_headers.started": ("first_byte", "first_byte_s"),
}
"""What httpcore tells of a request: the phase that begins, and the deadline that is set then, if it is another one."""


class Answer:
    """The answer to one request, read as it comes. `HttpClient.open` gives it, as a context.

    Attributes:
        status: the HTTP status.
        headers: the headers, with lower-case names; several of one name are joined.
        host: who answers.
        phase: how far the request came.
    """

    status: int
    headers: dict[str, str]

    def __init__(self, http: ModuleType, url: str, deadlines: Deadlines, limit_bytes: int) -> None:
        self.host = host_of(url)
        self.phase: Phase = "connect"
        self._http = http
        self._deadlines = deadlines
        self._limit_bytes = limit_bytes
        self._read_bytes = 0
        self._waited_s = 0.0
        self._quiet_s = 0.0
        self._deadline = ""
        self._timer: asyncio.Timeout | None = None
        self._fresh = False
        self._stream: Any = None
        self._response: Any = None
        self._raw: AsyncIterator[bytes]
        self._unpacker: Unpacker | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._ended = False

    async def begin(self, send: Callable[[Any], Coroutine[Any, Any, Any]], kept: set[asyncio.Task[Any]]) -> None:
        """Send the request and wait for the head of the answer. ``send`` is given what httpcore is to call.

        It is sent in a task of its own, in ``kept`` while it lives: so a cancel takes effect at once, and none, not
        even a second one, disturbs httpcore while it cleans up.

        Raises:
            HttpFailure: there is no answer, or it points elsewhere.
        """
        task = _kept(send(self._trace), kept)
        self._deadline, limit_s = "connect_s", self._deadlines.connect_s
        try:
            async with asyncio.timeout(limit_s) as self._timer:
                await asyncio.wait((task,))
        except BaseException as error:
            task.cancel()
            task.add_done_callback(lambda _task: self._abandon(task, kept))  # also if it is done by now
            if isinstance(error, TimeoutError):
                raise self._late(self._deadline) from None
            raise
        self._timer = None
        try:
            self._response = task.result()
        except asyncio.CancelledError:
            raise HttpFailure("the request was given up", host=self.host, phase=self.phase) from None
        except Exception as error:
            self._abandon(task, kept)
            raise self._failure(error) from error
        self._read_head()

    def _abandon(self, sent: asyncio.Task[Any], kept: set[asyncio.Task[Any]]) -> None:
        """Close the connection of a request that came to nothing: httpcore leaves one open that had no TLS yet."""
        if not sent.cancelled() and sent.exception() is None:  # the head came in the very moment
            self._response = sent.result()
        if self._response is not None or self._stream is not None:
            _kept(self.close(), kept)

    async def _trace(self, name: str, info: dict[str, Any]) -> None:
        event = name.partition(".")[2]
        if event == "connect_tcp.complete":
            self._stream = info["return_value"]
            self._fresh = True
            return
        if event not in _PHASES:
            return
        self.phase, deadline = _PHASES[event]
        if deadline != self._deadline and self._timer is not None and not self._timer.expired():
            self._deadline = deadline
            self._timer.reschedule(asyncio.get_running_loop().time() + getattr(self._deadlines, deadline))

    def _read_head(self) -> None:
        response = self._response
        self.phase = "body"
        self._stream = response.extensions.get("network_stream")
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._raw = response.aiter_raw()
        encoding = self.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            self._unpack(encoding)

    def check_direction(self) -> None:
        """Raise if the answer points elsewhere.

        Raises:
            RedirectRefused: it does.
        """
        if 300 <= self.status < 400:
            location = self.headers.get("location", "")
            try:
                target = host_of(location)
            except BadRequest:
                target = self.host
            raise RedirectRefused(target, host=self.host, status=self.status)

    def _unpack(self, encoding: str) -> None:
        from agent_server.http_client.unpacking import CannotUnpack, Unpacker

        try:
            self._unpacker = Unpacker(encoding)
        except CannotUnpack:
            raise self._unreadable("is packed in a way that was not asked for") from None

    def alive(self) -> None:
        """The server is alive: the time that is allowed without a sign of that begins anew."""
        self._quiet_s = 0.0

    async def chunk(self) -> bytes:
        """The next bytes, unpacked; none at the end.

        Raises:
            HttpFailure: the connection broke, a deadline passed, or it is too much.
        """
        while not self._ended:
            piece = self._next_piece()
            if piece:
                return piece
            raw = await self._next_raw()
            if not raw:
                self._ended = True
            elif self._unpacker is None:
                return self._counted(raw)
            else:
                self._pieces = self._unpacker.feed(raw)
        return b""

    async def read(self, limit_bytes: int, *, cut: bool = False) -> bytes:
        """All of it. ``cut``: what is behind the limit is left out; the server may still be sending it.

        Raises:
            HttpFailure: as for `chunk`.
            AnswerTooLarge: it is longer, and was not to be cut.
        """
        parts: list[bytes] = []
        size = 0
        while chunk := await self.chunk():
            parts.append(chunk)
            size += len(chunk)
            if size > limit_bytes:
                if not cut:
                    raise self._too_large(limit_bytes)
                break
            self.alive()
        return b"".join(parts)[:limit_bytes]

    async def close(self) -> None:
        """Give the connection back if the answer was read to its end, else close it."""
        response = self._response
        try:
            if response is not None:
                await response.aclose()
        finally:
            if not self._ended and self._stream is not None:  # whatever disturbed that
                await self._stream.aclose()

    async def close_behind(self) -> None:
        """Read the little that may still come, so that the connection can be kept, and close."""
        try:
            async with asyncio.timeout(REST_S):
                await self.read(REST_BYTES, cut=True)
        except (TimeoutError, HttpFailure):
            pass
        finally:
            await self.close()

    def _next_piece(self) -> bytes:
        if self._unpacker is None:
            return b""
        from agent_server.http_client.unpacking import CannotUnpack

        try:
            return self._counted(next(self._pieces, b""))
        except CannotUnpack:
            raise self._unreadable("cannot be unpacked") from None

    async def _next_raw(self) -> bytes:
        deadlines, time = self._deadlines, asyncio.get_running_loop().time
        idle_s, total_s = deadlines.idle_s - self._quiet_s, deadlines.total_s - self._waited_s
        began = time()
        try:
            async with asyncio.timeout(min(idle_s, total_s)):
                return await anext(self._raw, b"")
        except TimeoutError:
            name = "idle_s" if idle_s <= total_s else "total_s"
            raise self._late(name) from None
        except (self._http.HTTPError, OSError) as error:  # of TLS some come as they are
            raise self._failure(error) from error
        finally:
            waited_s = time() - began
            self._waited_s += waited_s
            self._quiet_s += waited_s

    def _late(self, name: str) -> DeadlinePassed:
        seconds = getattr(self._deadlines, name)
        return DeadlinePassed(name, seconds, host=self.host, phase=self.phase, answered=self.phase == "body")

    def _counted(self, piece: bytes) -> bytes:
        self._read_bytes += len(piece)
        if self._read_bytes > self._limit_bytes:
            raise self._too_large(self._limit_bytes)
        return piece

    def _too_large(self, limit_bytes: int) -> AnswerTooLarge:
        text = f"the answer of {self.host} is larger than {limit_bytes} bytes"
        return AnswerTooLarge(text, host=self.host, phase="body", answered=True)

    def _unreadable(self, what: str) -> AnswerUnreadable:
        return AnswerUnreadable(f"the answer of {self.host} {what}", host=self.host, phase="body", answered=True)

    def _failure(self, error: Exception) -> HttpFailure:
        from agent_server.http_client.causes import failure_of

        failure = failure_of(error, self._http, self.host, self.phase)
        failure.stale = not self._fresh and self.phase in ("sending", "first_byte")
        return failure


def _kept(work: Coroutine[Any, Any, Any], kept: set[asyncio.Task[Any]]) -> asyncio.Task[Any]:
    """A task that is in the set while it lives. How it ended need interest nobody."""
    task = asyncio.get_running_loop().create_task(work)
    kept.add(task)
    task.add_done_callback(kept.discard)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task
