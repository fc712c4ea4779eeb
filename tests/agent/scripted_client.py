"""A client of raw JSON-RPC frames, in memory: it records what it gets, in order, and answers requests from a script.

Every frame that it gets is held against our own models: it must be valid, and read and written again it must be the
same (Req: JR-19).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec

import orjson

from agent_server.agent.connection_handlers import AgentConnection
from agent_server.agent.features import Features
from agent_server.agent.service import AgentService
from agent_server.cli.compose import LazyTools
from agent_server.protocol.extensions import EXTENSION_AGENT_METHODS, EXTENSION_CLIENT_METHODS
from agent_server.protocol.extensions.faults import FAULT_METHODS
from agent_server.protocol.method import RequestMethod
from agent_server.protocol.v1.methods import AGENT_METHODS, CLIENT_METHODS
from agent_server.protocol.v1.unstable.methods import UNSTABLE_AGENT_METHODS, UNSTABLE_CLIENT_METHODS
from agent_server.providers.provider import Provider
from agent_server.sessions.session import Session
from agent_server.sessions.spec import Limits
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from agent_server.store.store import EventStore
from agent_server.tools.tool import Tool
from agent_server.tools.toolbox import Toolbox, default_toolbox
from agent_server.transport.memory import MemoryTransport, memory_pair

Frame = dict[str, Any]
P = ParamSpec("P")

LIMIT_S = 5.0
FILES = {"fs": {"readTextFile": True, "writeTextFile": True}}


_KNOWN_TO_CLIENTS = {m.name: m for m in (*CLIENT_METHODS, *EXTENSION_CLIENT_METHODS, *UNSTABLE_CLIENT_METHODS)}
_KNOWN_TO_AGENTS = {
    m.name: m for m in (*AGENT_METHODS, *EXTENSION_AGENT_METHODS, *UNSTABLE_AGENT_METHODS, *FAULT_METHODS)
}


class Silence:
    """Stands for an answer that is not given."""


SILENCE = Silence()


@dataclass
class Refusal:
    """An error object to answer with."""

    code: int
    message: str = "no"


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in a loop of its own; what the loop would only log fails it."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        unheard: list[dict[str, Any]] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unheard.append(context))
            await asyncio.wait_for(test(*args, **kwargs), 15)

        asyncio.run(main())
        assert not unheard

    return run


class ScriptedClient:
    """The client's end of a connection.

    ``answers`` maps the methods that the agent calls to what they are answered with: a result, a `Refusal`, `SILENCE`,
    or a function of the params that gives one of these.
    """

    def __init__(self, transport: MemoryTransport) -> None:
        self._transport = transport
        self.frames: list[Frame] = []
        self.answers: dict[str, Any] = {}
        self.wrong: list[str] = []
        self.closed = False
        self._asked: dict[Any, str] = {}
        self._next_id = 0
        self._news = asyncio.Event()
        transport.start(self)

    # What comes

    def receive_frames(self, frames: list[bytes | bytearray]) -> None:
        for data in frames:
            frame = orjson.loads(data)
            self.frames.append(frame)
            self._check(frame, data)
            if "method" in frame and "id" in frame:
                self._answer(frame)
        self._news.set()

    def receive_oversized(self, head: bytes, limit_bytes: int) -> None:
        self.wrong.append("a frame was too long")

    def receive_eof(self) -> None:
        self.closed = True
        self._news.set()

    def _check(self, frame: Frame, data: bytes | bytearray) -> None:
        if len(data) > 8 * 1024 * 1024:
            self.wrong.append(f"a frame of {len(data)} bytes")
        if "method" in frame:
            method = _KNOWN_TO_CLIENTS.get(frame["method"])
            if method is not None:
                self._round_trip(method.validate(frame["params"]).to_wire(), frame["params"])
            elif frame["method"] != "$/cancel_request":
                self.wrong.append(f"unknown method {frame['method']}")
        elif "result" in frame:
            asked = self._asked[frame["id"]]
            method = _KNOWN_TO_AGENTS.get(asked)
            assert isinstance(method, RequestMethod)
            self._round_trip(method.validate_result(frame["result"]).to_wire(), frame["result"])
        elif not (frame["error"].get("data") or {}).get("details"):
            self.wrong.append(f"an error without details: {frame}")

    def _round_trip(self, understood: Any, sent: Any) -> None:
        if understood != sent:
            self.wrong.append(f"sent {sent}, understood {understood}")

    def _answer(self, frame: Frame) -> None:
        answer = self.answers.get(frame["method"], Refusal(-32601, "nothing scripted"))
        if callable(answer):
            answer = answer(frame["params"])
        if answer is not SILENCE:
            self.respond(frame["id"], answer)

    # What goes

    def send(self, *frames: Frame) -> None:
        """Send frames so that they arrive in one delivery."""
        for frame in frames:
            if "method" in frame and "id" in frame:
                self._asked[frame["id"]] = frame["method"]
            self._transport.send(orjson.dumps({"jsonrpc": "2.0", **frame}))

    def send_line(self, line: bytes) -> None:
        """Send whatever this is."""
        self._transport.send(line)

    def request(self, method: str, **params: Any) -> int:
        """Send a request; its id."""
        frame = self.made(method, **params)
        self.send(frame)
        request_id: int = frame["id"]
        return request_id

    def made(self, method: str, **params: Any) -> Frame:
        """A request that is not sent yet."""
        self._next_id += 1
        return {"id": self._next_id, "method": method, "params": params}

    def notify(self, method: str, **params: Any) -> None:
        self.send({"method": method, "params": params})

    def respond(self, request_id: Any, answer: Any) -> None:
        if isinstance(answer, Refusal):
            self.send({"id": request_id, "error": {"code": answer.code, "message": answer.message}})
        else:
            self.send({"id": request_id, "result": answer})

    def hang_up(self) -> None:
        self._transport.close()

    def stop_reading(self) -> None:
        self._transport.pause_reading()

    def read_on(self) -> None:
        self._transport.resume_reading()

    @property
    def unread_bytes(self) -> int:
        """What was sent to this client and not yet read."""
        return self._transport._far.unsent_bytes

    # Waiting

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until the condition holds after some frame; what it gave."""
        async with asyncio.timeout(LIMIT_S):
            while not (value := condition()):
                self._news.clear()
                await self._news.wait()
        return value

    async def answer(self, request_id: int) -> Frame:
        """The answer to a request: the whole frame."""
        found: Frame = await self.until(lambda: next(iter(self.answers_to(request_id)), None))
        return found

    async def call(self, method: str, **params: Any) -> Any:
        """Send a request and wait for its result."""
        frame = await self.answer(self.request(method, **params))
        assert "result" in frame, frame
        return frame["result"]

    async def refused(self, method: str, **params: Any) -> Any:
        """Send a request and wait for its error object."""
        frame = await self.answer(self.request(method, **params))
        assert "error" in frame, frame
        return frame["error"]

    async def seen(self, count: int = 1, session_id: str | None = None, **wanted: Any) -> Frame:
        """The update that holds these fields, when it has come ``count`` times."""
        found: list[Frame] = await self.until(lambda: self.updates(session_id, **wanted)[count - 1 :])
        return found[0]

    async def asked(self, method: str, count: int = 1) -> Frame:
        """The ``count``-th request of the agent for this method."""
        found: list[Frame] = await self.until(lambda: self.requests(method)[count - 1 :])
        return found[0]

    # Looking

    def answers_to(self, request_id: int) -> list[Frame]:
        return [frame for frame in self.frames if "method" not in frame and frame["id"] == request_id]

    def requests(self, method: str) -> list[Frame]:
        return [frame for frame in self.frames if frame.get("method") == method and "id" in frame]

    def updates(self, session_id: str | None = None, **wanted: Any) -> list[Frame]:
        """The updates that hold these fields."""
        return [
            frame["params"]["update"]
            for frame in self.frames
            if frame.get("method") == "session/update"
            and session_id in (None, frame["params"]["sessionId"])
            and all(frame["params"]["update"].get(key) == value for key, value in wanted.items())
        ]

    def text(self, session_id: str | None = None) -> str:
        """All that the agent said."""
        chunks = self.updates(session_id, sessionUpdate="agent_message_chunk")
        return "".join(chunk["content"]["text"] for chunk in chunks)

    def position(self, condition: Callable[[Frame], bool]) -> int:
        """Where the first frame of that kind stands."""
        return next(index for index, frame in enumerate(self.frames) if condition(frame))

    # Sessions

    async def new_session(self, cwd: str, **params: Any) -> str:
        result = await self.call("session/new", cwd=cwd, mcpServers=[], **params)
        session_id: str = result["sessionId"]
        return session_id

    def prompt(self, session_id: str, text: str = "go") -> int:
        return self.request("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": text}])

    async def stop_reason(self, prompt_id: int) -> str:
        """How the prompt ended, which must not be an error."""
        frame = await self.answer(prompt_id)
        assert "result" in frame, frame
        reason: str = frame["result"]["stopReason"]
        return reason

    async def run(self, session_id: str, text: str = "go") -> str:
        """Prompt and wait; the stop reason."""
        return await self.stop_reason(self.prompt(session_id, text))

    def cancel(self, session_id: str) -> None:
        self.notify("session/cancel", sessionId=session_id)

    def set_option(self, session_id: str, option: str, value: Any) -> int:
        return self.request("session/set_config_option", sessionId=session_id, configId=option, value=value)


