"""What a user is told when a model cannot answer: one clean sentence, once; the rest is for the log."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agent_server.client import RemoteAgent, RemoteSession
from agent_server.errors import RpcError
from agent_server.protocol.extensions import SESSION_SNAPSHOT
from agent_server.protocol.extensions.sessions import SessionSnapshotRequest

from .aimock import Aimock, answers, fails, parts_of, running
from .our_server import our_server, run, write_config

TRACEBACK = 'Traceback (most recent call last):\n  File "/srv/handler.py", line 7, in run\nKeyError: "sk-abcdef123456"'


async def failure_of(session: RemoteSession, text: str = "hello") -> RpcError:
    with pytest.raises(RpcError) as failed:
        await session.prompt(text)
    return failed.value


async def last_error(agent: RemoteAgent, session: RemoteSession) -> str | None:
    request = SessionSnapshotRequest(session_id=session.id)
    return (await agent.connection.request(SESSION_SNAPSHOT, request)).last_error


@pytest.mark.req("TN-05", "CR-10", "CR-12")
def test_a_refused_request_leaves_the_prompt_and_tells_why_once_and_the_next_one_works(
    tmp_path: Path, aimock: Aimock
) -> None:
    aimock.use(
        answers("again", "Now it works."),
        fails("hello", 400, "boom", "invalid_request_error"),
    )

    async def body() -> None:
        async with our_server(write_config(tmp_path, aimock.url), "openai-chat:mock-1") as agent:
            session = await agent.new_session(str(tmp_path))
            error = await failure_of(session)
            assert (error.data["errorKind"], error.data["httpStatus"]) == ("raw", 400)
            assert "boom" in error.data["details"]
            assert await last_error(agent, session) == error.data["details"]
            assert "boom" not in str([message for message in session.transcript.messages if message.role != "user"])
            assert (await session.prompt("again")).stop_reason == "end_turn"
            assert await last_error(agent, session) is None
            assert "hello" in parts_of(aimock.asked()[-1:])

    run(body)
    assert len(aimock.asked()) == 2  # what is wrong with a request is not tried again


@pytest.mark.req("CR-09")
def test_an_inner_dump_of_a_server_is_for_the_log_alone_and_without_its_secrets(tmp_path: Path, aimock: Aimock) -> None:
    aimock.use(fails("hello", 400, TRACEBACK, "internal"))
    log = tmp_path / "agent.log"

    async def body() -> None:
        environment = write_config(tmp_path, aimock.url)
        async with our_server(environment, "openai-chat:mock-1", "--log-file", str(log)) as agent:
            session = await agent.new_session(str(tmp_path))
            error = await failure_of(session)
            assert error.data["errorKind"] == "raw"
            assert "Traceback" not in str(error.data) and "handler.py" not in str(error.data)
            assert error.data["details"]

    run(body)
    assert "handler.py" in log.read_text()
    assert "sk-mock-7f3a" not in log.read_text()


@pytest.mark.req("CR-08")
def test_a_server_that_is_not_there_is_unreachable_and_the_session_lives_on(tmp_path: Path, aimock: Aimock) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        environment = write_config(tmp_path, nowhere)

        async def body() -> None:
            async with our_server(environment, "openai-chat:mock-1") as agent:
                session = await agent.new_session(str(tmp_path))
                error = await failure_of(session)
                assert (error.data["errorKind"], error.data["retryable"]) == ("unreachable", True)
                await session.set_config_option("model", "offline")
                assert (await session.prompt("/help")).stop_reason == "end_turn"

        run(body)


@pytest.mark.req("CR-01", "CR-07")
def test_a_model_without_its_key_asks_for_a_login_and_nothing_is_sent(tmp_path: Path, aimock: Aimock) -> None:
    aimock.use(answers("hello", "never"))
    environment = write_config(tmp_path, aimock.url)
    del environment["MOCK_KEY"]

    async def body() -> None:
        async with our_server(environment, "openai-chat:mock-1") as agent:
            session = await agent.new_session(str(tmp_path))
            error = await failure_of(session)
            assert error.code == -32000
            assert (error.data["errorKind"], error.data["reason"]) == ("auth_failed", "missing_key")
            assert "MOCK_KEY" in error.data["details"]

    run(body)
    assert aimock.asked() == []


@pytest.mark.req("CR-11")
def test_the_status_says_what_failed_whatever_the_text_says(tmp_path: Path, aimock: Aimock) -> None:
    aimock.use(fails("hello", 422, "error 401 unauthorized rate limit 429 api_key", "invalid_request_error"))

    async def body() -> None:
        async with our_server(write_config(tmp_path, aimock.url), "openai-chat:mock-1") as agent:
            session = await agent.new_session(str(tmp_path))
            assert (await failure_of(session)).data["errorKind"] == "raw"

    run(body)


@pytest.mark.req("ST-14")
def test_a_server_that_dies_and_comes_back_finds_the_session_with_all_that_was_said(tmp_path: Path) -> None:
    async def body() -> None:
        with running(tmp_path) as first:
            first.use(answers("hello", "Hi."))
            environment = write_config(tmp_path, first.url)
            async with our_server(environment, "openai-chat:mock-1") as agent:
                session = await agent.new_session(str(tmp_path))
                assert (await session.prompt("hello")).stop_reason == "end_turn"
                first.kill()
                error = await failure_of(session, "are you there")
                assert error.data["errorKind"] == "unreachable"
                with running(tmp_path, port=first.port) as second:
                    second.use(answers("and now", "Here again."))
                    assert (await session.prompt("and now")).stop_reason == "end_turn"
                    assert all(text in parts_of(second.asked()) for text in ("hello", "Hi.", "are you there"))

    run(body)
