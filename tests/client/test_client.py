from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_server.client import (
    ClientServices,
    LocalFiles,
    LocalTerminals,
    RemoteAgent,
    RemoteSession,
    UnsupportedAgent,
    approve_all,
    ask,
    connect,
    reject_all,
    spawn,
)
from agent_server.client.permissions import PermissionPolicy
from agent_server.errors import CapabilityMissing, ConnectionClosed, RpcError
from agent_server.processes import process_table
from agent_server.protocol.v1.content import ImageContent
from agent_server.protocol.v1.tool_calls import RequestPermissionRequest
from agent_server.protocol.v1.updates import AgentMessageChunk, SessionUpdate
from agent_server.transport.memory import memory_pair

from . import scripted_agent
from .scripted_agent import ScriptedAgent

SCRIPT = [sys.executable, str(Path(scripted_agent.__file__))]


@asynccontextmanager
async def joined(
    services: ClientServices | None = None, **script: Any
) -> AsyncIterator[tuple[RemoteAgent, ScriptedAgent]]:
    near, far = memory_pair()
    agent = ScriptedAgent(far, **script)
    running = asyncio.ensure_future(agent.connection.run(drain_s=0.1, cancel_s=0.1))
    try:
        async with connect(near, services) as remote:
            yield remote, agent
    finally:
        agent.connection.end()
        await running


def within(body: Callable[[], Coroutine[Any, Any, None]], limit_s: float = 20) -> None:
    async def main() -> None:
        async with asyncio.timeout(limit_s):
            await body()

    asyncio.run(main())


def said(session: RemoteSession) -> str:
    return session.transcript.text


@pytest.mark.spec("N-01")
@pytest.mark.req("JR-12")
def test_only_what_the_services_serve_is_advertised() -> None:
    async def body() -> None:
        async with joined() as (_, agent):
            assert agent.client["fs"] == {"readTextFile": False, "writeTextFile": False}
            assert (agent.client["terminal"], agent.asked_version) == (False, 1)
        services = ClientServices(files=LocalFiles(writes=False), terminals=LocalTerminals())
        async with joined(services) as (_, agent):
            assert agent.client["fs"] == {"readTextFile": True, "writeTextFile": False}
            assert agent.client["terminal"] is True

    within(body)


@pytest.mark.spec("N-05")
def test_another_version_is_a_clear_error() -> None:
    async def body() -> None:
        with pytest.raises(UnsupportedAgent, match=r"version 2.*version 1"):
            async with joined(version=2):
                pytest.fail("the block must not run")

    within(body)


def test_an_agent_that_never_answers_is_given_up() -> None:
    async def body() -> None:
        near, _far = memory_pair()
        with pytest.raises(ConnectionClosed, match="initialize"):
            async with connect(near, timeout_s=0.05):
                pytest.fail("the block must not run")

    within(body)


@pytest.mark.spec("N-18", "N-54")
@pytest.mark.req("JR-12")
def test_a_turn_ends_after_all_its_updates() -> None:
    async def body() -> None:
        async with joined() as (remote, _):
            session = await remote.new_session("/tmp")
            heard: list[str] = []

            def listen(update: SessionUpdate) -> None:
                assert isinstance(update, AgentMessageChunk)
                heard.append(update.content.text)  # type: ignore[union-attr]

            stop = session.listen(listen)
            response = await session.prompt("say a|b|c")
            assert (response.stop_reason, said(session), heard) == ("end_turn", "abc", ["a", "b", "c"])
            stop()
            await session.prompt("say d")
            assert heard == ["a", "b", "c"]

    within(body)


def test_updates_around_the_answer_that_creates_a_session_are_not_lost() -> None:
    async def body() -> None:
        async with joined(early=True) as (remote, _):
            heard: list[SessionUpdate] = []
            session = await remote.new_session("/tmp", listener=heard.append)
            await session.prompt("say now")
            assert said(session) == "before after \n\nnow"
            assert len(heard) == 3

    within(body)