@dataclass
class House:
    """An agent in this process: what all its connections share."""

    supervisor: SessionSupervisor
    service: AgentService
    store: EventStore
    features: Features = field(default_factory=Features)
    stopped: list[tuple[str, str]] = field(default_factory=list)
    statuses: list[tuple[str, str, str]] = field(default_factory=list)
    agents: list[asyncio.Task[None]] = field(default_factory=list)
    clients: list[ScriptedClient] = field(default_factory=list)

    async def connect(self, capabilities: Frame | None = None) -> ScriptedClient:
        """One more client, initialized."""
        client = self.join()
        await client.call("initialize", protocolVersion=1, clientCapabilities=capabilities or {})
        return client

    def join(self) -> ScriptedClient:
        """One more client that has said nothing yet."""
        near, far = memory_pair()
        client = ScriptedClient(near)
        agent = AgentConnection(far, lambda: self.service, self.features)
        self.agents.append(asyncio.ensure_future(agent.run(drain_s=0.05)))
        self.clients.append(client)
        return client

    def session(self, session_id: str) -> Session:
        return self.supervisor.get(session_id)


@asynccontextmanager
async def house(
    provider: Provider,
    *,
    tools: list[Tool] | None = None,
    limits: Limits | None = None,
    store: EventStore | None = None,
    features: Features | None = None,
) -> AsyncIterator[House]:
    """An agent that works with this model, and with these tools besides the usual ones."""
    store = store or MemoryStore()
    stopped: list[tuple[str, str]] = []
    statuses: list[tuple[str, str, str]] = []
    supervisor = SessionSupervisor(
        store,
        on_stopped=lambda session, reason: stopped.append((session.id, reason)),
        on_status=lambda session, status, before: statuses.append((session.id, before, status)),
    )
    box = LazyTools(lambda: Toolbox([*default_toolbox(), *(tools or [])]))
    service = AgentService(supervisor, provider, box, choices_for=lambda _cwd: (None, limits or Limits()))
    made = House(supervisor, service, store, features or Features(), stopped, statuses)
    async with supervisor:
        yield made
        for client in made.clients:
            client.hang_up()
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*made.agents)
    assert [wrong for client in made.clients for wrong in client.wrong] == []


@asynccontextmanager
async def one_client(
    provider: Provider,
    *,
    capabilities: Frame | None = None,
    tools: list[Tool] | None = None,
    limits: Limits | None = None,
    store: EventStore | None = None,
    features: Features | None = None,
) -> AsyncIterator[tuple[ScriptedClient, House]]:
    """An agent with one client, initialized."""
    async with house(provider, tools=tools, limits=limits, store=store, features=features) as made:
        yield await made.connect(capabilities), made


def choose(option_id: str) -> Frame:
    """The user picks this option."""
    return {"outcome": {"outcome": "selected", "optionId": option_id}}
