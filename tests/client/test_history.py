from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_server.client import (
    AgentMisbehaved,
    ClientServices,
    LocalTerminals,
    LoginUnavailable,
    Message,
    RemoteAgent,
    spawn,
)
from agent_server.client import session as session_module
from agent_server.errors import CapabilityMissing, ConnectionClosed, RpcError, SessionConflict
from agent_server.protocol.v1.content import ImageContent, TextContent
from agent_server.protocol.v1.session import McpServerHttp
from agent_server.protocol.v1.system_prompt import SystemPrompt
from agent_server.protocol.v1.updates import SessionUpdate

from . import storing_agent
from .storing import stored, within


@pytest.mark.spec("N-29")
@pytest.mark.req("JR-12")
def test_a_session_that_is_loaded_reads_as_it_did_while_it_was_lived(tmp_path: Path) -> None:
    async def body() -> None:
        services = ClientServices()
        async with stored(tmp_path, services) as (remote, _, _):
            session = await remote.new_session("/tmp")
            for prompt in ("say a|b", "call x|y", "say end"):
                await session.prompt(prompt)
            lived = session.transcript
        async with stored(tmp_path, services) as (remote, _, _):
            heard: list[SessionUpdate] = []
            loaded = await remote.load_session(session.id, "/tmp", listener=heard.append)
            assert loaded.transcript.conversation == lived.conversation
            assert loaded.transcript.title == lived.title == "Titled"
            assert loaded.transcript.modes == lived.modes
            assert len(lived.notices) == 1 and not loaded.transcript.notices
            assert len(heard) == 14  # all of the replay, before the call returned
            assert [entry.role for entry in loaded.transcript.messages] == ["user", "agent"] * 3
            await loaded.prompt("say more")
            assert loaded.transcript.text.endswith("more")

    within(body)


@pytest.mark.req("JR-12")
def test_an_agent_that_is_killed_in_a_turn_is_started_again_and_the_session_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, storing_agent.__file__, str(tmp_path)]

    async def live() -> Any:
        async with spawn(command) as agent:
            session = await agent.new_session("/tmp")
            await session.prompt("say first|turn")
            hangs = asyncio.Event()
            session.listen(lambda _update: hangs.set() if "half" in session.transcript.text else None)
            turn = asyncio.ensure_future(session.prompt("hang half a sen"))
            await hangs.wait()
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
            with pytest.raises(ConnectionClosed):
                await turn
            with pytest.raises(ConnectionClosed):
                await session.prompt("say nothing")
            return session

    async def body() -> None:
        old = await live()
        async with spawn(command) as agent:
            session = await agent.load_session(old.id, "/tmp")
            assert session.transcript.entries == old.transcript.entries
            assert session.transcript.messages[-1].text == "half a sen"
            assert (await session.prompt("say tence")).stop_reason == "end_turn"

    within(body)


@pytest.mark.spec("N-30")
def test_resuming_tells_nothing_of_before_and_an_update_beside_the_answer_counts(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, _, _):
            first = await remote.new_session("/tmp")
            await first.prompt("say a")
            heard: list[SessionUpdate] = []
            second = await remote.resume_session(first.id, "/tmp", listener=heard.append)
            assert [update.session_update for update in heard] == ["current_mode_update"]
            assert second.transcript.entries == []
            modes = second.transcript.modes
            assert modes is not None and (modes.current_mode_id, len(modes.available_modes)) == ("plan", 2)
            await second.prompt("say b")
            assert (first.transcript.text, second.transcript.text) == ("a", "b")
            assert (first.live, second.live) == (False, True)

    within(body)


def test_a_session_that_cannot_be_loaded_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, _, _):
            with pytest.raises(RpcError) as caught:
                await remote.load_session("nobody", "/tmp")
            assert caught.value.code == -32002
            assert not remote.sessions
            session = await remote.new_session("/tmp")
            (tmp_path / f"{session.id}.jsonl").unlink()
            with pytest.raises(RpcError):
                await remote.load_session(session.id, "/tmp")
            assert session.live
            await session.prompt("say still")
            assert session.transcript.text == "still"

    within(body)


def test_a_load_that_fails_in_the_middle_of_a_turn_takes_nothing_from_the_session(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, agent, _):
            session = await remote.new_session("/tmp")
            begun = asyncio.Event()
            session.listen(lambda _update: begun.set() if session.transcript.text else None)
            turn = asyncio.ensure_future(session.prompt("hang half"))
            await begun.wait()
            (tmp_path / f"{session.id}.jsonl").rename(tmp_path / "away")
            loading = asyncio.ensure_future(remote.load_session(session.id, "/tmp"))
            agent.sessions[session.id].send(
                {
                    "sessionUpdate": "agent_message_chunk",
                    "messageId": "a1",
                    "content": {"type": "text", "text": " more"},
                }
            )
            with pytest.raises(RpcError):
                await loading
            assert session.transcript.text == "half more"
            session.cancel()
            assert (await turn).stop_reason == "cancelled"

    within(body)