@pytest.mark.req("JR-13")
def test_an_unknown_session_is_resource_not_found_and_its_updates_are_ignored() -> None:
    async def body() -> None:
        async with joined(ClientServices(files=LocalFiles())) as (remote, agent):
            session = await remote.new_session("/tmp")
            answer = agent.connection.request_encoded(
                "fs/read_text_file", b'{"sessionId":"nobody","path":"/tmp/x"}', None
            )
            with pytest.raises(RpcError) as caught:
                await answer
            assert caught.value.code == -32002
            agent.sessions["s0"].id = "nobody"
            await session.prompt("say lost")
            assert said(session) == ""
            assert list(remote.sessions) == ["s0"]

    within(body)


def test_an_update_that_nobody_knows_is_ignored() -> None:
    async def body() -> None:
        async with joined() as (remote, _):
            session = await remote.new_session("/tmp")
            await session.prompt("unknown")
            assert said(session) == "known"

    within(body)


@pytest.mark.spec("N-50", "N-54")
def test_cancel_ends_the_turn_after_its_last_updates() -> None:
    async def body() -> None:
        async with joined() as (remote, _):
            session = await remote.new_session("/tmp")
            begun = asyncio.Event()
            session.listen(lambda _update: begun.set())
            turn = asyncio.ensure_future(session.prompt("wait"))
            await begun.wait()
            session.cancel()
            assert (await turn).stop_reason == "cancelled"
            assert said(session) == "waiting stopped"
            session.cancel()  # idle: harmless
            assert (await session.prompt("say on")).stop_reason == "end_turn"

    within(body)


@pytest.mark.parametrize(
    ("policy", "question", "answer"),
    [
        (approve_all, "ask", "yes"),
        (reject_all, "ask", "no"),
        (reject_all, "ask odd", "never"),
        (approve_all, "ask odd", "cancelled"),
        (ask(lambda request: request.options[0].option_id), "ask", "always"),
        (ask(lambda _request: "made up"), "ask", "cancelled"),
        (ask(lambda _request: None), "ask", "cancelled"),
    ],
)
@pytest.mark.req("JR-12")
def test_policies_choose_by_kind(policy: PermissionPolicy, question: str, answer: str) -> None:
    async def body() -> None:
        async with joined(ClientServices(permissions=policy)) as (remote, _):
            session = await remote.new_session("/tmp")
            await session.prompt(question)
            assert said(session) == answer

    within(body)


@pytest.mark.spec("N-51")
def test_cancel_answers_every_open_question_with_cancelled() -> None:
    async def body() -> None:
        asked: asyncio.Queue[RequestPermissionRequest] = asyncio.Queue()

        async def never(request: RequestPermissionRequest) -> str | None:
            asked.put_nowait(request)
            await asyncio.Event().wait()
            return None

        async with joined(ClientServices(permissions=ask(never))) as (remote, _):
            session = await remote.new_session("/tmp")
            turn = asyncio.ensure_future(session.prompt("two"))
            await asked.get()
            await asked.get()
            session.cancel()
            assert (await turn).stop_reason == "cancelled"
            assert said(session) == "cancelled cancelled"

    within(body)


def test_a_policy_that_fails_is_an_error_for_the_agent_and_no_approval() -> None:
    async def body() -> None:
        def broken(_request: RequestPermissionRequest) -> str:
            raise ValueError("x")

        async with joined(ClientServices(permissions=ask(broken))) as (remote, _):
            session = await remote.new_session("/tmp")
            with pytest.raises(RpcError):
                await session.prompt("ask")

    within(body)


@pytest.mark.req("JR-03")
def test_files_are_served_within_the_session_only(tmp_path: Path) -> None:
    async def body() -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "out").write_text("secret")
        async with joined(ClientServices(files=LocalFiles())) as (remote, _):
            session = await remote.new_session(str(tmp_path / "in"))
            await session.prompt(f"write {tmp_path}/in/a.txt hello")
            assert (tmp_path / "in" / "a.txt").read_text() == "hello"
            await session.prompt(f"read {tmp_path}/in/a.txt")
            assert said(session) == "hello"
            with pytest.raises(RpcError):
                await session.prompt(f"read {tmp_path}/out")
            assert "secret" not in said(session)

    within(body)


