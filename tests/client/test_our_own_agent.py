"""The client against agent-server itself, as a program: what was lived and what is told again are the same."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from agent_server.client import ClientServices, LocalFiles, Transcript, approve_all, spawn
from agent_server.protocol.extensions import SESSION_LIST_LIVE
from agent_server.protocol.extensions.sessions import ListLiveSessionsRequest
from agent_server.protocol.v1.updates import SessionUpdate

from .storing import within

COMMAND = [sys.executable, "-P", "-m", "agent_server"]


@pytest.mark.promise("P12")
def test_prompts_that_had_to_wait_stand_where_their_turns_began(tmp_path: Path) -> None:
    async def body() -> None:
        services = ClientServices(permissions=approve_all, files=LocalFiles())
        async with spawn(COMMAND, services) as agent:
            session = await agent.new_session(str(tmp_path))
            for _ in range(5):
                await asyncio.gather(*(session.prompt(f"create {name}.txt with 'hi'") for name in "abc"))
            loaded = await agent.load_session(session.id, str(tmp_path))
            assert loaded.transcript.conversation == session.transcript.conversation

    within(body, 40)


@pytest.mark.promise("P12")
def test_a_session_that_is_loaded_in_the_middle_of_a_turn_has_every_word_once_and_in_order(tmp_path: Path) -> None:
    async def body() -> None:
        async with spawn(COMMAND) as agent:
            session = await agent.new_session(str(tmp_path))
            streaming = asyncio.Event()
            session.listen(lambda _update: streaming.set() if session.transcript.text else None)
            turn = asyncio.ensure_future(session.prompt("/test stream 20000 32 1"))
            await streaming.wait()
            heard: list[SessionUpdate] = []
            loaded = await agent.load_session(session.id, str(tmp_path), listener=heard.append)
            assert not turn.done()
            assert (await turn).stop_reason == "end_turn"
            assert loaded.transcript.text == "x" * 20000 * 32
            assert [message.role for message in loaded.transcript.messages] == ["user", "agent"]
            retold = Transcript()
            for update in heard:
                retold.apply(update)
            assert retold.conversation == loaded.transcript.conversation

    within(body, 40)


@pytest.mark.promise("P12")
def test_prompts_that_wait_while_their_session_is_loaded_stand_where_their_turns_began(tmp_path: Path) -> None:
    async def body() -> None:
        async with spawn(COMMAND) as agent:
            session = await agent.new_session(str(tmp_path))
            streaming = asyncio.Event()
            session.listen(lambda _update: streaming.set() if session.transcript.text else None)
            prompts = ("/test stream 20000 32 1", "/test thought", "/test plan", "/test image")
            turns = [asyncio.ensure_future(session.prompt(prompt)) for prompt in prompts]
            await streaming.wait()
            loaded = await agent.load_session(session.id, str(tmp_path))
            assert not turns[0].done()
            await asyncio.gather(*turns)
            assert [message.text for message in loaded.transcript.messages if message.role == "user"] == [*prompts]
            again = await agent.load_session(session.id, str(tmp_path))
            assert again.transcript.conversation == loaded.transcript.conversation

    within(body, 40)


@pytest.mark.spec("N-29")
@pytest.mark.promise("P12")
@pytest.mark.req("JR-12")
def test_a_session_that_is_loaded_from_our_agent_reads_as_it_was_lived(tmp_path: Path) -> None:
    async def body() -> None:
        services = ClientServices(permissions=approve_all, files=LocalFiles())
        async with spawn(COMMAND, services) as agent:
            session = await agent.new_session(str(tmp_path))
            await session.prompt("create a.txt with 'hi'")
            await session.prompt("read a.txt")
            assert session.transcript.tool_calls
            loaded = await agent.load_session(session.id, str(tmp_path))
            assert loaded.transcript.conversation == session.transcript.conversation
            assert loaded.transcript.modes == session.transcript.modes
            assert loaded.transcript.config_options == session.transcript.config_options
            assert loaded.transcript.commands == session.transcript.commands
            listed = [info async for info in agent.list_sessions(str(tmp_path))]
            assert [info.session_id for info in listed] == [session.id]
            assert listed[0].title == loaded.transcript.title == session.transcript.title

    within(body, 40)


def test_the_extensions_of_our_agent_are_called_by_their_constants(tmp_path: Path) -> None:
    async def body() -> None:
        async with spawn(COMMAND, ClientServices(extensions=True)) as agent:
            assert agent.extensions is not None
            assert SESSION_LIST_LIVE.name in agent.extensions.methods
            session = await agent.new_session(str(tmp_path))
            live = await agent.call(SESSION_LIST_LIVE, ListLiveSessionsRequest())
            assert session.id in repr(live)

    within(body, 40)
