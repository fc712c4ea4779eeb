"""Our whole server against aimock, a program of others that speaks the APIs of big providers, in all four formats."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from agent_server.client import RemoteSession
from agent_server.errors import RpcError
from agent_server.protocol.extensions import SESSION_CONTINUE, SESSION_USAGE
from agent_server.protocol.extensions.models import ContinueSessionRequest, SessionUsageRequest
from agent_server.protocol.v1.content import ImageContent, TextContent

from .aimock import Aimock, answers, call, fails, parts_of, running
from .our_server import FORMATS, our_server, run, write_config

PIXEL = b64encode(b"\x89PNG\r\n\x1a\n not really").decode()

formats = pytest.mark.parametrize("wire", FORMATS)


def said(session: RemoteSession, role: str) -> str:
    return "".join(message.text for message in session.transcript.messages if message.role == role)


@formats
def test_an_answer_is_streamed_with_its_thoughts_and_its_usage(tmp_path: Path, aimock: Aimock, wire: str) -> None:
    usage = {"input_tokens": 21, "output_tokens": 9, "prompt_tokens": 21, "completion_tokens": 9}
    aimock.use(answers("hello", "Good day to you, whoever you are.", reasoning="They greet me.", usage=usage))

    async def body() -> None:
        async with our_server(write_config(tmp_path, aimock.url), f"{wire}:mock-1") as agent:
            session = await agent.new_session(str(tmp_path))
            assert (await session.prompt("hello")).stop_reason == "end_turn"
            assert said(session, "agent") == "Good day to you, whoever you are."
            assert said(session, "thought") == "They greet me."
            used = await agent.connection.request(SESSION_USAGE, SessionUsageRequest(session_id=session.id))
            assert (used.model_calls, used.input_tokens >= 21, used.output_tokens) == (1, True, 9)

    run(body)
    (asked,) = aimock.asked()
    assert "sk-mock-7f3a" in str(asked["headers"]) or "[REDACTED]" in str(asked["headers"])


@formats
def test_parallel_calls_run_and_their_results_go_back_with_the_answer_that_asked(
    tmp_path: Path, aimock: Aimock, wire: str
) -> None:
    (tmp_path / "a.txt").write_text("alpha file")
    (tmp_path / "b.txt").write_text("beta file")
    calls = [call("call_one", "read_file", path="a.txt"), call("call_two", "read_file", path="b.txt")]
    aimock.use(
        answers("compare", "I look at both.", toolCalls=calls, match={"hasToolResult": False}),
        answers("compare", "They differ.", match={"hasToolResult": True}),
    )

    async def body() -> None:
        async with our_server(write_config(tmp_path, aimock.url), f"{wire}:mock-1") as agent:
            session = await agent.new_session(str(tmp_path))
            assert (await session.prompt("compare")).stop_reason == "end_turn"
            assert said(session, "agent").endswith("They differ.")
            assert [entry.status for entry in session.transcript.tool_calls] == ["completed", "completed"]

    run(body)
    first, second = aimock.asked()
    assert "alpha file" not in parts_of([first])
    assert all(text in parts_of([second]) for text in ("alpha file", "beta file", "read_file"))


def test_an_image_of_the_prompt_reaches_the_model(tmp_path: Path, aimock: Aimock) -> None:
    # Of the other formats aimock tells only what it understood, and that is no images.
    wire = "openai-chat"
    aimock.use(answers("what is this", "A picture."))

    async def body() -> None:
        async with our_server(write_config(tmp_path, aimock.url), f"{wire}:mock-1") as agent:
            session = await agent.new_session(str(tmp_path))
            image = ImageContent(data=PIXEL, mime_type="image/png")
            assert (await session.prompt([TextContent(text="what is this"), image])).stop_reason == "end_turn"

    run(body)
    assert PIXEL in parts_of(aimock.asked())


@formats
def test_a_busy_server_is_asked_again_and_only_the_answer_is_shown(tmp_path: Path, aimock: Aimock, wire: str) -> None:
    aimock.use(
        fails("hello", 503, "busy", "overloaded_error", match={"sequenceIndex": 0}, retryAfter=0),
        answers("hello", "Here I am.", match={"sequenceIndex": 1}),
    )

    async def body() -> None:
        async with our_server(write_config(tmp_path, aimock.url), f"{wire}:mock-1") as agent:
            session = await agent.new_session(str(tmp_path))
            assert (await session.prompt("hello")).stop_reason == "end_turn"
            assert said(session, "agent") == "Here I am."

    run(body)
    assert len(aimock.asked()) == 2


@formats
def test_an_answer_that_is_cut_fails_with_what_was_said_kept_and_goes_on_when_asked(
    tmp_path: Path, aimock: Aimock, wire: str
) -> None:
    text = "This sentence will be cut somewhere in the middle of it, and nobody knows where."
    aimock.use(
        answers("tell me", text, truncateAfterChunks=9, latency=5, match={"turnIndex": 0}),
        answers("Go on with it", "That was it."),
    )

    async def body() -> None:
        async with our_server(write_config(tmp_path, aimock.url), f"{wire}:mock-1") as agent:
            session = await agent.new_session(str(tmp_path))
            with pytest.raises(RpcError) as failed:
                await session.prompt("tell me")
            assert failed.value.data["errorKind"] == "unreachable"
            assert failed.value.data["interrupted"] is True
            partial = said(session, "agent")
            assert 10 < len(partial) < len(text) and text.startswith(partial)
            request = ContinueSessionRequest(session_id=session.id)
            assert (await agent.connection.request(SESSION_CONTINUE, request)).stop_reason == "end_turn"
            assert partial in parts_of(aimock.asked()[-1:])
            assert said(session, "agent") == partial + "That was it."

    run(body)
    assert len(aimock.asked()) == 2


@formats
@pytest.mark.req("CR-05")
def test_a_key_that_is_refused_is_said_to_be_and_is_nowhere_in_what_is_said(tmp_path: Path, wire: str) -> None:
    with running(tmp_path, only_key="another-key") as strict:
        strict.use(answers("hello", "never"))

        async def body() -> None:
            config = write_config(tmp_path, strict.url, key="sk-wrong-0815")
            async with our_server(config, f"{wire}:mock-1") as agent:
                session = await agent.new_session(str(tmp_path))
                with pytest.raises(RpcError) as failed:
                    await session.prompt("hello")
                assert failed.value.data["errorKind"] == "rejected_key"
                assert failed.value.data["httpStatus"] == 401
                assert "sk-wrong" not in str(failed.value.data)

        run(body)


@formats
@pytest.mark.req("CR-06")
def test_a_limit_that_stays_is_told_after_the_retries(tmp_path: Path, aimock: Aimock, wire: str) -> None:
    aimock.use(fails("hello", 429, "Rate limit reached", "rate_limit_error", retryAfter=0))

    async def body() -> None:
        async with our_server(write_config(tmp_path, aimock.url), f"{wire}:mock-1") as agent:
            session = await agent.new_session(str(tmp_path))
            with pytest.raises(RpcError) as failed:
                await session.prompt("hello")
            assert (failed.value.data["errorKind"], failed.value.data["httpStatus"]) == ("rate_limited", 429)

    run(body)
    assert len(aimock.asked()) == 4


def test_a_conversation_goes_from_one_format_to_all_the_others_with_its_calls(tmp_path: Path, aimock: Aimock) -> None:
    (tmp_path / "a.txt").write_text("alpha file")
    reading = call("call_one", "read_file", path="a.txt")
    aimock.use(
        answers("read it", "Reading.", toolCalls=[reading], match={"hasToolResult": False}),
        answers("read it", "It says alpha.", match={"hasToolResult": True}),
        answers("and again", "As I said."),
    )

    async def body() -> None:
        async with our_server(write_config(tmp_path, aimock.url), "anthropic:mock-1") as agent:
            session = await agent.new_session(str(tmp_path))
            assert (await session.prompt("read it")).stop_reason == "end_turn"
            for wire in FORMATS:
                await session.set_config_option("model", f"{wire}:mock-1")
                assert (await session.prompt("and again")).stop_reason == "end_turn"
                assert all(text in parts_of(aimock.asked()[-1:]) for text in ("alpha file", "It says alpha."))

    run(body)