def test_giving_up_the_only_prompt_ends_the_turn_of_an_agent_that_knows_no_other_way(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, agent, sent):
            session = await remote.new_session("/tmp")
            begun = asyncio.Event()
            session.listen(lambda _update: begun.set() if session.transcript.text else None)
            turn = asyncio.ensure_future(session.prompt("hang half"))
            await begun.wait()
            turn.cancel()
            await asyncio.wait([turn])
            await agent.sessions[session.id].cancelled.wait()
            assert sent[-2:] == ["$/cancel_request", "session/cancel"]

    within(body)


def test_a_session_is_not_loaded_twice_at_the_same_time(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, _, _):
            session = await remote.new_session("/tmp")
            results = await asyncio.gather(
                *(remote.load_session(session.id, "/tmp") for _ in range(2)), return_exceptions=True
            )
            assert sorted(type(result).__name__ for result in results) == ["RemoteSession", "SessionConflict"]
            assert [remote.sessions[session.id]] == [r for r in results if not isinstance(r, SessionConflict)]

    within(body)


@pytest.mark.spec("N-40")
def test_all_pages_are_one_list_and_cursors_come_back_as_they_were_given(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, agent, _):
            assert [info async for info in remote.list_sessions()] == []
            for _ in range(5):
                await remote.new_session("/tmp")
            listed = [info.session_id async for info in remote.list_sessions()]
            assert listed == ["s0", "s1", "s2", "s3", "s4"]
            page = await remote.list_page("/tmp", "after s4")
            assert ([info.session_id for info in page.sessions], page.next_cursor) == (["s4"], None)
            asked = [params for name, params in agent.calls if name == "list"]
            assert asked == [
                {},
                {},
                {"cursor": "after s2"},
                {"cursor": "after s4"},
                {"cwd": "/tmp", "cursor": "after s4"},
            ]

    within(body)


def test_pages_are_asked_for_when_they_are_wanted(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, agent, _):
            for _ in range(5):
                await remote.new_session("/tmp")
            async for info in remote.list_sessions():
                if info.session_id == "s1":
                    break
            assert [name for name, _ in agent.calls].count("list") == 1

    within(body)


@pytest.mark.parametrize("cursor", ["after s0", ""])
def test_a_cursor_that_comes_again_ends_the_list_with_an_error(tmp_path: Path, cursor: str) -> None:
    async def body() -> None:
        async with stored(tmp_path, cursor=cursor) as (remote, agent, _):
            await remote.new_session("/tmp")
            with pytest.raises(AgentMisbehaved, match="cursor"):
                async for _ in remote.list_sessions():
                    pass
            assert [name for name, _ in agent.calls].count("list") == 2

    within(body)


@pytest.mark.spec("D-12")
def test_deleting_and_closing_what_the_agent_does_not_know_is_done(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path, lost=["s0", "gone"]) as (remote, _, _):
            session = await remote.new_session("/tmp")
            await session.close()
            assert not remote.sessions and not session.live
            await remote.delete_session("gone")
            other = await remote.new_session("/tmp")
            await remote.delete_session(other.id)
            assert not remote.sessions
            assert not (tmp_path / "s1.jsonl").exists()
            with pytest.raises(RpcError):
                await remote.delete_session(other.id)  # this agent fails otherwise, and that is an error

    within(body)


CALLS: dict[str, Any] = {
    "session/load": lambda agent: agent.load_session("s0", "/tmp"),
    "session/resume": lambda agent: agent.resume_session("s0", "/tmp"),
    "session/list": lambda agent: agent.list_page(),
    "session/delete": lambda agent: agent.delete_session("s0"),
    "session/close": lambda agent: agent.sessions["s0"].close(),
    "logout": lambda agent: agent.logout(),
    "further directories": lambda agent: agent.new_session("/tmp", additional_directories=["/var"]),
    "a system prompt": lambda agent: agent.new_session("/tmp", system_prompt="be nice"),
    "an MCP server": lambda agent: agent.new_session("/tmp", mcp_servers=[McpServerHttp(name="m", url="http://m")]),
    "an image": lambda agent: agent.sessions["s0"].prompt([ImageContent(data="", mime_type="image/png")]),
}


@pytest.mark.spec("N-21", "N-28", "N-34", "N-36", "N-37", "N-44")
@pytest.mark.promise("P10")
@pytest.mark.parametrize("name", CALLS)
def test_what_the_agent_does_not_offer_is_never_sent(tmp_path: Path, name: str) -> None:
    async def body() -> None:
        async with stored(tmp_path, can={}) as (remote, _, sent):
            session = await remote.new_session("/tmp")
            with pytest.raises(CapabilityMissing):
                await CALLS[name](remote)
            assert sent == ["initialize", "session/new"]
            assert session.live and session.transcript.entries == []

    within(body)


