"""Methods that the protocol is trying out, where they are switched on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from agent_server.agent.features import Features
from agent_server.protocol.v1.unstable.methods import AUTH_STATUS
from agent_server.providers.provider import Usage
from tests.agent.puppets import WAIT, PuppetModel, forever, say
from tests.agent.scripted_client import Frame, ScriptedClient, house, in_loop, one_client
from tests.promises.agent_process import agent_process

from .test_logins import KEY, OneLogin

ON = Features(unstable=True)


async def listed(client: ScriptedClient, **params: object) -> list[str]:
    return [info["sessionId"] for info in (await client.call("session/list", **params))["sessions"]]


@pytest.mark.spec("N-82")
@in_loop
async def test_an_archived_session_is_closed_hidden_kept_and_can_be_brought_back(tmp_path: Path) -> None:
    async with house(forever(say("on"), WAIT), features=ON) as made:
        client = made.join()
        result = await client.call("initialize", protocolVersion=1)
        assert set(result["agentCapabilities"]["sessionCapabilities"]) >= {"archive", "list", "fork", "status", "title"}
        session_id, kept = [await client.new_session(str(tmp_path)) for _ in range(2)]
        prompt = client.prompt(session_id)
        await client.seen(sessionUpdate="agent_message_chunk")
        archive = client.request("session/archive", sessionId=session_id)
        assert (await client.answer(archive))["result"] == {}
        assert await client.stop_reason(prompt) == "cancelled"
        answers = [frame["id"] for frame in client.frames if "method" not in frame]
        assert answers.index(prompt) < answers.index(archive)
        assert await client.call("session/archive", sessionId=session_id) == {}
        assert await listed(client) == await listed(client, archived="exclude") == [kept]
        assert await listed(client, archived="only") == [session_id]
        assert sorted(await listed(client, archived="include")) == sorted([session_id, kept])
        (info,) = (await client.call("session/list", archived="only"))["sessions"]
        assert info["archived"] is True
        for _ in range(2):
            assert await client.call("session/unarchive", sessionId=session_id) == {}
        assert await listed(client, archived="only") == []
        assert len(await listed(client)) == 2
        for method in ("session/archive", "session/unarchive"):
            assert (await client.refused(method, sessionId="session_0"))["code"] == -32002
        assert (await client.refused("session/list", archived="sometimes"))["code"] == -32602


@pytest.mark.spec("N-83", "D-68")
@in_loop
async def test_asking_for_a_status_changes_nothing_and_gives_no_session_away(tmp_path: Path) -> None:
    async with house(forever(say("hi")), features=ON) as made:
        client, other = await made.connect(), await made.connect()
        session_id = await client.new_session(str(tmp_path))
        await client.run(session_id)
        records = len(made.store.read(session_id))
        entry = await made.supervisor.entries.get(session_id)
        assert await other.call("session/status", sessionId=session_id) == {"status": "open"}
        error = await other.refused("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "x"}])
        assert error["code"] == -32002
        assert other.updates() == []
        assert len(made.store.read(session_id)) == records
        assert (await made.supervisor.entries.get(session_id)) == entry
        await client.call("session/close", sessionId=session_id)
        assert await other.call("session/status", sessionId=session_id) == {"status": "saved"}
        assert made.supervisor.live() == []
        assert (await other.refused("session/status", sessionId="session_0"))["code"] == -32002


@pytest.mark.spec("N-84")
@pytest.mark.parametrize("live", [True, False])
@in_loop
async def test_a_title_is_kept_when_it_is_answered_and_stays(tmp_path: Path, live: bool) -> None:
    async with one_client(forever(say("words of the model")), features=ON) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        if not live:
            await client.call("session/close", sessionId=session_id)
        assert await client.call("session/set_title", sessionId=session_id, title="  Mine ") == {"title": "Mine"}
        (info,) = (await client.call("session/list"))["sessions"]
        assert info["title"] == "Mine"
        await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        await client.run(session_id)
        (info,) = (await client.call("session/list"))["sessions"]
        assert info["title"] == "Mine"
        for wrong in ("", " \n", "x" * 201, None, 5):
            error = await client.refused("session/set_title", sessionId=session_id, title=wrong)
            assert error["code"] == -32602
            assert "title" in error["data"]["details"]
        assert (await client.refused("session/set_title", sessionId="session_0", title="x"))["code"] == -32002


@pytest.mark.spec("N-85")
@in_loop
async def test_whether_a_login_is_needed_can_be_asked_without_one(
    tmp_path: Path,
) -> None:
    async with house(forever(say("hi")), features=Features(unstable=True, login=OneLogin(KEY))) as made:
        client = await made.connect()
        assert (await client.call("auth/status"))["state"] == "unauthenticated"
        assert (await client.refused("session/new", cwd=str(tmp_path), mcpServers=[]))["code"] == -32000
        assert (await client.call("auth/status"))["state"] == "unauthenticated"
        await client.call("authenticate", methodId="key")
        assert (await client.call("auth/status"))["state"] == "authenticated"
    async with house(forever(say("hi")), features=ON) as made:
        client = await made.connect()
        assert (await client.call("auth/status"))["state"] == "not_required"


@pytest.mark.spec("N-85")
def test_a_state_that_we_do_not_know_is_read_and_accounts_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    answer = AUTH_STATUS.validate_result({"state": "half", "accounts": [{"label": "ada", "email": "ada@example.com"}]})
    assert answer.state == "half"  # which means as much as unknown
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("agent_server").info("%s %r", answer, answer)
    assert "example.com" not in caplog.text


@pytest.mark.spec("D-70")
@in_loop
async def test_changes_of_the_login_are_told_to_who_asked_for_it(tmp_path: Path) -> None:
    async with house(forever(say("hi")), features=Features(unstable=True, login=OneLogin(KEY))) as made:
        client, deaf = await made.connect(), await made.connect()
        await client.call("auth/status")

        def told(hearer: ScriptedClient) -> list[str]:
            return [f["params"]["state"] for f in hearer.frames if f.get("method") == "auth/status_update"]

        for hearer in (client, deaf):
            await hearer.call("authenticate", methodId="key")
            await hearer.call("logout")
        await client.call("session/list")
        assert told(client)[:2] == ["authenticated", "unauthenticated"]
        assert told(deaf) == []


@pytest.mark.spec("D-09")
@in_loop
async def test_the_answer_to_a_prompt_says_what_its_turn_used(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, features=ON) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        for number in (1, 2):
            prompt = client.prompt(session_id)
            await model.asked(number)
            model.finish(number, "hi", Usage(10, 1), Usage(20, 2))
            usage: Frame = (await client.answer(prompt))["result"]["usage"]
            assert (usage["inputTokens"], usage["outputTokens"]) == (30, 3)


@pytest.mark.spec("D-69")
@pytest.mark.parametrize("switch", [True, False])
def test_a_program_serves_them_only_with_its_switch(tmp_path: Path, switch: bool) -> None:
    with agent_process(tmp_path, *(["--unstable"] if switch else [])) as agent:
        session_id = agent.new_session(tmp_path)
        answer = agent.answer(agent.send("session/status", sessionId=session_id))
        if switch:
            assert answer["result"] == {"status": "open"}
        else:
            assert answer["error"]["code"] == -32601
