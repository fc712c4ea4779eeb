"""The I/O half of a conversation: frames in, handlers run, answers and requests out. One class for both sides.

The reader (`receive_frames`) never awaits a handler. A handler's task belongs to the connection and ends with it;
what a session does belongs to the session. Nothing but this class sends frames on its transport.

Invariants:
    * every request received is answered exactly once, whatever its handler does (P1, P5);
    * per session, notifications are handled in wire order and an answer never overtakes an earlier update (P3);
    * a method that the far end did not advertise is never called (P10);
    * no frame that we send is longer than 8 MiB (P6).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from agent_server.connection.answering import REQUEST_CANCELLED, Answering, being_cancelled, withdrawn
from agent_server.connection.asking import Asking
from agent_server.connection.handlers import Deferred, SessionAway, run_hook
from agent_server.connection.lanes import MAX_WAITING, Job, Lanes
from agent_server.connection.limits import MAX_SENT_FRAME_BYTES, MAX_UNSENT_BYTES
from agent_server.connection.pacing import Pacing
from agent_server.connection.router import METHOD_NOT_FOUND, Route, Router
from agent_server.errors import CapabilityMissing, RpcError
from agent_server.jsonrpc import Failure, Notification, Peer, Request, RequestId, Success, Violation
from agent_server.protocol.method import NotificationMethod, RequestMethod
from agent_server.transport.port import Transport

if TYPE_CHECKING:
    from agent_server.protocol.model import Model

P = TypeVar("P", bound="Model")
R = TypeVar("R", bound="Model")

logger = logging.getLogger(__name__)

INVALID_REQUEST: Final = -32600


class Connection:
    """One ACP connection, on either side.

    Args:
        transport: the frames.
        router: which method is answered by what. Replaceable (see `open`).
        root: the object that answers connection-scoped methods.
        find_session: the object that answers session-scoped methods for a session id, or raises SessionNotFound.
        opened: False where requests other than ``first_method`` are to be refused until `open` was called.
        first_method: the one method that is answered before.
    """

    def __init__(
        self,
        transport: Transport,
        router: Router,
        root: object,
        find_session: Callable[[str], object],
        *,
        opened: bool = True,
        first_method: str = "initialize",
    ) -> None:
        self._transport = transport
        self._router = router
        self._root = root
        self._find_session = find_session
        self._opened = opened
        self._first_method = first_method
        self._peer = Peer()
        self._lanes = Lanes()
        self._asking = Asking(self._peer, transport, self._lanes)
        self._answers = Answering(self._peer, transport)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._pacing = Pacing(transport, self._lanes, self._spawn)
        self._offered: Callable[[str], bool] = lambda _capability: True
        self._loop = asyncio.get_running_loop()

    # Life

    def open(
        self,
        router: Router | None = None,
        root: object | None = None,
        offered: Callable[[str], bool] | None = None,
        find_session: Callable[[str], object] | None = None,
    ) -> None:
        """The two sides agreed: answer everything from now on.

        ``offered`` says whether the far end advertised a capability (a dotted path). ``router``, ``root`` and
        ``find_session`` replace those of the beginning.
        """
        self._opened = True
        self._router = router or self._router
        self._root = root if root is not None else self._root
        self._offered = offered or self._offered
        self._find_session = find_session or self._find_session

    def offers(self, capability: str) -> bool:
        """Whether the far end advertised it (a dotted path)."""
        return self._offered(capability)

    @property
    def closed(self) -> bool:
        """Whether the far end will say nothing more."""
        return self._ended.is_set()

    @property
    def congested(self) -> bool:
        """Whether the far end is not reading as fast as we write."""
        return self._transport.congested

    async def drained(self) -> None:
        """Return when no longer congested, or closed."""
        await self._transport.drained()

    def end(self) -> None:
        """Behave as if the far end had closed its side."""
        self.receive_eof()

    async def run(self, *, drain_s: float = 1.0, cancel_s: float = 0.5) -> None:
        """Serve until the far end closes its side; then let requests finish, cancel the rest, flush and close.

        ``drain_s``: how long requests in flight may run on. ``cancel_s``: how long they then have to answer.
        """
        self._transport.start(self)
        try:
            await self._ended.wait()
            await self._answers.finished_within(drain_s)
            self._answers.withdraw_all()
            await self._answers.finished_within(cancel_s)
        finally:
            await self._finish()

    async def _finish(self) -> None:
        self._ended.set()
        self._transport.pause_reading()  # what is not taken is not owed an answer
        self._lanes.drop()
        for task in list(self._tasks):
            self._loop.call_soon(task.cancel)  # after its first step: a handler's coroutine must not be left unawaited
        self._answers.refuse_all(RpcError(REQUEST_CANCELLED, "Request cancelled", {"details": "shutting down"}))
        try:
            async with asyncio.timeout(0.2):
                await self._transport.flush()
        except TimeoutError:
            pass
        finally:
            self._asking.settle_all()
            self._transport.close()

    # Receiving

    def receive_frames(self, frames: list[bytes | bytearray]) -> None:
        """Take the frames of one read. Never awaits anything."""
        if len(frames) == 1:  # a long message is released before its handler runs
            message = self._peer.receive(frames.pop())
            self._take(message)
        else:
            self._answers.in_batch = True
            self._take_several(frames)
            self._answers.in_batch = False
        if self._lanes.count > MAX_WAITING or self._transport.unsent_bytes > MAX_UNSENT_BYTES:
            self._pacing.pause()

    def receive_oversized(self, head: bytes, limit_bytes: int) -> None:
        """A frame was too long and has been skipped."""
        self._take(self._peer.refuse_oversized(head, limit_bytes))

    def receive_eof(self) -> None:
        """The far end will say nothing more: our requests will never be answered."""
        if not self._ended.is_set():
            self._ended.set()
            self._asking.end()

    def _take_several(self, frames: list[bytes | bytearray]) -> None:
        receive = self._peer.receive
        for frame in frames:
            self._take(receive(frame))

    def _take(self, message: Request | Notification | Success | Failure | Violation) -> None:
        kind = type(message)
        if kind is Request:
            self._take_request(message)  # type: ignore[arg-type]
        elif kind is Notification:
            self._take_notification(message)  # type: ignore[arg-type]
        elif kind is Violation:
            reply = message.reply  # type: ignore[union-attr]
            logger.info("refused a frame: %s", message.reason)  # type: ignore[union-attr]
            if reply is not None:
                self._transport.send(reply)
        else:
            self._asking.take(message)  # type: ignore[arg-type]

    def _take_notification(self, message: Notification) -> None:
        if not self._opened:
            return
        if message.method == "$/cancel_request":
            self._answers.withdraw_as_asked(message.params)
            return
        route = self._router.route(message.method)
        if route is None or route.is_request:
            return
        try:
            params = route.validate(message.params)
        except Exception as error:  # noqa: BLE001 - one frame's trouble must not reach the reader
            logger.info("ignored %s: %s", message.method, error)
            return
        self._in_order(route, params)

    def _in_order(self, route: Route, params: Any) -> None:
        session_id = params.session_id if route.lane else None
        if session_id is not None and self._lanes.holds(session_id):
            self._lanes.append(session_id, partial(self._hear, route, params, session_id))
        else:
            self._hear(route, params, session_id)

    def _hear(self, route: Route, params: Any, session_id: str | None) -> None:
        try:
            target = self._find_session(params.session_id) if route.session_scoped else self._root
            outcome = route.handler(target, params)
        except BaseException as error:  # noqa: BLE001 - P5: nothing that a handler raises may reach the reader
            logger.info("handler of %s failed: %r", route.method.name, error)
            return
        if outcome is not None:
            if session_id is not None:
                self._lanes.hold(session_id)
            self._spawn(self._finish_hearing(outcome, route, session_id))

    async def _finish_hearing(self, outcome: Coroutine[Any, Any, None], route: Route, session_id: str | None) -> None:
        holder = self._lanes.enter(session_id)
        try:
            await outcome
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and being_cancelled():
                raise
            logger.info("handler of %s failed: %r", route.method.name, error)
        finally:
            holder.session_id = None
            if session_id is not None:
                self._release(session_id)

    def _take_request(self, message: Request) -> None:
        request_id = message.id
        if not self._opened and message.method != self._first_method:
            details = f"{message.method[:100]!r} came before {self._first_method}"
            self._answers.settle(request_id, RpcError(INVALID_REQUEST, "Invalid request", {"details": details}))
            return
        route = self._router.route(message.method)
        if route is None or not route.is_request:
            details = f"there is no method {message.method[:100]!r} here"
            self._answers.settle(request_id, RpcError(METHOD_NOT_FOUND, "Method not found", {"details": details}))
            return
        try:
            params = route.validate(message.params)
        except Exception as error:  # noqa: BLE001 - as above
            self._answers.settle(request_id, error)
            return
        self._answers.owe(request_id)
        session_id = params.session_id if route.lane else None
        if session_id is not None and self._lanes.holds(session_id):
            self._lanes.append(session_id, partial(self._begin, request_id, route, params, session_id))
        else:
            self._begin(request_id, route, params, session_id)

    def _begin(self, request_id: RequestId, route: Route, params: Any, session_id: str | None) -> None:
        if self._answers.is_withdrawn(request_id):
            self._answers.refuse(request_id, withdrawn())
            return
        try:
            target = self._find_session(params.session_id) if route.session_scoped else self._root
            outcome = route.handler(target, params)
        except SessionAway as away:
            begin = partial(self._begin, request_id, route, params, session_id)
            self._begin_later(away, params.session_id, request_id, begin)
            return
        except BaseException as error:  # noqa: BLE001 - P5
            self._answers.refuse(request_id, error)
            return
        if type(outcome) is Deferred:
            self._answers.hold(request_id, outcome)
            outcome.then(partial(self._deferred_settled, request_id, outcome))
        elif type(outcome) is CoroutineType or hasattr(type(outcome), "__await__"):
            work = self._spawn(self._answer(request_id, outcome))
            self._answers.hold(request_id, work)
            if session_id is not None:
                # A notification behind this request must not be handled before the handler had its first step.
                self._lanes.hold(session_id)
                if route.exclusive:
                    work.add_done_callback(lambda _work: self._release(session_id))
                else:
                    self._loop.call_soon(self._release, session_id)
        else:
            self._answers.respond(request_id, outcome)
            self.hurry()

    def _begin_later(self, away: SessionAway, session_id: str, request_id: RequestId, begin: Job) -> None:
        """Bring the session first. Whatever comes for it meanwhile waits in its lane, behind this."""

        def go_on(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                self._answers.refuse(request_id, asyncio.CancelledError())
            elif (error := task.exception()) is not None:
                self._answers.refuse(request_id, error)
            else:
                self._lanes.prepend(session_id, begin)
            self._release(session_id)

        self._lanes.hold(session_id)
        self._spawn(away.bring()).add_done_callback(go_on)

    async def _answer(self, request_id: RequestId, outcome: Coroutine[Any, Any, Any]) -> None:
        """The boundary of an asynchronous handler: whatever it does becomes one answer."""
        try:
            result = await outcome
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and self._answers.is_withdrawn(request_id):
                error = withdrawn()
            self._answers.refuse(request_id, error)
            if isinstance(error, asyncio.CancelledError) and being_cancelled():
                raise
            return
        if type(result) is Deferred:
            self._answers.hold(request_id, result)
            result.then(partial(self._deferred_settled, request_id, result))
        else:
            self._answers.respond(request_id, result)
            self.hurry()

    def _deferred_settled(
        self, request_id: RequestId, deferred: Deferred[Any], result: Any, error: BaseException | None
    ) -> None:
        if error is not None:
            self._answers.refuse(request_id, error)
            return
        if self._answers.respond(request_id, result):
            run_hook(deferred.after)
        self.hurry()

    # Sending

    async def request(
        self, method: RequestMethod[P, R], params: P, *, on_answer: Callable[[], object] | None = None
    ) -> R:
        """Ask the far end. Cancelling the wait withdraws the request with ``$/cancel_request``.

        ``on_answer`` is called when the answer arrives, before anything is handled that follows it on the wire.

        Raises:
            CapabilityMissing: the far end never offered it.
            RpcError: it answered with an error, or with a malformed result.
            ConnectionClosed: it went away before it answered.
        """
        self._require(method, params)
        session_id = getattr(params, "session_id", None)
        raw = await self._asking.ask(method.name, params.to_json(), session_id, on_answer)
        try:
            return method.validate_result(raw)
        except ValueError as error:
            from agent_server.protocol.errors import describe_validation_error

            what = describe_validation_error(error, "result", method.result)  # type: ignore[arg-type]
            details = f"malformed result of {method.name}: {what}"
            raise RpcError(-32603, "Internal error", {"details": details}) from None

    async def request_wire(self, method: RequestMethod[P, R], params: dict[str, Any]) -> R:
        """As `request`, with params that are spelled on the wire already, and a result that may be a plain reading.

        Raises:
            CapabilityMissing, RpcError, ConnectionClosed: as `request`.
            ValueError: the result is malformed.
            TypeError: the params hold what JSON cannot.
        """
        self._require(method)
        return method.read_result(await self.request_encoded(method.name, orjson.dumps(params), params["sessionId"]))

    async def request_encoded(self, method: str, params: bytes, session_id: str | None) -> Any:
        """As `request`, with params that are JSON text already and a raw result; the caller minds capabilities.

        Raises:
            RpcError: the far end answered with an error, or the frame would be longer than 8 MiB.
            ConnectionClosed: it went away before it answered.
        """
        return await self._asking.ask(method, params, session_id)

    def hurry(self) -> None:
        """Write what is queued now: somebody waits for it. Answers to the frames of one read still share a write."""
        if not self._answers.in_batch:
            self._transport.hurry()

    def notify(self, method: NotificationMethod[P], params: P) -> None:
        """Tell the far end. Silent when it has gone.

        Raises:
            CapabilityMissing: the far end never offered it.
            ValueError: the frame would be longer than 8 MiB.
        """
        self._require(method, params)
        self.send_frame(self._peer.notification(method.name, params.to_json()))

    def notify_wire(self, method: NotificationMethod[Any], params: dict[str, Any]) -> None:
        """As `notify`, with params that are spelled on the wire already."""
        self._require(method)
        self.send_frame(self._peer.notification(method.name, orjson.dumps(params)))

    def send_frame(self, frame: bytes) -> None:
        """Send a notification that is encoded already: the hot path of ``session/update``.

        Raises:
            ValueError: it is longer than 8 MiB.
        """
        if len(frame) > MAX_SENT_FRAME_BYTES:
            raise ValueError(f"a frame of {len(frame)} bytes is above the limit of 8 MiB")
        self._transport.send(frame)

    def send_frames(self, frames: list[bytes]) -> None:
        """As `send_frame`, for several frames; they leave with the next `hurry`."""
        for frame in frames:
            if len(frame) > MAX_SENT_FRAME_BYTES:
                raise ValueError("a frame is above the limit of 8 MiB")
        self._transport.send_all(frames)

    # Flow

    def _require(self, method: RequestMethod[P, Any] | NotificationMethod[P], params: P | None = None) -> None:
        """Promise P10: every typed call passes here. Calls that are encoded already belong to no capability."""
        missing = method.missing(params, self._offered)
        if missing is not None:
            raise CapabilityMissing(method.name, missing)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _release(self, session_id: str) -> None:
        self._lanes.release(session_id)
