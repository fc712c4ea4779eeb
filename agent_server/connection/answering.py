"""The requests that we received and owe an answer: each gets exactly one, whatever its handler does (P1, P5)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from agent_server.connection.handlers import Deferred, run_hook
from agent_server.connection.limits import ENVELOPE_BYTES, MAX_SENT_FRAME_BYTES
from agent_server.connection.outcome import sendable_error_of
from agent_server.errors import RpcError
from agent_server.jsonrpc import Peer, RequestId
from agent_server.transport.port import Transport

if TYPE_CHECKING:
    from agent_server.protocol.model import Model

REQUEST_CANCELLED: Final = -32800

Work: TypeAlias = "asyncio.Task[None] | Deferred[Any]"


class Answering:
    """Requests in flight, and what works on each.

    ``in_batch``: the frames of one read are being taken; their answers share a write.
    """

    def __init__(self, peer: Peer, transport: Transport) -> None:
        self._peer = peer
        self._transport = transport
        self._working: dict[RequestId, Work | None] = {}
        self._withdrawn: set[RequestId] = set()
        self._idle = asyncio.Event()
        self.in_batch = False

    def owe(self, request_id: RequestId) -> None:
        """A legal request arrived."""
        self._working[request_id] = None

    def hold(self, request_id: RequestId, work: Work) -> None:
        """This works on it from now on, and is what a withdrawal stops."""
        if request_id in self._working:
            self._working[request_id] = work
            if self._withdrawn and request_id in self._withdrawn:
                self._stop(work)

    def is_withdrawn(self, request_id: RequestId) -> bool:
        """Whether the asker no longer wants it."""
        return request_id in self._withdrawn

    def respond(self, request_id: RequestId, result: Model) -> bool:
        """Whether the result is the answer: it can be encoded, is not too long, and nothing was answered before.

        The caller hurries.
        """
        try:
            encoded = result.to_json()
        except Exception as error:  # noqa: BLE001 - a result that cannot be encoded is the handler's failure
            self.refuse(request_id, error)
            return False
        if len(encoded) > MAX_SENT_FRAME_BYTES - ENVELOPE_BYTES:
            self.refuse(request_id, RpcError(-32603, "Internal error", {"details": "the result is above 8 MiB"}))
            return False
        if not self._done(request_id):
            return False
        frame = self._peer.result(request_id, encoded)
        if self.in_batch:
            self._transport.send(frame)
        else:
            self._transport.send_all([frame])  # the caller hurries, so nothing need be scheduled
        return True

    def refuse(self, request_id: RequestId, error: BaseException) -> None:
        """Answer with an error, unless it is answered already."""
        if self._done(request_id):
            self.settle(request_id, error)

    def refuse_all(self, error: BaseException) -> None:
        """Answer everything that is still open with an error."""
        for request_id in list(self._working):
            self.refuse(request_id, error)

    def settle(self, request_id: RequestId, error: BaseException) -> None:
        """Answer a request that nothing works on with an error."""
        code, message, data = sendable_error_of(error, MAX_SENT_FRAME_BYTES - ENVELOPE_BYTES)
        self._transport.send(self._peer.error(request_id, code, message, data))

    def withdraw(self, request_id: RequestId) -> None:
        """The asker no longer wants the answer, or we are about to stop."""
        if request_id not in self._working or request_id in self._withdrawn:
            return
        self._withdrawn.add(request_id)
        work = self._working[request_id]
        if work is not None:
            self._stop(work)

    def withdraw_as_asked(self, params: Any) -> None:
        """What the params of a ``$/cancel_request`` name; anything else in them is ignored."""
        request_id = params.get("requestId") if type(params) is dict else None
        if type(request_id) in (int, str) or (request_id is None and type(params) is dict and "requestId" in params):
            self.withdraw(request_id)

    def withdraw_all(self) -> None:
        """We are about to stop."""
        for request_id in list(self._working):
            self.withdraw(request_id)

    async def finished_within(self, seconds: float) -> None:
        """Return when nothing is in flight, or the time is over."""
        if self._working:
            self._idle.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._idle.wait()
            except TimeoutError:
                pass

    def _stop(self, work: Work) -> None:
        if isinstance(work, Deferred):
            run_hook(work.on_cancel)
        else:  # a task that is cancelled before its first step would never answer
            asyncio.get_running_loop().call_soon(work.cancel)

    def _done(self, request_id: RequestId) -> bool:
        """Whether this is the request's first outcome."""
        if request_id not in self._working:
            return False
        del self._working[request_id]
        self._withdrawn.discard(request_id)
        if not self._working:
            self._idle.set()
        return True


def withdrawn() -> RpcError:
    """The answer to a request that its asker withdrew."""
    return RpcError(REQUEST_CANCELLED, "Request cancelled", {"details": "the request was withdrawn"})


def being_cancelled() -> bool:
    """Whether the current task was really asked to stop (a handler may raise CancelledError by itself)."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
