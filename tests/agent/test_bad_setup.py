"""Bad input for what only some agents have: logins, and a model that takes a client's system prompt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent_server.agent.connection_handlers import AgentConnection
from agent_server.agent.features import Features
from agent_server.agent.login import LoginMethod, TerminalLogin
from agent_server.sessions.instructions import instructions_of
from agent_server.transport.memory import memory_pair

from .puppets import forever, say
from .scripted_client import Frame, House, ScriptedClient, house, in_loop

MARK = "hunter2-swordfish"
TEXT = {"type": "text", "text": "t"}


class Door:
    """A login that opens with its one method."""

    methods = (
        LoginMethod("ours", "Ours"),
        LoginMethod("term", "In a terminal", terminal=TerminalLogin(asyncio.Event().wait)),
    )

    def __init__(self) -> None:
        self.logged_in = False

    async def authenticate(self, method_id: str) -> None:
        self.logged_in = True

    async def logout(self) -> None:
        self.logged_in = False


@asynccontextmanager
async def client_of(
    features: Features, capabilities: Frame | None = None
) -> AsyncIterator[tuple[ScriptedClient, House]]:
    async with house(forever(say("hi"))) as made:
        near, far = memory_pair()
        agent = AgentConnection(far, lambda: made.service, features)
        made.agents.append(asyncio.ensure_future(agent.run(drain_s=0.05)))
        made.clients.append(client := ScriptedClient(near))
        await client.call("initialize", protocolVersion=1, clientCapabilities=capabilities or {})
        yield client, made


PROMPTS: list[tuple[Any, str]] = [
    ({"mode": MARK, "content": [TEXT]}, 'params.systemPrompt.mode must be "append" or "override"'),
    ({"mode": "", "content": [TEXT]}, 'params.systemPrompt.mode must be "append" or "override"'),
    ({"mode": "Append", "content": [TEXT]}, 'params.systemPrompt.mode must be "append" or "override"'),
    ({"mode": "append", "content": []}, "params.systemPrompt.content must hold some text"),
    (
        {"mode": "append", "content": [{"type": "text", "text": " \n"}]},
        "params.systemPrompt.content must hold some text",
    ),
    (
        {"mode": "override", "content": [TEXT, {"type": "image", "data": MARK, "mimeType": "image/png"}]},
        'params.systemPrompt.content[1].type must be "text"',
    ),
    (
        {"mode": "append", "content": [{"type": "resource_link", "uri": MARK, "name": "n"}]},
        'params.systemPrompt.content[0].type must be "text"',
    ),
    ({"mode": 5, "content": [TEXT]}, "params.systemPrompt.mode must be a string, but a number was given"),
    ({"content": [TEXT]}, "params.systemPrompt.mode is missing (expected a string)"),
    ({"mode": "append"}, "params.systemPrompt.content is missing (expected an array)"),
    ({"mode": "append", "content": MARK}, "params.systemPrompt.content must be an array, but a string was given"),
    (
        {"mode": "append", "content": [{"type": "text", "text": [MARK]}]},
        "params.systemPrompt.content[0].text must be a string, but an array was given",
    ),
    (MARK, "params.systemPrompt must be an object or null, but a string was given"),
    ([TEXT], "params.systemPrompt must be an object or null, but an array was given"),
]


@pytest.mark.req("JR-19")
@pytest.mark.parametrize(("system_prompt", "details"), PROMPTS)
@in_loop
async def test_a_system_prompt_that_does_not_fit_is_refused_and_changes_nothing(
    tmp_path: Path, system_prompt: Any, details: str
) -> None:
    async with client_of(Features(system_prompt=True)) as (client, made):
        params: Frame = {"cwd": str(tmp_path), "mcpServers": []}
        session_id = await client.new_session(str(tmp_path), systemPrompt={"mode": "append", "content": [TEXT]})
        for method, more in (
            ("session/new", {}),
            *((f"session/{m}", {"sessionId": session_id}) for m in ("load", "resume")),
        ):
            error = await client.refused(method, **params, **more, systemPrompt=system_prompt)
            assert error == {"code": -32602, "message": "Invalid params", "data": {"details": details}}
        assert [instructions_of(session) for session in made.supervisor.live()] == ["t"]
        assert await client.run(session_id) == "end_turn"
        assert MARK.encode() not in orjson.dumps(client.frames)


@pytest.mark.parametrize("method_id", ["term", MARK, "", "Ours", "ours "])
@in_loop
async def test_a_way_to_log_in_that_may_not_be_used_here_is_refused_and_logs_nobody_in(method_id: str) -> None:
    door = Door()
    async with client_of(Features(login=door), {"auth": {"terminal": True}}) as (client, _):
        error = await client.refused("authenticate", methodId=method_id)
        details = "params.methodId is none of the methods that may be used here"
        assert error == {"code": -32602, "message": "Invalid params", "data": {"details": details}}
        assert not door.logged_in


@in_loop
async def test_who_is_not_logged_in_is_told_so_for_every_session_and_prompt_and_for_nothing_else(
    tmp_path: Path,
) -> None:
    door = Door()
    async with client_of(Features(login=door)) as (client, _):
        setup: Frame = {"cwd": str(tmp_path), "mcpServers": []}
        for method, params in (
            ("session/new", setup),
            ("session/load", {**setup, "sessionId": "nobody"}),
            ("session/resume", {**setup, "sessionId": "nobody"}),
        ):
            assert (await client.refused(method, **params))["code"] == -32000
            assert (await client.refused(method, **{**params, "cwd": 5}))["code"] == -32602
        assert (await client.call("session/list"))["sessions"] == []
        await client.call("authenticate", methodId="ours")
        session_id = await client.new_session(str(tmp_path))
        for junk in ({}, {"_meta": 7}, {"future": 1}):
            assert await client.call("logout", **junk) == {}
        text = [{"type": "text", "text": MARK}]
        assert (await client.refused("session/prompt", sessionId=session_id, prompt=text))["code"] == -32000
        await client.call("session/close", sessionId=session_id)