def test_a_service_that_was_not_offered_is_not_there(tmp_path: Path) -> None:
    async def body() -> None:
        (tmp_path / "a").write_text("a")
        async with joined(ClientServices(files=LocalFiles(writes=False))) as (remote, agent):
            session = await remote.new_session(str(tmp_path))
            params = b'{"sessionId":"%b","path":"%b","content":"b"}' % (session.id.encode(), bytes(tmp_path / "a"))
            with pytest.raises(RpcError) as caught:
                await agent.connection.request_encoded("fs/write_text_file", params, None)
            assert caught.value.code == -32601
            assert (tmp_path / "a").read_text() == "a"

    within(body)


@pytest.mark.spec("N-28")
def test_close_needs_the_capability_and_a_context_closes_where_it_can() -> None:
    async def body() -> None:
        async with joined(close=False) as (remote, agent):
            session = await remote.new_session("/tmp")
            with pytest.raises(CapabilityMissing):
                await session.close()
            async with session:
                pass
            assert list(agent.sessions) == ["s0"]
        async with joined() as (remote, agent):
            async with await remote.new_session("/tmp"):
                assert list(agent.sessions) == ["s0"]
            assert not agent.sessions and not remote.sessions

    within(body)


@pytest.mark.spec("N-44")
def test_content_that_the_agent_does_not_take_is_never_sent() -> None:
    async def body() -> None:
        async with joined() as (remote, _):
            session = await remote.new_session("/tmp")
            with pytest.raises(CapabilityMissing, match="image"):
                await session.prompt([ImageContent(data="", mime_type="image/png")])

    within(body)


def test_modes_are_known_from_the_start_and_followed() -> None:
    async def body() -> None:
        async with joined() as (remote, _):
            session = await remote.new_session("/tmp")
            modes = session.transcript.modes
            assert modes is not None and modes.current_mode_id == "ask"
            await session.set_mode("plan")
            modes = session.transcript.modes
            assert modes is not None and (modes.current_mode_id, len(modes.available_modes)) == ("plan", 2)

    within(body)


@pytest.mark.spec("N-17", "N-15")
@pytest.mark.req("JR-12")
def test_a_spawned_agent_is_driven_and_gone_after() -> None:
    async def body() -> None:
        async with spawn(SCRIPT, ClientServices(permissions=approve_all)) as remote:
            session = await remote.new_session("/tmp")
            assert (await session.prompt("ask")).stop_reason == "end_turn"
            assert said(session) == "yes"
        assert not _children()

    within(body)


@pytest.mark.spec("N-16")
def test_an_agent_that_dies_fails_the_turn_and_its_last_words_are_heard() -> None:
    async def body() -> None:
        words: list[bytes] = []
        with pytest.raises(ConnectionClosed):
            async with spawn(SCRIPT, stderr=words.append) as remote:
                await (await remote.new_session("/tmp")).prompt("die")
        assert b"".join(words) == b"last words\n"

    within(body)


def test_an_agent_that_cannot_be_started_is_an_os_error() -> None:
    async def body() -> None:
        with pytest.raises(FileNotFoundError):
            async with spawn(["no-such-agent"]):
                pytest.fail("the block must not run")

    within(body)


def test_a_cancelled_block_leaves_no_process_behind() -> None:
    async def body() -> None:
        running = asyncio.Event()

        async def use() -> None:
            async with spawn(["sh", "-c", f"sleep 60 & exec {SCRIPT[0]} {SCRIPT[1]}"]) as remote:
                session = await remote.new_session("/tmp")
                session.listen(lambda _update: running.set())
                await session.prompt("deaf")

        task = asyncio.ensure_future(use())
        await running.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert not _children()

    within(body)


def test_an_agent_that_ignores_the_end_of_its_input_is_killed_with_its_tree() -> None:
    async def body() -> None:
        with pytest.raises(ConnectionClosed):
            async with spawn(["sh", "-c", "trap '' TERM; sleep 60 & while :; do sleep 1; done"], timeout_s=0.1):
                pytest.fail("the block must not run")
        assert not _children()

    within(body)


def _children() -> list[process_table.ProcessEntry]:
    import os

    if not process_table.is_available():
        pytest.skip("needs a process table")
    return process_table.children_of(os.getpid())
