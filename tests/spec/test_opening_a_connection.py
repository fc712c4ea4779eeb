"""Agreeing on a version and on what both sides can do, and what that means afterwards. Spec: initialization."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import agent_server
from agent_server.agent.features import EXTENSION_METHODS, Features
from agent_server.conversation.content import TextPart
from agent_server.conversation.messages import UserMessage
from agent_server.providers.provider import ModelInfo
from tests.agent.puppets import PuppetModel, call, forever, say, scenario
from tests.agent.scripted_client import Frame, house, in_loop, one_client

PICTURE: Frame = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
SOUND: Frame = {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}
FILE: Frame = {"type": "resource", "resource": {"uri": "file:///nowhere", "text": "unsaved"}}
LINK: Frame = {"type": "resource_link", "uri": "file:///nowhere/at/all", "name": "nothing"}

UNSTABLE = ("session/fork", "session/archive", "session/unarchive", "session/status", "session/set_title",
            "auth/status", "providers/list", "providers/set", "providers/disable")  # fmt: skip


@pytest.mark.spec("N-02", "N-03", "N-04", "N-06")
@pytest.mark.parametrize("version", [0, 1, 2, 7, 65535])
@in_loop
async def test_whatever_version_is_asked_for_it_is_version_1_that_is_spoken(tmp_path: Path, version: int) -> None:
    async with house(forever(say("hi"))) as made:
        client = made.join()
        result = await client.call("initialize", protocolVersion=version, clientInfo={"name": "x", "version": "1"})
        assert result["protocolVersion"] == 1
        info = result["agentInfo"]
        assert (info["name"], info["version"]) == ("agent-server", agent_server.__version__)
        assert result["agentCapabilities"]["loadSession"] is True
        assert set(result["agentCapabilities"]["sessionCapabilities"]) >= {"list", "delete", "resume", "close"}
        session_id = await client.new_session(str(tmp_path))
        assert await client.run(session_id) == "end_turn"
        assert client.text(session_id) == "hi"
        kinds = {update["sessionUpdate"] for update in client.updates()}
        assert "state_update" not in kinds  # which version 2 would have


@pytest.mark.spec("N-06", "N-07")
@pytest.mark.parametrize("capabilities", [None, {}, [], "all", {"fs": "yes", "terminal": [], "session": 5, "x": {}}])
@in_loop
async def test_capabilities_that_cannot_be_read_are_none(tmp_path: Path, capabilities: Any) -> None:
    async with house(scenario([call("read_file", path="a.txt")], [say("ok")])) as made:
        client = made.join()
        (tmp_path / "a.txt").write_text("text\n")
        await client.call("initialize", protocolVersion=2, capabilities={"fs": {}}, clientCapabilities=capabilities)
        assert await client.run(await client.new_session(str(tmp_path))) == "end_turn"
        assert [frame["method"] for frame in client.frames if "method" in frame and "id" in frame] == []


@pytest.mark.spec("D-21")
@in_loop
async def test_the_same_initialize_again_is_answered_alike_while_there_is_no_session(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        client = made.join()
        first = await client.call("initialize", protocolVersion=1)
        assert await client.call("initialize", protocolVersion=1) == first
        assert await client.run(await client.new_session(str(tmp_path))) == "end_turn"


@pytest.mark.spec("D-22")
@pytest.mark.parametrize("closed", [True, False])
@in_loop
async def test_an_initialize_that_would_change_what_was_agreed_is_refused(tmp_path: Path, closed: bool) -> None:
    async with house(forever(say("hi"))) as made:
        client = made.join()
        await client.call("initialize", protocolVersion=1)
        assert (await client.refused("initialize", protocolVersion=2))["code"] == -32600
        session_id = await client.new_session(str(tmp_path))
        if closed:
            await client.call("session/close", sessionId=session_id)
        assert (await client.refused("initialize", protocolVersion=1))["code"] == -32600
        assert await client.run(await client.new_session(str(tmp_path))) == "end_turn"


@pytest.mark.spec("D-69")
@pytest.mark.parametrize("method", UNSTABLE)
@in_loop
async def test_what_is_no_part_of_the_protocol_yet_is_unknown(tmp_path: Path, method: str) -> None:
    async with house(forever(say("hi")), features=Features()) as made:
        client = made.join()
        result = await client.call("initialize", protocolVersion=1)
        offered = result["agentCapabilities"]["sessionCapabilities"]
        assert set(offered) & {"fork", "archive", "status", "title"} == set()
        assert "status" not in result["agentCapabilities"]["auth"]
        session_id = await client.new_session(str(tmp_path))
        more = {"cwd": str(tmp_path), "mcpServers": [], "title": "t", "providerId": "p"}
        assert (await client.refused(method, sessionId=session_id, **more))["code"] == -32601
        assert method not in EXTENSION_METHODS


@pytest.mark.spec("N-09", "N-44", "D-48")
@pytest.mark.parametrize(
    "blocks",
    [
        [{"type": "text", "text": "hi"}],
        [LINK],
        [{"type": "text", "text": "look at @nowhere/at/all.txt and @/etc"}, LINK],
        [PICTURE, SOUND, FILE],
        [{"type": "resource", "resource": {"uri": "x:y", "blob": "AAAA"}}],
    ],
)
@in_loop
async def test_a_prompt_of_anything_that_is_advertised_succeeds(tmp_path: Path, blocks: list[Frame]) -> None:
    model = PuppetModel()
    async with house(model) as made:
        client = made.join()
        result = await client.call("initialize", protocolVersion=1)
        advertised = {"image": True, "audio": True, "embeddedContext": True}
        assert result["agentCapabilities"]["promptCapabilities"] == advertised
        session_id = await client.new_session(str(tmp_path))
        prompt = client.request("session/prompt", sessionId=session_id, prompt=blocks)
        await model.asked(1)
        model.finish(1, "ok")
        assert await client.stop_reason(prompt) == "end_turn"
        heard = str(model.seen[0][-1])
        assert all(block.get("text", "") in heard for block in blocks)  # a mention stays as it was typed


@pytest.mark.spec("D-47")
@in_loop
async def test_a_model_without_eyes_and_ears_is_told_what_was_there_and_the_turn_succeeds(tmp_path: Path) -> None:
    class Plain(PuppetModel):
        def models(self) -> tuple[ModelInfo, ...]:
            return (ModelInfo("m", "M", images=False, audio=False),)

    model = Plain()
    async with one_client(model) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.request("session/prompt", sessionId=session_id, prompt=[PICTURE, SOUND])
        await model.asked(1)
        model.finish(1, "ok")
        assert await client.stop_reason(prompt) == "end_turn"
        (message,) = model.seen[0]
        assert isinstance(message, UserMessage)
        assert {type(part) for part in message.parts} == {TextPart}
        assert "image" in str(model.seen[0])
        client.frames.clear()
        await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        told = [update["content"] for update in client.updates(sessionUpdate="user_message_chunk")]
        assert told == [PICTURE, SOUND]


@pytest.mark.spec("D-64", "D-65", "N-61", "N-60")
@in_loop
async def test_every_listed_value_can_be_set_now_and_all_options_come_back(tmp_path: Path) -> None:
    async with one_client(PuppetModel()) as (client, _):
        made = await client.call("session/new", cwd=str(tmp_path), mcpServers=[])
        for option in made["configOptions"]:
            assert option["type"] == "select"  # this client knows no booleans
            assert option["currentValue"] in [entry["value"] for entry in option["options"]]
            for entry in option["options"]:
                assert "group" not in entry
                answer = await client.answer(client.set_option(made["sessionId"], option["id"], entry["value"]))
                options = answer["result"]["configOptions"]
                assert [one["id"] for one in options] == [one["id"] for one in made["configOptions"]]
                (now,) = [one["currentValue"] for one in options if one["id"] == option["id"]]
                assert now == entry["value"]


@pytest.mark.spec("N-59")
@in_loop
async def test_every_listed_mode_can_be_entered_and_no_other(tmp_path: Path) -> None:
    async with one_client(PuppetModel()) as (client, _):
        made = await client.call("session/new", cwd=str(tmp_path), mcpServers=[])
        for mode in made["modes"]["availableModes"]:
            assert await client.call("session/set_mode", sessionId=made["sessionId"], modeId=mode["id"]) == {}
        for wrong in ("", "ASK", "unknown"):
            error = await client.refused("session/set_mode", sessionId=made["sessionId"], modeId=wrong)
            assert error["code"] == -32602


@pytest.mark.spec("D-03", "D-04", "D-06", "D-07", "D-08")
@pytest.mark.parametrize(
    ("params", "accepted"),
    [
        ({"mcpServers": None}, True),
        ({"mcpServers": [{"name": "n", "command": "/bin/true"}]}, True),
        ({"mcpServers": [{"name": "n", "command": "/bin/true", "args": None, "env": None}]}, True),
        ({"mcpServers": [{"type": "stdio", "name": "n", "command": "/bin/true"}]}, True),
        ({"mcpServers": [], "additionalDirectories": None}, True),
        ({"mcpServers": [], "cwd": None}, False),
        ({}, False),
        ({"mcpServers": [{"name": "n"}]}, False),
        ({"mcpServers": [{"type": "http", "name": "n", "url": "http://x", "headers": []}]}, False),
        ({"mcpServers": [{"type": "sse", "name": "n", "command": "/bin/true", "args": [], "env": []}]}, False),
        ({"mcpServers": [{"type": "pigeon", "name": "n", "command": "/bin/true", "args": [], "env": []}]}, False),
    ],
)
@in_loop
async def test_what_a_new_session_must_be_given(tmp_path: Path, params: Frame, accepted: bool) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        request = client.request("session/new", **{"cwd": str(tmp_path), **params})
        answer = await client.answer(request)
        assert answer.get("error", {}).get("code") == (None if accepted else -32602)
        assert len(made.supervisor.live()) == accepted
