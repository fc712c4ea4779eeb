"""A client's instructions for the model. Spec: client system prompt."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from agent_server.agent.features import Features
from agent_server.cli.compose import make_provider
from agent_server.config.settings import Settings
from agent_server.providers.provider import Finished, ModelRequest, ProviderEvent, SimpleProvider, TextDelta
from tests.agent.scripted_client import Frame, in_loop, one_client
from tests.promises.agent_process import agent_process, scenario_file

APPLIED = Features(system_prompt=True)
SESSION_CAPABILITIES = "sessionCapabilities"


class Listener(SimpleProvider):
    """Remembers what it was told beforehand."""

    system_prompts = True

    def __init__(self) -> None:
        self.systems: list[str] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        self.systems.append(request.system)
        yield TextDelta("ok")
        yield Finished()


def prompt(*texts: str, mode: str = "append") -> Frame:
    return {"mode": mode, "content": [{"type": "text", "text": text} for text in texts]}


WRONG: list[Any] = [
    {"mode": "append", "content": []},
    {"mode": "append"},
    {"content": [{"type": "text", "text": "x"}]},
    prompt(" \n"),
    prompt("x", mode="prepend"),
    prompt("x", mode="_mine"),
    {"mode": "append", "content": [{"type": "image", "data": "", "mimeType": "image/png"}]},
    {"mode": "append", "content": [{"type": "text", "text": "x"}, {"type": "resource_link", "uri": "u", "name": "n"}]},
    "be nice",
]


@pytest.mark.spec("N-37", "D-11")
@in_loop
async def test_instructions_reach_the_model_before_everything_else(tmp_path: Path) -> None:
    model = Listener()
    async with one_client(model, features=APPLIED) as (client, _):
        for mode in ("append", "override"):
            given = prompt("Be brief.", "In verse.", mode=mode)
            session_id = await client.new_session(str(tmp_path), systemPrompt=given)
            await client.run(session_id)
            await client.run(session_id)
        await client.run(await client.new_session(str(tmp_path)))
        assert model.systems == ["Be brief.\n\nIn verse."] * 4 + [""]


@pytest.mark.spec("N-37", "D-49")
@pytest.mark.parametrize("method", ["session/new", "session/load", "session/resume"])
@pytest.mark.parametrize("given", WRONG)
@in_loop
async def test_what_cannot_be_applied_makes_no_session(tmp_path: Path, given: Any, method: str) -> None:
    async with one_client(Listener(), features=APPLIED) as (client, house):
        params: Frame = {"cwd": str(tmp_path), "mcpServers": [], "systemPrompt": given}
        if method != "session/new":
            params["sessionId"] = await client.new_session(str(tmp_path))
            await client.call("session/close", sessionId=params["sessionId"])
        error = await client.refused(method, **params)
        assert error["code"] == -32602
        assert "systemPrompt" in error["data"]["details"]
        assert house.supervisor.live() == []


@pytest.mark.spec("N-37", "D-49")
@pytest.mark.parametrize("method", ["session/new", "session/load", "session/resume"])
@in_loop
async def test_where_nothing_is_advertised_every_system_prompt_is_refused(tmp_path: Path, method: str) -> None:
    async with one_client(Listener()) as (client, house):
        params: Frame = {"cwd": str(tmp_path), "mcpServers": [], "systemPrompt": prompt("x")}
        if method != "session/new":
            params["sessionId"] = await client.new_session(str(tmp_path))
            await client.call("session/close", sessionId=params["sessionId"])
        assert (await client.refused(method, **params))["code"] == -32602
        assert house.supervisor.live() == []


@pytest.mark.spec("N-38")
@pytest.mark.parametrize("method", ["session/load", "session/resume"])
@pytest.mark.parametrize("live", [True, False])
@in_loop
async def test_instructions_that_come_again_count_from_the_next_turn_on(
    tmp_path: Path, live: bool, method: str
) -> None:
    model = Listener()
    async with one_client(model, features=APPLIED) as (client, _):
        session_id = await client.new_session(str(tmp_path), systemPrompt=prompt("one"))
        await client.run(session_id)
        for given in ("two", "two"):
            if not live:
                await client.call("session/close", sessionId=session_id)
            again = {"sessionId": session_id, "cwd": str(tmp_path), "mcpServers": []}
            await client.call(method, **again, systemPrompt=prompt(given))
            await client.run(session_id)
        assert model.systems == ["one", "two", "two"]


@pytest.mark.spec("D-49", "N-37")
def test_a_program_advertises_what_its_provider_applies(tmp_path: Path) -> None:
    assert not make_provider(Settings(model="offline")).system_prompts
    for arguments, applied in (((), False), (("--model", scenario_file(tmp_path, [{"text": "hi"}])), True)):
        with agent_process(tmp_path, *arguments) as agent:
            result = agent.call("initialize", protocolVersion=1)
            offered = result["agentCapabilities"][SESSION_CAPABILITIES].get("systemPrompt")
            assert offered == ({"mode": {"override": {}}} if applied else None)
            new = agent.send("session/new", cwd=str(tmp_path), mcpServers=[], systemPrompt=prompt("x"))
            assert agent.answer(new).get("error", {}).get("code") == (None if applied else -32602)
