"""Logging in and out. Spec: authentication."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from agent_server.agent.features import Features
from agent_server.agent.login import LoginMethod, TerminalLogin
from agent_server.errors import RpcError
from tests.agent.puppets import PuppetModel, forever, say
from tests.agent.scripted_client import Frame, ScriptedClient, house, in_loop


async def logged_in() -> bool:
    return True


KEY = LoginMethod("key", "By key", "Asks the key ring.")
TERMINAL = LoginMethod("tty", "In a terminal", terminal=TerminalLogin(logged_in, ("--login",), {"LOGIN": "1"}))
HAS_TERMINAL = {"auth": {"terminal": True}}


class OneLogin:
    """A login that always works."""

    def __init__(self, *methods: LoginMethod, logged_in: bool = False) -> None:
        self.methods: Sequence[LoginMethod] = methods
        self.logged_in = logged_in
        self.tried: list[str] = []

    async def authenticate(self, method_id: str) -> None:
        self.tried.append(method_id)
        if method_id == "broken":
            raise RpcError(-32603, "Internal error", {"details": "the key ring is locked"})
        self.logged_in = True

    async def logout(self) -> None:
        self.logged_in = False


async def initialized(client: ScriptedClient, capabilities: Frame) -> Frame:
    result: Frame = await client.call("initialize", protocolVersion=1, clientCapabilities=capabilities)
    return result


@pytest.mark.spec("N-22", "N-25")
@pytest.mark.parametrize(
    ("capabilities", "ids"),
    [
        ({}, ["key"]),
        ({"auth": {}}, ["key"]),
        ({"auth": {"terminal": False}}, ["key"]),
        ({"auth": {"terminal": "yes"}}, ["key"]),
        (HAS_TERMINAL, ["tty", "key"]),
    ],
)
@in_loop
async def test_logins_of_the_terminal_are_listed_for_clients_that_have_one(capabilities: Frame, ids: list[str]) -> None:
    async with house(forever(say("hi")), features=Features(login=OneLogin(TERMINAL, KEY))) as made:
        result = await initialized(made.join(), capabilities)
        assert [method["id"] for method in result["authMethods"]] == ids
        assert result["authMethods"][-1] == {"id": "key", "name": "By key", "description": "Asks the key ring."}
        assert result["agentCapabilities"]["auth"] == {"logout": {}}
        if len(ids) == 2:
            terminal = {"type": "terminal", "id": "tty", "name": "In a terminal", "args": ["--login"]}
            assert result["authMethods"][0] == {**terminal, "env": {"LOGIN": "1"}}


@pytest.mark.spec("D-54", "D-72", "N-23")
@in_loop
async def test_who_is_not_logged_in_makes_no_session_until_authenticated(tmp_path: Path) -> None:
    login = OneLogin(TERMINAL, KEY)
    async with house(forever(say("hi")), features=Features(login=login)) as made:
        client = made.join()
        await initialized(client, HAS_TERMINAL)
        error = await client.refused("session/new", cwd=str(tmp_path), mcpServers=[])
        assert error["code"] == -32000
        assert made.supervisor.live() == []
        for wrong in ("tty", "unknown", ""):
            error = await client.refused("authenticate", methodId=wrong)
            assert (error["code"], login.tried) == (-32602, [])
        assert await client.call("authenticate", methodId="key") == {}
        assert login.tried == ["key"]
        assert await client.run(await client.new_session(str(tmp_path))) == "end_turn"


@pytest.mark.spec("D-54")
@in_loop
async def test_a_client_that_can_take_no_way_to_log_in_is_not_sent_to_one(tmp_path: Path) -> None:
    async with house(forever(say("hi")), features=Features(login=OneLogin(TERMINAL))) as made:
        client = made.join()
        assert (await initialized(client, {}))["authMethods"] == []
        error = await client.refused("session/new", cwd=str(tmp_path), mcpServers=[])
        assert error["code"] == -32603
        assert "login" in error["data"]["details"]


@pytest.mark.spec("D-54", "N-21")
@in_loop
async def test_an_agent_without_logins_offers_none_and_never_asks_for_one(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        client = made.join()
        result = await initialized(client, HAS_TERMINAL)
        assert result["authMethods"] == []
        assert "logout" not in result["agentCapabilities"].get("auth", {})
        assert (await client.refused("logout"))["code"] == -32601
        assert (await client.refused("authenticate", methodId="key"))["code"] == -32602
        assert await client.run(await client.new_session(str(tmp_path))) == "end_turn"


@pytest.mark.spec("N-26", "D-54")
@in_loop
async def test_after_a_logout_open_sessions_refuse_prompts_and_go_on_after_the_next_login(tmp_path: Path) -> None:
    model = PuppetModel()
    async with house(model, features=Features(login=OneLogin(KEY, logged_in=True))) as made:
        client = made.join()
        await initialized(client, {})
        session_id = await client.new_session(str(tmp_path))
        running = client.prompt(session_id)
        await model.asked(1)
        assert await client.call("logout") == {}
        assert await client.call("logout") == {}
        model.finish(1, "still here")
        assert await client.stop_reason(running) == "end_turn"
        more = {"sessionId": session_id, "cwd": str(tmp_path), "mcpServers": []}
        for method in ("session/load", "session/resume"):
            assert (await client.refused(method, **more))["code"] == -32000
        error = await client.refused("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "x"}])
        assert error["code"] == -32000
        await client.call("authenticate", methodId="key")
        again = client.prompt(session_id)
        await model.asked(2)
        model.finish(2, "back")
        assert await client.stop_reason(again) == "end_turn"


@pytest.mark.spec("N-03")
@in_loop
async def test_a_login_that_fails_is_an_error_and_the_connection_goes_on(tmp_path: Path) -> None:
    login = OneLogin(LoginMethod("broken", "Broken"), KEY)
    async with house(forever(say("hi")), features=Features(login=login)) as made:
        client = made.join()
        await initialized(client, {})
        error = await client.refused("authenticate", methodId="broken")
        assert (error["code"], error["data"]["details"]) == (-32603, "the key ring is locked")
        assert (await client.refused("session/new", cwd=str(tmp_path), mcpServers=[]))["code"] == -32000
        await client.call("authenticate", methodId="key")
        await client.new_session(str(tmp_path))
