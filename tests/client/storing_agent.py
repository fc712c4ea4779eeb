"""An agent that keeps its sessions in files, over any transport; as a program (argument: the directory), over stdio.

Prompts: ``say A|B`` (chunks of one message), ``hang TEXT`` (says it, then waits to be cancelled), ``call`` (a tool
call, a compaction and a notice), ``form`` and ``url`` (ask the user), ``meta`` (says what stood in ``_meta``).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from agent_server.connection.connection import Connection
from agent_server.connection.handlers import Deferred, answered, handles
from agent_server.connection.router import Router
from agent_server.errors import RpcError, SessionNotFound
from agent_server.protocol.capabilities import offers
from agent_server.protocol.v1.elicitation import CreateElicitationRequest, CreateElicitationResponse
from agent_server.protocol.v1.history import (
    DeleteSessionRequest,
    DeleteSessionResponse,
    ListSessionsRequest,
    ListSessionsResponse,
    LoadSessionRequest,
    LoadSessionResponse,
    ResumeSessionRequest,
    ResumeSessionResponse,
    SessionInfo,
)
from agent_server.protocol.v1.initialize import (
    AgentCapabilities,
    AuthenticateRequest,
    AuthenticateResponse,
    AuthMethodAgent,
    AuthMethodTerminal,
    Implementation,
    InitializeRequest,
    InitializeResponse,
    LogoutRequest,
    LogoutResponse,
)
from agent_server.protocol.v1.methods import (
    AGENT_METHODS,
    AUTHENTICATE,
    ELICITATION_CREATE,
    INITIALIZE,
    LOGOUT,
    SESSION_CANCEL,
    SESSION_CLOSE,
    SESSION_DELETE,
    SESSION_LIST,
    SESSION_LOAD,
    SESSION_NEW,
    SESSION_PROMPT,
    SESSION_RESUME,
)
from agent_server.protocol.v1.prompt import CancelNotification, PromptRequest, PromptResponse
from agent_server.protocol.v1.session import (
    CloseSessionRequest,
    CloseSessionResponse,
    NewSessionRequest,
    NewSessionResponse,
    SessionMode,
    SessionModeState,
)
from agent_server.transport.fds import FdTransport
from agent_server.transport.port import Transport

EVERYTHING: dict[str, Any] = {
    "loadSession": True,
    "auth": {"logout": {}},
    "sessionCapabilities": {
        name: {} for name in ("list", "delete", "resume", "close", "additionalDirectories", "systemPrompt")
    },
    "_meta": {"agent_server": {"version": 1, "methods": ["_agent_server/x"], "notifications": ["_agent_server/n", 5]}},
}

MODES = SessionModeState(
    current_mode_id="ask", available_modes=[SessionMode(id="ask", name="A"), SessionMode(id="plan", name="P")]
)

PAGE = 2


class StoringAgent:
    """The connection-scoped half.

    ``can``: its capabilities on the wire. ``lost``: ids that it says it does not know. ``cursor``: for every page.
    """

    def __init__(
        self,
        transport: Transport,
        store: Path,
        can: dict[str, Any] | None = None,
        *,
        lost: Sequence[str] = (),
        cursor: str | None = None,
    ) -> None:
        router = Router(AGENT_METHODS, StoringAgent, StoringSession)
        self.connection = Connection(transport, router, self, self._find, opened=False)
        self.sessions: dict[str, StoringSession] = {}
        self.client: dict[str, Any] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.store = store
        self.deaf = False
        self._can = EVERYTHING if can is None else can
        self._lost = lost
        self._cursor = cursor

    def _find(self, session_id: str) -> StoringSession:
        try:
            return self.sessions[session_id]
        except KeyError:
            raise SessionNotFound(session_id) from None

    def _path(self, session_id: str) -> Path:
        return self.store / f"{session_id}.jsonl"

    def _heard(self, name: str, params: Any) -> None:
        self.calls.append((name, params.to_wire()))
        if getattr(params, "session_id", None) in self._lost:
            raise SessionNotFound(params.session_id)

    @handles(INITIALIZE)
    def initialize(self, params: InitializeRequest) -> InitializeResponse:
        wire = self.client = params.client_capabilities.to_wire()
        self.connection.open(offered=lambda path: offers(wire, path))
        return InitializeResponse(
            protocol_version=1,
            agent_capabilities=AgentCapabilities.model_validate(self._can),
            agent_info=Implementation(name="storing", version="1"),
            auth_methods=[AuthMethodAgent(id="own", name="Own"), AuthMethodTerminal(id="shell", name="Shell")],
        )

    @handles(AUTHENTICATE)
    async def authenticate(self, params: AuthenticateRequest) -> AuthenticateResponse:
        self._heard("authenticate", params)
        if "elicitation" in self.client:
            await self.elicit({"mode": "form", "message": "who?", "requestId": 2, "requestedSchema": {}})
        return AuthenticateResponse()

    @handles(LOGOUT)
    def logout(self, params: LogoutRequest) -> LogoutResponse:
        self._heard("logout", params)
        return LogoutResponse()

    @handles(SESSION_NEW)
    def new_session(self, params: NewSessionRequest) -> NewSessionResponse:
        self._heard("new", params)
        session = StoringSession(self, f"s{len(list(self.store.glob('*.jsonl')))}")
        self._path(session.id).write_bytes(b"")
        self.sessions[session.id] = session
        return NewSessionResponse(session_id=session.id, modes=MODES)

    @handles(SESSION_LOAD)
    def load_session(self, params: LoadSessionRequest) -> LoadSessionResponse:
        self._heard("load", params)
        session = self._open(params.session_id)
        for line in self._path(session.id).read_bytes().splitlines():
            session.send(orjson.loads(line))
        return LoadSessionResponse(modes=MODES)

    @handles(SESSION_RESUME)
    def resume_session(self, params: ResumeSessionRequest) -> ResumeSessionResponse:
        self._heard("resume", params)
        session = self._open(params.session_id)
        session.send({"sessionUpdate": "current_mode_update", "currentModeId": "plan"})
        return ResumeSessionResponse(modes=MODES)

    def _open(self, session_id: str) -> StoringSession:
        if not self._path(session_id).exists():
            raise SessionNotFound(session_id)
        session = self.sessions[session_id] = StoringSession(self, session_id)
        session.turns = self._path(session_id).read_bytes().count(b'"user_message_chunk"')
        return session

    @handles(SESSION_LIST)
    def list_sessions(self, params: ListSessionsRequest) -> ListSessionsResponse:
        self._heard("list", params)
        names = sorted(path.stem for path in self.store.glob("*.jsonl"))
        first = 0 if not params.cursor else names.index(params.cursor.removeprefix("after "))
        page = [SessionInfo(session_id=name, cwd="/tmp", title=f"T{name}") for name in names[first : first + PAGE]]
        following = names[first + PAGE : first + PAGE + 1]
        cursor = f"after {following[0]}" if following else None
        return ListSessionsResponse(sessions=page, next_cursor=cursor if self._cursor is None else self._cursor)

    @handles(SESSION_DELETE)
    def delete_session(self, params: DeleteSessionRequest) -> DeleteSessionResponse:
        self._heard("delete", params)
        self._path(params.session_id).unlink()
        self.sessions.pop(params.session_id, None)
        return DeleteSessionResponse()

    @handles(SESSION_CLOSE)
    def close_session(self, params: CloseSessionRequest) -> Deferred[CloseSessionResponse]:
        self._heard("close", params)
        if self.deaf:
            return Deferred()
        self.sessions.pop(params.session_id).cancelled.set()
        return answered(CloseSessionResponse(), lambda: None)

    async def elicit(self, wire: dict[str, Any]) -> CreateElicitationResponse:
        request: CreateElicitationRequest = ELICITATION_CREATE.validate(wire)
        return await self.connection.request(ELICITATION_CREATE, request)

    async def ask_raw(self, method: str, wire: dict[str, Any]) -> Any:
        """As an agent asks that minds no capability."""
        return await self.connection.request_encoded(method, orjson.dumps(wire), None)


class StoringSession:
    """Does what its prompts say, and writes everything down before it says it."""

    def __init__(self, agent: StoringAgent, session_id: str) -> None:
        self.id = session_id
        self.cancelled = asyncio.Event()
        self._agent = agent
        self.turns = 0

    def send(self, update: dict[str, Any]) -> None:
        params = {"sessionId": self.id, "update": update}
        frame = orjson.dumps({"jsonrpc": "2.0", "method": "session/update", "params": params})
        self._agent.connection.send_frame(frame)

    def tell(self, update_kind: str, /, **fields: Any) -> None:
        update = {"sessionUpdate": update_kind, **fields}
        with (self._agent.store / f"{self.id}.jsonl").open("ab") as file:
            file.write(orjson.dumps(update) + b"\n")
        self.send(update)

    def say(self, text: str, kind: str = "agent_message_chunk") -> None:
        self.tell(kind, content={"type": "text", "text": text}, messageId=f"{kind[0]}{self.turns}")

    @handles(SESSION_CANCEL)
    def cancel(self, _params: CancelNotification) -> None:
        self.cancelled.set()

    @handles(SESSION_PROMPT)
    async def prompt(self, params: PromptRequest) -> PromptResponse:
        self.turns += 1
        self.cancelled.clear()
        (block,) = params.prompt
        assert block.type == "text"
        self.say(block.text, "user_message_chunk")
        name, _, rest = block.text.partition(" ")
        await getattr(self, f"do_{name}")(rest, params)
        return PromptResponse(stop_reason="cancelled" if self.cancelled.is_set() else "end_turn")

    async def do_say(self, rest: str, _params: PromptRequest) -> None:
        for piece in rest.split("|"):
            self.say(piece)

    async def do_hang(self, rest: str, _params: PromptRequest) -> None:
        self.say(rest)
        await self.cancelled.wait()

    async def do_call(self, rest: str, _params: PromptRequest) -> None:
        self.tell("tool_call", toolCallId="t", title="Look", kind="read", status="in_progress")
        self.tell("tool_call_update", toolCallId="t", status="completed")
        self.tell("compaction_update", compactionId="c", status="in_progress")
        self.tell("compaction_summary_chunk", compactionId="c", content={"type": "text", "text": "short"})
        self.tell("compaction_update", compactionId="c", status="completed")
        self.send({"sessionUpdate": "notice", "severity": "info", "title": "N"})
        self.tell("session_info_update", title="Titled")
        await self.do_say(rest or "done", _params)

    async def do_meta(self, _rest: str, params: PromptRequest) -> None:
        self.say(orjson.dumps(params.meta, option=orjson.OPT_SORT_KEYS).decode())

    async def do_form(self, rest: str, params: PromptRequest) -> None:
        schema = orjson.loads(rest) if rest else {"properties": {"name": {"type": "string"}}, "required": ["name"]}
        await self._ask({"mode": "form", "requestedSchema": schema, "_meta": params.meta})

    async def do_url(self, rest: str, _params: PromptRequest) -> None:
        await self._ask({"mode": "url", "elicitationId": "e1", "url": rest})

    async def _ask(self, fields: dict[str, Any]) -> None:
        try:
            answer = await self._agent.elicit({"message": "well?", "sessionId": self.id, **fields})
        except RpcError as error:
            self.say(f"error {error.code}")
        else:
            self.say(orjson.dumps(answer.to_wire()).decode())


async def main() -> None:
    """Serve stdio until it ends."""
    store = Path(sys.argv[1])
    (store / "pid").write_text(str(os.getpid()))
    agent = StoringAgent(FdTransport(os.dup(0), os.dup(1)), store)
    await agent.connection.run(drain_s=0.1, cancel_s=0.1)


if __name__ == "__main__":
    asyncio.run(main())
