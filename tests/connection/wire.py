"""The far end of a connection, spoken to in raw frames, and a small agent whose handlers a test fills in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import orjson

from agent_server.connection.connection import Connection
from agent_server.connection.handlers import handles
from agent_server.connection.router import Router
from agent_server.errors import SessionNotFound
from agent_server.protocol.v1.initialize import AuthenticateRequest, InitializeRequest, InitializeResponse
from agent_server.protocol.v1.methods import (
    AGENT_METHODS,
    AUTHENTICATE,
    INITIALIZE,
    SESSION_CANCEL,
    SESSION_CLOSE,
    SESSION_PROMPT,
)
from agent_server.protocol.v1.prompt import CancelNotification, PromptRequest
from agent_server.protocol.v1.session import CloseSessionRequest
from agent_server.transport.memory import MemoryTransport, memory_pair
from agent_server.transport.port import Transport

WAIT_S = 10.0

Body = dict[str, Any]
Deed = Callable[[], Any]
"""What a handler does: it may give a model, a coroutine or a Deferred, or raise."""


class HasConnection(Protocol):
    connection: Connection


class SmallAgent:
    """Its deeds are looked up by name: ``authenticate``'s method id, a prompt's text, and ``cancel``."""

    def __init__(self, transport: Transport, deeds: Mapping[str, Deed], *, opened: bool = True) -> None:
        router = Router(AGENT_METHODS, SmallAgent, SmallSession)
        self.connection = Connection(transport, router, self, self._find, opened=opened)
        self.deeds = dict(deeds)
        self.sessions: dict[str, SmallSession] = {}

    def _find(self, session_id: str) -> SmallSession:
        if not session_id.startswith("s"):
            raise SessionNotFound(session_id)
        return self.sessions.setdefault(session_id, SmallSession(self, session_id))

    @handles(INITIALIZE)
    def initialize(self, params: InitializeRequest) -> InitializeResponse:
        self.connection.open()
        return InitializeResponse(protocol_version=1)

    @handles(AUTHENTICATE)
    def authenticate(self, params: AuthenticateRequest) -> Any:
        return self.deeds[params.method_id]()

    @handles(SESSION_CLOSE)
    def close(self, params: CloseSessionRequest) -> Any:
        return self.deeds[f"close {params.session_id}"]()


class SmallSession:
    def __init__(self, agent: SmallAgent, session_id: str) -> None:
        self.agent = agent
        self.id = session_id
        self.heard: list[str] = []

    @handles(SESSION_PROMPT)
    def prompt(self, params: PromptRequest) -> Any:
        text = getattr(params.prompt[0], "text", "")
        self.heard.append(text)
        return self.agent.deeds[text]()

    @handles(SESSION_CANCEL)
    def cancel(self, params: CancelNotification) -> Any:
        self.heard.append("cancel")
        return self.agent.deeds.get(f"cancel {self.id}", self.agent.deeds.get("cancel", lambda: None))()


class RawEnd:
    """Speaks and hears frames; knows no protocol."""

    def __init__(self, transport: MemoryTransport) -> None:
        self.transport = transport
        self.heard: list[Body] = []
        self.sizes: list[int] = []
        self.ended = False
        self._news = asyncio.Event()
        transport.start(self)

    def receive_frames(self, frames: list[bytes | bytearray]) -> None:
        self.heard += map(orjson.loads, frames)
        self.sizes += map(len, frames)
        self._news.set()

    def receive_oversized(self, head: bytes, limit_bytes: int) -> None:
        raise AssertionError("memory has no limit")

    def receive_eof(self) -> None:
        self.ended = True
        self._news.set()

    def say(self, *frames: bytes | Body) -> None:
        """All in one delivery."""
        for frame in frames:
            self.transport.send(frame if isinstance(frame, bytes) else orjson.dumps(frame))

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not reached():
                self._news.clear()
                await self._news.wait()

    async def until_ended(self) -> None:
        await self.until(lambda: self.ended)

    async def answer(self, request_id: Any) -> Body:
        """The one answer with this id."""
        await self.until(lambda: bool(self.answers(request_id)))
        (body,) = self.answers(request_id)
        return body

    def answers(self, request_id: Any) -> list[Body]:
        """Everything heard so far that answers this id (1 and "1" differ)."""
        return [
            body
            for body in self.heard
            if "method" not in body and body["id"] == request_id and type(body["id"]) is type(request_id)
        ]

    def called(self, method: str) -> list[Body]:
        """The requests and notifications heard so far of one method."""
        return [body for body in self.heard if body.get("method") == method]

    async def fence(self) -> None:
        """Everything said so far has been taken, and what it answers at once has been heard."""
        name = f"fence {len(self.heard)} {id(object())}"
        self.say(ask(name, "_test/fence"))
        await self.answer(name)


def ask(request_id: Any, method: str, params: Any = None) -> Body:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def tell(method: str, params: Any = None) -> Body:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def deed(request_id: Any, name: str) -> Body:
    """A connection-scoped request for a deed."""
    return ask(request_id, "authenticate", {"methodId": name})


def prompt(request_id: Any, text: str, session_id: str = "s") -> Body:
    return ask(request_id, "session/prompt", {"sessionId": session_id, "prompt": [{"type": "text", "text": text}]})


def cancel(session_id: str = "s") -> Body:
    return tell("session/cancel", {"sessionId": session_id})


def withdraw(request_id: Any) -> Body:
    return tell("$/cancel_request", {"requestId": request_id})


def outcome(body: Body) -> Any:
    """The result, or the error's code."""
    return body["error"]["code"] if "error" in body else body["result"]


@asynccontextmanager
async def serving(
    deeds: Mapping[str, Deed] | None = None, *, opened: bool = True, drain_s: float = 0.2
) -> AsyncIterator[tuple[SmallAgent, RawEnd]]:
    """A small agent that runs, and the raw end that talks to it. At the end it is hung up on, and must end."""
    near, far = memory_pair()
    agent = SmallAgent(near, deeds or {}, opened=opened)
    running = asyncio.create_task(agent.connection.run(drain_s=drain_s, cancel_s=0.2))
    wire = RawEnd(far)
    try:
        yield agent, wire
    finally:
        far.close()
        async with asyncio.timeout(WAIT_S):
            await running


def on_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it, bounded; nothing may end up in the loop's exception handler."""

    async def bounded() -> None:
        failures: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
        async with asyncio.timeout(3 * WAIT_S):
            await work()
        assert failures == []

    asyncio.run(bounded())
