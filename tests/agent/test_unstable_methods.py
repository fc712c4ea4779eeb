"""What is no part of the protocol yet: served, and advertised, only where it was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_server.agent.features import Features
from agent_server.agent.login import LoginMethod
from agent_server.conversation.events import PlanEntry
from agent_server.protocol.v1.unstable.methods import UNSTABLE_AGENT_METHODS
from agent_server.providers.provider import Finished, PlanProposed, Usage

from .puppets import PuppetModel, PuppetTool, wants
from .scripted_client import ScriptedClient, in_loop, one_client

UNSTABLE = Features(unstable=True)
NEW_METHODS = [
    "session/fork",
    "session/archive",
    "session/unarchive",
    "session/status",
    "session/set_title",
    "auth/status",
    "providers/list",
]


async def listed(client: ScriptedClient, **params: Any) -> list[str]:
    return [entry["sessionId"] for entry in (await client.call("session/list", **params))["sessions"]]


@in_loop
async def test_without_the_switch_nothing_of_it_is_advertised_or_known(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, capabilities={"plan": {}, "subagents": {}}) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        assert set(NEW_METHODS) <= {method.name for method in UNSTABLE_AGENT_METHODS}
        for method in NEW_METHODS:
            error = await client.refused(method, sessionId=session_id, cwd=str(tmp_path), title="t")
            assert error["code"] == -32601, method
        told = client.frames[0]["result"]["agentCapabilities"]
        assert set(told["sessionCapabilities"]) == {"list", "delete", "additionalDirectories", "resume", "close"}
        assert told["auth"] == {}
        assert await listed(client, archived={"of": "no interest"}) == [session_id]
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.finish(1, PlanProposed((PlanEntry("do it"),)), Usage(5, 6), "done")
        answer = await client.answer(prompt)
        assert set(answer["result"]) == {"stopReason", "_meta"}
        assert client.updates(sessionUpdate="plan") and not client.updates(sessionUpdate="plan_update")


@in_loop
async def test_with_the_switch_a_turn_says_its_tokens_and_its_plan_has_an_id(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, capabilities={"plan": {}}, features=UNSTABLE) as (client, _):
        prompt = client.prompt(await client.new_session(str(tmp_path)))
        await model.asked(1)
        model.finish(1, PlanProposed((PlanEntry("do it"),)), Usage(5, 6, 7, 8, 9), "done")
        usage = (await client.answer(prompt))["result"]["usage"]
        assert usage == {
            "totalTokens": 11,
            "inputTokens": 5,
            "outputTokens": 6,
            "thoughtTokens": 9,
            "cachedReadTokens": 7,
            "cachedWriteTokens": 8,
        }
        entries = [{"content": "do it", "priority": "medium", "status": "pending"}]
        (told,) = client.updates(sessionUpdate="plan_update")
        assert told["plan"] == {"type": "items", "planId": "plan", "entries": entries}
        assert not client.updates(sessionUpdate="plan")


@in_loop
async def test_a_fork_goes_on_from_the_same_history_and_leaves_the_first_alone(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, features=UNSTABLE) as (client, house):
        first = await client.new_session(str(tmp_path))
        prompt = client.prompt(first, "remember seven")
        await model.asked(1)
        model.finish(1, "seven")
        await client.answer(prompt)
        fork = (await client.call("session/fork", sessionId=first, cwd=str(tmp_path)))["sessionId"]
        assert fork != first
        prompt = client.prompt(fork, "which number?")
        await model.asked(2)
        model.finish(2, "seven again")
        await client.answer(prompt)
        assert client.text(fork) == "seven again", "the history of a fork is not told"
        texts = [len(house.session(each).log.context.messages) for each in (first, fork)]
        assert texts == [2, 4]
        assert (await client.refused("session/fork", sessionId="nobody", cwd=str(tmp_path)))["code"] == -32002


@pytest.mark.spec("N-82")
@in_loop
async def test_archiving_closes_a_session_and_hides_it_until_it_is_brought_back(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(waits=True)
    async with one_client(model, tools=[tool], features=UNSTABLE) as (client, house):
        kept, session_id = [await client.new_session(str(tmp_path)) for _ in range(2)]
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        await tool.begun.wait()
        assert await client.call("session/archive", sessionId=session_id) == {}
        assert await client.stop_reason(prompt) == "cancelled"
        assert house.stopped == [(session_id, "archived")]
        assert await client.call("session/archive", sessionId=session_id) == {}, "it may be said twice"
        assert await listed(client) == await listed(client, archived="exclude") == [kept]
        assert await listed(client, archived="only") == [session_id]
        assert set(await listed(client, archived="include")) == {kept, session_id}
        (entry,) = (await client.call("session/list", archived="only"))["sessions"]
        assert entry["archived"] is True
        assert (await client.refused("session/list", archived="_some"))["code"] == -32602
        for _ in range(2):
            assert await client.call("session/unarchive", sessionId=session_id) == {}
        assert set(await listed(client)) == {kept, session_id}
        for method in ("session/archive", "session/unarchive"):
            assert (await client.refused(method, sessionId="nobody"))["code"] == -32002


@pytest.mark.spec("N-83")
@in_loop
async def test_asking_for_the_status_of_a_session_changes_nothing(tmp_path: Path) -> None:
    async with one_client(PuppetModel(), features=UNSTABLE) as (client, house):
        session_id = await client.new_session(str(tmp_path))
        assert await client.call("session/status", sessionId=session_id) == {"status": "open"}
        await client.call("session/close", sessionId=session_id)
        assert await client.call("session/status", sessionId=session_id) == {"status": "saved"}
        assert house.supervisor.live() == []
        error = await client.refused("session/status", sessionId="nobody")
        assert (error["code"], error["data"]["sessionId"]) == (-32002, "nobody")


@pytest.mark.spec("N-84")
@in_loop
async def test_a_title_that_the_user_gave_is_kept_and_not_replaced_by_ours(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, features=UNSTABLE) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        assert await client.call("session/set_title", sessionId=session_id, title="  Mine ") == {"title": "Mine"}
        assert client.updates(sessionUpdate="session_info_update")[0]["title"] == "Mine"
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.finish(1, "Something else")
        await client.answer(prompt)
        await client.call("session/close", sessionId=session_id)
        assert await client.call("session/set_title", sessionId=session_id, title="Later") == {"title": "Later"}
        (entry,) = (await client.call("session/list"))["sessions"]
        assert entry["title"] == "Later"
        for wrong in ("", "  ", "x" * 201, None, 7):
            assert (await client.refused("session/set_title", sessionId=session_id, title=wrong))["code"] == -32602
        assert (await client.refused("session/set_title", sessionId="nobody", title="t"))["code"] == -32002


class Door:
    """A login with one key."""

    methods = (LoginMethod("key", "Key"),)
    logged_in = False

    async def authenticate(self, method_id: str) -> None:
        self.logged_in = True

    async def logout(self) -> None:
        self.logged_in = False


@pytest.mark.spec("N-85")
@in_loop
async def test_the_state_of_the_login_is_told_to_who_asked_for_it() -> None:
    async with one_client(PuppetModel(), features=Features(unstable=True, login=Door())) as (client, _):
        await client.call("authenticate", methodId="key")
        await client.call("logout")
        assert [frame for frame in client.frames if frame.get("method") == "auth/status_update"] == []
        assert await client.call("auth/status") == {"state": "unauthenticated", "accounts": []}
        await client.call("authenticate", methodId="key")
        await client.call("logout")
        told = [frame["params"]["state"] for frame in client.frames if frame.get("method") == "auth/status_update"]
        assert told == ["authenticated", "unauthenticated"]


@in_loop
async def test_where_nothing_needs_a_login_the_state_says_so() -> None:
    async with one_client(PuppetModel(), features=UNSTABLE) as (client, _):
        assert (await client.call("auth/status"))["state"] == "not_required"
