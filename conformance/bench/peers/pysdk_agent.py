"""What is measured of the official Python SDK: an agent as its documentation has one write it."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from acp import (
    PROTOCOL_VERSION,
    InitializeResponse,
    NewSessionResponse,
    PromptResponse,
    run_agent,
    update_agent_message_text,
)
from acp.schema import AgentCapabilities, PermissionOption, ToolCallUpdate

OPTIONS = [
    PermissionOption(option_id="yes", name="Yes", kind="allow_once"),
    PermissionOption(option_id="no", name="No", kind="reject_once"),
]


class BenchAgent:
    client: Any

    def __init__(self) -> None:
        self._cancelled: dict[str, bool] = {}

    def on_connect(self, conn: Any) -> None:
        self.client = conn

    async def initialize(self, protocol_version: int, **_: Any) -> Any:
        return InitializeResponse(protocol_version=PROTOCOL_VERSION, agent_capabilities=AgentCapabilities())

    async def new_session(self, cwd: str, **_: Any) -> Any:
        session_id = uuid.uuid4().hex
        self._cancelled[session_id] = False
        return NewSessionResponse(session_id=session_id)

    async def cancel(self, session_id: str, **_: Any) -> None:
        self._cancelled[session_id] = True

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> Any:
        self._cancelled[session_id] = False
        command, *numbers = prompt[0].text[:64].removeprefix("/test ").split() or [""]
        if command == "stream":
            await self._stream(session_id, *map(int, numbers))
        elif command == "fs":
            for _number in range(int(numbers[0])):
                await self.client.read_text_file(session_id=session_id, path="/a.txt")
        elif command == "perm":
            for number in range(int(numbers[0])):
                call = ToolCallUpdate(tool_call_id=f"c{number}", title="Edit a file", kind="edit", status="pending")
                await self.client.request_permission(session_id=session_id, tool_call=call, options=OPTIONS)
        return PromptResponse(stop_reason="cancelled" if self._cancelled[session_id] else "end_turn")

    async def _stream(self, session_id: str, count: int, size: int, every: int = 0) -> None:
        text = "x" * size
        for number in range(count):
            if self._cancelled[session_id]:
                return
            await self.client.session_update(session_id, update_agent_message_text(text))
            if every and number % every == 0:
                await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(run_agent(BenchAgent()))
