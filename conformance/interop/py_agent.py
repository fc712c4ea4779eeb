"""A small agent on the official Python SDK, for ACP clients: it keeps sessions, asks, reads, runs and waits.

    python -m conformance.interop.py_agent

The first word of a prompt says what it does: ``stream N BYTES``, ``flood``, ``wait``, ``write PATH TEXT``,
``read PATH``, ``run COMMAND``. Any other text is said again. ``flood`` and ``wait`` go on until they are cancelled.
"""

from __future__ import annotations

import asyncio
from typing import Any

from .py_sdk import VERSION, acp, schema

PAGE = 2
CHUNK = "x" * 16
WORDS = {"stream", "flood", "wait", "write", "read", "run"}
OPTIONS = [("allow_once", "yes"), ("reject_once", "no")]


class Session:
    """One conversation: what was told of it, for those who load it, and whether its turn is to stop."""

    def __init__(self, cwd: str) -> None:
        self.cwd = cwd
        self.told: list[Any] = []
        self.turns = 0
        self.stop = asyncio.Event()


class Stopped(Exception):
    """The turn was cancelled, or its session closed."""


class Agent:
    """What the SDK calls."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._made = 0
        self._client: Any = None

    def on_connect(self, client: Any) -> None:
        self._client = client

    async def initialize(self, protocol_version: int, **_: Any) -> Any:
        offered = {"list": schema.SessionListCapabilities(), "close": schema.SessionCloseCapabilities()}
        if hasattr(acp.Agent, "delete_session"):  # version 0.12 has no such route
            offered["delete"] = schema.SessionDeleteCapabilities()
        sessions = schema.SessionCapabilities(**offered)
        return schema.InitializeResponse(
            protocol_version=acp.PROTOCOL_VERSION,
            agent_capabilities=schema.AgentCapabilities(load_session=True, session_capabilities=sessions),
            agent_info=schema.Implementation(name="interop-python", version=VERSION),
        )

    async def new_session(self, cwd: str, **_: Any) -> Any:
        self._made += 1
        session_id = f"s{self._made}"
        self._sessions[session_id] = Session(cwd)
        return schema.NewSessionResponse(session_id=session_id)

    async def load_session(self, session_id: str, **_: Any) -> Any:
        for update in self._of(session_id).told:
            await self._client.session_update(session_id=session_id, update=update)
        return schema.LoadSessionResponse()

    async def list_sessions(self, cwd: str | None = None, cursor: str | None = None, **_: Any) -> Any:
        held = self._sessions.items()
        infos = [schema.SessionInfo(session_id=key, cwd=of.cwd) for key, of in held if cwd in (None, of.cwd)]
        start = int(cursor or 0)
        following = str(start + PAGE) if start + PAGE < len(infos) else None
        return schema.ListSessionsResponse(sessions=infos[start : start + PAGE], next_cursor=following)

    async def close_session(self, session_id: str, **_: Any) -> Any:
        self._of(session_id).stop.set()
        return schema.CloseSessionResponse()

    async def delete_session(self, session_id: str, **_: Any) -> Any:
        self._sessions.pop(session_id, None)
        return schema.DeleteSessionResponse()

    async def cancel(self, session_id: str, **_: Any) -> None:
        self._of(session_id).stop.set()

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> Any:
        session, said = self._of(session_id), prompt[0].text
        session.turns += 1
        session.stop.clear()
        await self._tell(session_id, "user_message_chunk", said)
        word, _space, rest = said.partition(" ")
        act = getattr(self, f"_{word}") if word in WORDS else None
        try:
            answer = await act(session_id, rest) if act else said
        except Stopped:
            return schema.PromptResponse(stop_reason="cancelled")
        if answer:
            await self._tell(session_id, "agent_message_chunk", answer)
        return schema.PromptResponse(stop_reason="end_turn")

    async def _stream(self, session_id: str, rest: str) -> None:
        count, size = map(int, rest.split())
        for _ in range(count):
            await self._tell(session_id, "agent_message_chunk", "x" * size)

    async def _flood(self, session_id: str, _rest: str) -> None:
        while not self._of(session_id).stop.is_set():
            await self._tell(session_id, "agent_message_chunk", CHUNK)
            await asyncio.sleep(0)
        raise Stopped

    async def _wait(self, session_id: str, _rest: str) -> None:
        await self._tell(session_id, "agent_message_chunk", "waiting")
        await self._of(session_id).stop.wait()
        raise Stopped

    async def _write(self, session_id: str, rest: str) -> str:
        name, _space, text = rest.partition(" ")
        call = schema.ToolCallUpdate(tool_call_id="w1", title=f"Write {name}", kind="edit", status="pending")
        options = [schema.PermissionOption(kind=kind, name=key, option_id=key) for kind, key in OPTIONS]
        answer = await self._client.request_permission(session_id=session_id, tool_call=call, options=options)
        if getattr(answer.outcome, "option_id", None) != "yes":
            return "refused"
        path = f"{self._of(session_id).cwd}/{name}"
        await self._client.write_text_file(session_id=session_id, path=path, content=text)
        return "written"

    async def _read(self, session_id: str, name: str) -> str:
        path = f"{self._of(session_id).cwd}/{name}"
        content: str = (await self._client.read_text_file(session_id=session_id, path=path)).content
        return content

    async def _run(self, session_id: str, command: str) -> str:
        of = {"session_id": session_id}
        made = await self._client.create_terminal(command="sh", args=["-c", command], **of)
        of["terminal_id"] = made.terminal_id
        ended = await self._client.wait_for_terminal_exit(**of)
        shown = await self._client.terminal_output(**of)
        await self._client.release_terminal(**of)
        return f"{ended.exit_code}: {shown.output}"

    async def _tell(self, session_id: str, kind: str, text: str) -> None:
        session = self._of(session_id)
        content = schema.TextContentBlock(type="text", text=text)
        model = schema.UserMessageChunk if kind == "user_message_chunk" else schema.AgentMessageChunk
        update = model(session_update=kind, content=content, message_id=f"{kind[0]}{session.turns}")
        session.told.append(update)
        await self._client.session_update(session_id=session_id, update=update)

    def _of(self, session_id: str) -> Session:
        if session_id not in self._sessions:
            raise acp.RequestError.resource_not_found(session_id)
        return self._sessions[session_id]


if __name__ == "__main__":
    asyncio.run(acp.run_agent(Agent(), use_unstable_protocol=True))
