"""A small agent that does what its prompts say, over any transport; as a program, over stdio.

Prompts: ``say A|B`` (chunks), ``wait`` (until cancelled), ``quiet`` (the same without text), ``deaf`` (never ends),
``ask``, ``ask odd`` (no usual options), ``two`` (two questions at once), ``read PATH``, ``write PATH TEXT``,
``flood N``, ``stop REASON``, ``fail``, ``die``, ``unknown`` (an update that nobody knows), ``edit PATH`` (a tool call
with a diff, after a permission).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from agent_server.connection.connection import Connection
from agent_server.connection.handlers import Deferred, answered, handles
from agent_server.connection.router import Router
from agent_server.errors import RpcError, SessionNotFound
from agent_server.protocol.capabilities import offers
from agent_server.protocol.v1.client_services import ReadTextFileRequest, WriteTextFileRequest
from agent_server.protocol.v1.content import TextContent
from agent_server.protocol.v1.initialize import (
    AgentCapabilities,
    InitializeRequest,
    InitializeResponse,
    SessionCapabilities,
    Supported,
)
from agent_server.protocol.v1.methods import (
    AGENT_METHODS,
    FS_READ_TEXT_FILE,
    FS_WRITE_TEXT_FILE,
    INITIALIZE,
    SESSION_CANCEL,
    SESSION_CLOSE,
    SESSION_NEW,
    SESSION_PROMPT,
    SESSION_REQUEST_PERMISSION,
    SESSION_SET_MODE,
    SESSION_UPDATE,
)
from agent_server.protocol.v1.prompt import CancelNotification, PromptRequest, PromptResponse
from agent_server.protocol.v1.session import (
    CloseSessionRequest,
    CloseSessionResponse,
    NewSessionRequest,
    NewSessionResponse,
    SessionMode,
    SessionModeState,
    SetSessionModeRequest,
    SetSessionModeResponse,
)
from agent_server.protocol.v1.tool_calls import (
    Diff,
    PermissionOption,
    RequestPermissionRequest,
    SelectedPermissionOutcome,
    ToolCallStatus,
    ToolCallUpdate,
)
from agent_server.protocol.v1.updates import (
    AgentMessageChunk,
    CurrentModeUpdate,
    SessionNotification,
    SessionUpdate,
    ToolCallProgressed,
    ToolCallStarted,
)
from agent_server.transport.fds import FdTransport
from agent_server.transport.port import Transport

ALLOW_AND_REJECT = [
    PermissionOption(option_id="always", name="Always", kind="allow_always"),
    PermissionOption(option_id="yes", name="Yes", kind="allow_once"),
    PermissionOption(option_id="no", name="No", kind="reject_once"),
]
_ENDED: dict[bool, ToolCallStatus] = {True: "completed", False: "failed"}
ODD = [PermissionOption(option_id="never", name="Never", kind="reject_always")]


class ScriptedAgent:
    """The connection-scoped half. ``version`` is what it answers to initialize; ``early`` updates go out too soon."""

    def __init__(self, transport: Transport, *, version: int = 1, early: bool = False, close: bool = True) -> None:
        router = Router(AGENT_METHODS, ScriptedAgent, ScriptedSession)
        self.connection = Connection(transport, router, self, self._find, opened=False)
        self.sessions: dict[str, ScriptedSession] = {}
        self.client: dict[str, Any] = {}
        self.asked_version = 0
        self._version = version
        self._early = early
        self._close = close

    def _find(self, session_id: str) -> ScriptedSession:
        try:
            return self.sessions[session_id]
        except KeyError:
            raise SessionNotFound(session_id) from None

    @handles(INITIALIZE)
    def initialize(self, params: InitializeRequest) -> InitializeResponse:
        wire = self.client = params.client_capabilities.to_wire()
        self.asked_version = params.protocol_version
        self.connection.open(offered=lambda path: offers(wire, path))
        can = AgentCapabilities(session_capabilities=SessionCapabilities(close=Supported() if self._close else None))
        return InitializeResponse(protocol_version=self._version, agent_capabilities=can)

    @handles(SESSION_NEW)
    def new_session(self, params: NewSessionRequest) -> Deferred[NewSessionResponse]:
        session = ScriptedSession(self, f"s{len(self.sessions)}", params.cwd)
        self.sessions[session.id] = session
        if self._early:
            session.say("before ")
        modes = SessionModeState(
            current_mode_id="ask", available_modes=[SessionMode(id="ask", name="A"), SessionMode(id="plan", name="P")]
        )
        response = NewSessionResponse(session_id=session.id, modes=modes)
        return answered(response, lambda: session.say("after ") if self._early else None)

    @handles(SESSION_CLOSE)
    def close_session(self, params: CloseSessionRequest) -> CloseSessionResponse:
        del self.sessions[params.session_id]
        return CloseSessionResponse()


class ScriptedSession:
    """Does what its prompts say."""

    def __init__(self, agent: ScriptedAgent, session_id: str, cwd: str) -> None:
        self.id = session_id
        self.cwd = cwd
        self._connection = agent.connection
        self._cancelled = asyncio.Event()

    def update(self, update: SessionUpdate) -> None:
        self._connection.notify(SESSION_UPDATE, SessionNotification(session_id=self.id, update=update))

    def say(self, text: str) -> None:
        self.update(AgentMessageChunk(content=TextContent(text=text)))

    @handles(SESSION_CANCEL)
    def cancel(self, _params: CancelNotification) -> None:
        self._cancelled.set()

    @handles(SESSION_SET_MODE)
    def set_mode(self, params: SetSessionModeRequest) -> SetSessionModeResponse:
        self.update(CurrentModeUpdate(current_mode_id=params.mode_id))
        return SetSessionModeResponse()

    @handles(SESSION_PROMPT)
    async def prompt(self, params: PromptRequest) -> PromptResponse:
        self._cancelled.clear()
        name, _, rest = _text(params).partition(" ")
        act: Callable[[str], Awaitable[Any]] = getattr(self, f"do_{name}")
        reason = await act(rest)
        return PromptResponse(stop_reason="cancelled" if self._cancelled.is_set() else reason or "end_turn")

    async def do_say(self, rest: str) -> None:
        for piece in rest.split("|"):
            self.say(piece)

    async def do_wait(self, _rest: str) -> None:
        self.say("waiting")
        await self._cancelled.wait()
        self.say(" stopped")

    async def do_quiet(self, _rest: str) -> None:
        await self._cancelled.wait()

    async def do_deaf(self, _rest: str) -> None:
        self.say("deaf")
        await asyncio.Event().wait()

    async def do_stop(self, rest: str) -> str:
        return rest

    async def do_fail(self, rest: str) -> None:
        raise RpcError(-32603, "Internal error", {"details": rest or "it broke\x1b[31m"})

    async def do_die(self, _rest: str) -> None:
        sys.stderr.write("last words\n")
        sys.stderr.flush()
        os._exit(7)

    async def do_flood(self, rest: str) -> None:
        for _ in range(int(rest)):
            self.say("y" * 99 + "\n")
            if self._connection.congested:
                await self._connection.drained()
            if self._cancelled.is_set():
                return

    async def do_unknown(self, _rest: str) -> None:
        params = {"sessionId": self.id, "update": {"sessionUpdate": "from_the_future", "x": 1}}
        self._connection.send_frame(orjson.dumps({"jsonrpc": "2.0", "method": "session/update", "params": params}))
        self.say("known")

    async def ask(self, title: str, options: list[PermissionOption]) -> str:
        request = RequestPermissionRequest(
            session_id=self.id, tool_call=ToolCallUpdate(tool_call_id="t1", title=title), options=options
        )
        outcome = (await self._connection.request(SESSION_REQUEST_PERMISSION, request)).outcome
        return outcome.option_id if isinstance(outcome, SelectedPermissionOutcome) else outcome.outcome

    async def do_ask(self, rest: str) -> None:
        self.say(await self.ask("Do it\x1b[2J\u202e", ODD if rest == "odd" else ALLOW_AND_REJECT))

    async def do_two(self, _rest: str) -> None:
        questions = [self.ask(title, ALLOW_AND_REJECT) for title in ("one", "two")]
        self.say(" ".join(await asyncio.gather(*questions)))

    async def do_read(self, rest: str) -> None:
        answer = await self._connection.request(FS_READ_TEXT_FILE, ReadTextFileRequest(session_id=self.id, path=rest))
        self.say(answer.content)

    async def do_write(self, rest: str) -> None:
        path, _, text = rest.partition(" ")
        request = WriteTextFileRequest(session_id=self.id, path=path, content=text)
        await self._connection.request(FS_WRITE_TEXT_FILE, request)

    async def do_edit(self, rest: str) -> None:
        diff = Diff(path=rest, old_text="one\ntwo\n", new_text="one\nTWO\n")
        self.say("Editing.")
        self.update(ToolCallStarted(tool_call_id="t1", title="edit", kind="edit", status="pending", content=[diff]))
        answer = await self.ask(f"Edit {rest}", ALLOW_AND_REJECT)
        done = answer == "yes"
        self.update(ToolCallProgressed(tool_call_id="t1", title=f"Edit {rest}", status=_ENDED[done]))
        self.say(f"It {_ENDED[done]}.")


def _text(params: PromptRequest) -> str:
    (block,) = params.prompt
    assert block.type == "text"
    return block.text


async def main() -> None:
    """Serve stdio until it ends."""
    agent = ScriptedAgent(FdTransport(os.dup(0), os.dup(1)), version=int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    await agent.connection.run(drain_s=0.1, cancel_s=0.1)


if __name__ == "__main__":
    asyncio.run(main())
