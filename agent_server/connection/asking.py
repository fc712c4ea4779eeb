"""The requests that we sent and whose answers are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from agent_server.connection.handlers import run_hook
from agent_server.connection.lanes import Lanes
from agent_server.connection.limits import ENVELOPE_BYTES, MAX_SENT_FRAME_BYTES
from agent_server.errors import ConnectionClosed, RpcError
from agent_server.jsonrpc import Failure, Peer, Success
from agent_server.transport.port import Transport


class Asking:
    """Sends requests and settles them, each answer in the order of its session's lane."""

    def __init__(self, peer: Peer, transport: Transport, lanes: Lanes) -> None:
        self._peer = peer
        self._transport = transport
        self._lanes = lanes
        self._ended = False
        self._waiting: dict[int, tuple[asyncio.Future[Any], str | None]] = {}
        self._arrived: dict[asyncio.Future[Any], Success | Failure] = {}
        self._hooks: dict[asyncio.Future[Any], Callable[[], object]] = {}

    async def ask(
        self, method: str, params: bytes, session_id: str | None, on_answer: Callable[[], object] | None = None
    ) -> Any:
        """The raw result. Cancelling the wait withdraws the request with ``$/cancel_request``.

        ``on_answer`` is called in the order of the wire: before anything is handled that follows the answer.

        Raises:
            RpcError: the far end answered with an error, or the frame would be longer than 8 MiB.
            ConnectionClosed: it went away before it answered.
        """
        if self._ended:
            raise ConnectionClosed(f"{method}: the connection is closed")
        if len(params) > MAX_SENT_FRAME_BYTES - ENVELOPE_BYTES:
            raise RpcError(-32603, "Internal error", {"details": f"{method}: the request would be above 8 MiB"})
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        request_id, frame = self._peer.request(method, params)
        # What a notification's handler asks must not wait behind that handler.
        self._waiting[request_id] = (future, None if self._lanes.held_here(session_id) else session_id)
        if on_answer is not None:
            self._hooks[future] = on_answer
        self._transport.send_all([frame])
        self._transport.hurry()
        try:
            return await future
        except asyncio.CancelledError:
            answered = (future.done() and not future.cancelled()) or future in self._arrived
            if not answered and not self._ended:
                self._peer.forget(request_id)
                self._transport.send(self._peer.notification("$/cancel_request", b'{"requestId":%d}' % request_id))
            raise
        finally:
            self._waiting.pop(request_id, None)
            self._hooks.pop(future, None)

    def take(self, message: Success | Failure) -> None:
        """An answer arrived; it waits where its session's lane is held."""
        entry = self._waiting.get(message.id)  # type: ignore[arg-type]
        if entry is None:
            return
        future, session_id = entry
        if session_id is not None and self._lanes.holds(session_id):
            del self._waiting[message.id]  # type: ignore[arg-type]  # answered, even if the far end goes now
            self._arrived[future] = message
            self._lanes.append(session_id, lambda: self._settle_arrived(future))
        else:
            self._settle(future, message)

    def end(self) -> None:
        """The far end has gone: what it has not answered fails."""
        self._ended = True
        for future, _session in list(self._waiting.values()):
            if not future.done():
                future.set_exception(ConnectionClosed("the other side went away before it answered"))

    def settle_all(self) -> None:
        """Nothing waits for a lane any more: settle what had arrived, fail the rest."""
        for future in list(self._arrived):
            self._settle_arrived(future)
        self.end()

    def _settle_arrived(self, future: asyncio.Future[Any]) -> None:
        message = self._arrived.pop(future, None)
        if message is not None:
            self._settle(future, message)

    def _settle(self, future: asyncio.Future[Any], message: Success | Failure) -> None:
        if future.done():
            return
        if isinstance(message, Success):
            future.set_result(message.result)
        else:
            future.set_exception(RpcError(message.code, message.message, message.data))
        if self._hooks:
            run_hook(self._hooks.pop(future, None))