@pytest.mark.spec("N-37", "N-38")
def test_a_system_prompt_is_text_that_is_not_empty_and_replaces_only_where_offered(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, agent, _):
            session = await remote.new_session("/tmp", system_prompt="be nice", additional_directories=["/var", "x"])
            await remote.load_session(session.id, "/tmp", system_prompt="be nice")
            made, loaded = (params for _, params in agent.calls)
            assert made["systemPrompt"] == {"mode": "append", "content": [{"type": "text", "text": "be nice"}]}
            assert loaded["systemPrompt"] == made["systemPrompt"]
            assert made["additionalDirectories"] == ["/var", os.path.abspath("x")]
            assert session.roots == ("/tmp", "/var", os.path.abspath("x"))
            image = ImageContent(data="", mime_type="image/png")
            for wrong in (" ", SystemPrompt(mode="append", content=[]), SystemPrompt(mode="append", content=[image])):
                with pytest.raises(ValueError, match="system prompt"):
                    await remote.new_session("/tmp", system_prompt=wrong)
            for mode in ("override", "from_the_future"):
                prompt = SystemPrompt(mode=mode, content=[TextContent(text="x")])
                with pytest.raises(CapabilityMissing, match=mode):
                    await remote.new_session("/tmp", system_prompt=prompt)
            assert len(agent.calls) == 2

    within(body)


@pytest.mark.spec("N-23", "N-21")
def test_a_login_is_one_that_was_offered_and_is_not_for_a_terminal(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, agent, sent):
            await remote.authenticate("own")
            await remote.logout()
            for wrong in ("shell", "made up"):
                with pytest.raises(LoginUnavailable, match=wrong) as caught:
                    await remote.authenticate(wrong)
                assert isinstance(caught.value, ValueError)
            assert agent.calls == [("authenticate", {"methodId": "own"}), ("logout", {})]
            assert sent == ["initialize", "authenticate", "logout"]

    within(body)


async def _with_terminal(remote: RemoteAgent, agent: Any) -> tuple[Any, Any]:
    session = await remote.new_session("/tmp")
    wire = {"sessionId": session.id, "command": "sleep", "args": ["60"]}
    made = await agent.ask_raw("terminal/create", wire)
    return session, {"sessionId": session.id, "terminalId": made["terminalId"]}


@pytest.mark.req("JR-04")
@pytest.mark.parametrize("closes", [True, False])
def test_leaving_a_session_frees_its_terminals_whether_or_not_it_can_be_closed(tmp_path: Path, closes: bool) -> None:
    async def body() -> None:
        can: dict[str, Any] = {"sessionCapabilities": {"close": {}}} if closes else {}
        terminals = LocalTerminals()
        async with stored(tmp_path, ClientServices(terminals=terminals), can) as (remote, agent, sent):
            session, terminal = await _with_terminal(remote, agent)
            async with session:
                waiting = asyncio.ensure_future(agent.ask_raw("terminal/wait_for_exit", terminal))
                await agent.ask_raw("terminal/output", terminal)
            assert (await waiting)["signal"] in ("SIGTERM", "SIGKILL")
            assert not terminals._terminals
            assert ("session/close" in sent) is closes
            assert not session.live

    within(body)


def test_leaving_a_session_in_a_turn_ends_the_turn(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path, can={}) as (remote, _, sent):
            async with await remote.new_session("/tmp") as session:
                hangs = asyncio.Event()
                session.listen(lambda _update: hangs.set())
                turn = asyncio.ensure_future(session.prompt("hang on"))
                await hangs.wait()
            assert (await turn).stop_reason == "cancelled"
            assert sent[-1] == "session/cancel"

    within(body)


def test_a_session_can_be_left_when_the_agent_has_gone(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, agent, _):
            with pytest.raises(ConnectionClosed):
                async with await remote.new_session("/tmp") as session:
                    agent.connection.end()
                    await session.prompt("say x")

    within(body)


def test_an_agent_that_never_closes_a_session_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "CLOSE_TIMEOUT_S", 0.05)

    async def body() -> None:
        async with stored(tmp_path) as (remote, agent, sent):
            agent.deaf = True
            async with await remote.new_session("/tmp") as session:
                pass
            assert sent[-2:] == ["session/close", "$/cancel_request"]
            assert not session.live

    within(body)


def test_our_own_prompt_stands_once_whether_or_not_the_agent_repeats_it(tmp_path: Path) -> None:
    async def body() -> None:
        async with stored(tmp_path) as (remote, _, _):
            session = await remote.new_session("/tmp")
            await session.prompt("say a")
            user, agent = session.transcript.messages
            assert (user.role, user.text, user.message_id) == ("user", "say a", "u1")
            assert isinstance(agent, Message) and agent.text == "a"

    within(body)
