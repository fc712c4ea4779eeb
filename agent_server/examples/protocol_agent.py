"""An agent on the bare protocol that answers in capitals: python -m agent_server.examples.protocol_agent"""

from __future__ import annotations

import asyncio

from agent_server.connection.connection import Connection
from agent_server.connection.handlers import handles
from agent_server.connection.router import Router
from agent_server.errors import SessionNotFound
from agent_server.protocol.v1.content import TextContent
from agent_server.protocol.v1.initialize import InitializeRequest, InitializeResponse
from agent_server.protocol.v1.methods import AGENT_METHODS, INITIALIZE, SESSION_NEW, SESSION_PROMPT, SESSION_UPDATE
from agent_server.protocol.v1.prompt import PromptRequest, PromptResponse
from agent_server.protocol.v1.session import NewSessionRequest, NewSessionResponse
from agent_server.protocol.v1.updates import AgentMessageChunk, SessionNotification
from agent_server.transport.fds import FdTransport


class Shouter:
    def __init__(self) -> None:
        self.sessions: dict[str, Conversation] = {}
        self.connection = Connection(FdTransport(0, 1), Router(AGENT_METHODS, Shouter, Conversation), self, self.find)

    def find(self, session_id: str) -> Conversation:
        if session_id not in self.sessions:
            raise SessionNotFound(session_id)
        return self.sessions[session_id]

    @handles(INITIALIZE)
    def initialize(self, params: InitializeRequest) -> InitializeResponse:
        return InitializeResponse(protocol_version=1)

    @handles(SESSION_NEW)
    def new_session(self, params: NewSessionRequest) -> NewSessionResponse:
        session_id = f"session_{len(self.sessions)}"
        self.sessions[session_id] = Conversation(self.connection)
        return NewSessionResponse(session_id=session_id)


class Conversation:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @handles(SESSION_PROMPT)
    async def prompt(self, params: PromptRequest) -> PromptResponse:
        text = " ".join(block.text for block in params.prompt if block.type == "text").upper()
        chunk = AgentMessageChunk(content=TextContent(text=text))
        self.connection.notify(SESSION_UPDATE, SessionNotification(session_id=params.session_id, update=chunk))
        return PromptResponse(stop_reason="end_turn")


async def main() -> None:
    await Shouter().connection.run()


if __name__ == "__main__":
    asyncio.run(main())
