"""Our own methods and notifications. Spec: extensibility."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.events import Event
from agent_server.store.memory import MemoryStore
from tests.agent.puppets import WAIT, PuppetModel, PuppetTool, forever, say, wants
from tests.agent.scripted_client import SILENCE, Frame, ScriptedClient, choose, house, in_loop, one_client

OPTED_IN: Frame = {"_meta": {"agent_server": {}}}
OURS = "_agent_server/session/"


def notified(client: ScriptedClient, name: str) -> list[Frame]:
    return [frame["params"] for frame in client.frames if frame.get("method") == OURS + name and "id" not in frame]


async def new(client: ScriptedClient, cwd: Path, **more: Any) -> tuple[str, Frame]:
    result = await client.call("session/new", cwd=str(cwd), mcpServers=[], **more)
    return result["sessionId"], result["_meta"]["agent_server"]


NOT_NOW = {
    "_agent_server/session/continue": "nothing_to_continue",
    "_agent_server/model/cycle": "no_rotation",
    "_agent_server/thinking/cycle": "not_supported",
}
"""What is refused to a session like the ones here, and why."""


@pytest.mark.spec("N-79")
@in_loop
async def test_our_methods_are_advertised_begin_with_an_underscore_and_are_all_answered(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        client = made.join()
        result = await client.call("initialize", protocolVersion=1, clientCapabilities=OPTED_IN)
        ours = result["agentCapabilities"]["_meta"]["agent_server"]
        assert all(name.startswith("_agent_server/") for name in (*ours["methods"], *ours["notifications"]))
        for name in ours["methods"]:
            session_id = await client.new_session(str(tmp_path))
            await client.run(session_id, "hello")
            wanted = {"days": 1} if name.endswith("/prune") else {"sessionId": session_id, "scope": "own"}
            reason = NOT_NOW.get(name)
            if reason is None:
                await client.call(name, **wanted)
            else:
                assert (await client.refused(name, **wanted))["data"]["reason"] == reason


@pytest.mark.spec("N-79")
@in_loop
async def test_unknown_methods_are_refused_and_unknown_notifications_ignored(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        before = len(client.frames)
        for name in ("_other/thing", "$/progress", "session/unknown", "_agent_server/session/unknown"):
            client.notify(name, sessionId="x")
        await client.call("session/list")
        assert len(client.frames) == before + 1
        client._asked[99] = "session/list"
        for number, name in enumerate(("_other/thing", "session/unknown", "_agent_server/nothing"), 90):
            client.send({"id": number, "method": name, "params": {}})
            assert (await client.answer(number))["error"]["code"] == -32601


@pytest.mark.req("SM-09", "SM-10", "SM-25")
@in_loop
async def test_a_session_and_its_handle_name_each_other_while_it_lives(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        session_id, meta = await new(client, tmp_path)
        names = {"sessionId": session_id, **meta}
        for asked in ({"sessionId": session_id}, {"instanceId": meta["instanceId"]}, {"sessionId": meta["alias"]}):
            assert await client.call(OURS + "lookup", **asked) == names
        await client.call("session/close", sessionId=session_id)
        for asked in ({"sessionId": session_id}, {"instanceId": meta["instanceId"]}, {"instanceId": "x"}):
            assert (await client.refused(OURS + "lookup", **asked))["code"] == -32002
        assert (await client.refused(OURS + "lookup"))["code"] == -32602
        again = await client.call("session/resume", sessionId=session_id, cwd=str(tmp_path))
        fresh = again["_meta"]["agent_server"]["instanceId"]
        assert fresh != meta["instanceId"]
        assert (await client.refused(OURS + "lookup", instanceId=meta["instanceId"]))["code"] == -32002
        assert (await client.call(OURS + "lookup", instanceId=fresh))["sessionId"] == session_id


@pytest.mark.req("SM-26", "SM-35")
@in_loop
async def test_all_about_a_session_can_be_asked_also_when_it_has_just_ended(tmp_path: Path) -> None:
    ours = {"metadata": {"team": "x"}, "llmConfig": {"temperature": 0}, "config": {"maxTurnRequests": 3}}
    async with one_client(forever(say("A title"))) as (client, _):
        session_id, meta = await new(client, tmp_path, _meta={"agent_server": ours})
        await client.run(session_id, "first words")
        about = await client.call(OURS + "info", sessionId=session_id)
        assert (about["instanceId"], about["cwd"], about["status"]) == (meta["instanceId"], str(tmp_path), "idle")
        assert (about["metadata"], about["llmConfig"]) == (ours["metadata"], ours["llmConfig"])
        assert about["config"]["maxTurnRequests"] == 3
        assert (about["firstPrompt"], about["title"], about["turnCount"]) == ("first words", "A title", 1)
        await client.call("session/close", sessionId=session_id)
        ended = await client.call(OURS + "info", sessionId=session_id)
        assert ended["status"] == "terminated"
        assert (await client.refused(OURS + "info", sessionId="session_0"))["code"] == -32002


@pytest.mark.req("SM-11", "SM-08")
@in_loop
async def test_live_sessions_are_listed_though_one_is_busy_and_can_be_stopped_by_their_handles(tmp_path: Path) -> None:
    async with house(forever(say("on"), WAIT)) as made:
        client, other = await made.connect(), await made.connect()
        busy, meta = await new(client, tmp_path)
        idle, _ = await new(client, tmp_path)
        prompt = client.prompt(busy)
        await client.seen(sessionUpdate="agent_message_chunk")
        listed = (await other.call(OURS + "list_live"))["sessions"]
        assert [(one["sessionId"], one["status"]) for one in listed] == [(busy, "thinking"), (idle, "idle")]
        assert await other.call(OURS + "stop", instanceId=meta["instanceId"]) == {}
        assert await client.stop_reason(prompt) == "cancelled"
        assert (await other.refused(OURS + "stop", instanceId=meta["instanceId"]))["code"] == -32002
        assert [one["sessionId"] for one in (await other.call(OURS + "list_live"))["sessions"]] == [idle]


@pytest.mark.req("ST-10")
@in_loop
async def test_a_snapshot_says_what_a_newcomer_must_know(tmp_path: Path) -> None:
    tool = PuppetTool(changes=True)
    model = PuppetModel()
    async with one_client(model, tools=[tool]) as (client, _):
        client.answers["session/request_permission"] = SILENCE
        session_id = await client.new_session(str(tmp_path))
        idle = await client.call(OURS + "snapshot", sessionId=session_id)
        assert (idle["status"], idle["turnActive"], idle["pendingApprovals"]) == ("idle", False, [])
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.finish(1, wants("puppet"))
        question = await client.asked("session/request_permission")
        asking = await client.call(OURS + "snapshot", sessionId=session_id)
        (pending,) = asking["pendingApprovals"]
        assert pending["toolCallId"] == question["params"]["toolCall"]["toolCallId"]
        assert pending["options"] == [option["optionId"] for option in question["params"]["options"]]
        assert (asking["waitingForUser"], asking["turnActive"], asking["activeToolName"]) == (True, True, "puppet")
        client.respond(question["id"], choose("reject"))
        await model.asked(2)
        model.finish(2)
        assert await client.stop_reason(prompt) == "end_turn"


@pytest.mark.spec("N-79", "N-07", "D-29")
@pytest.mark.req("ST-07", "ST-02", "ST-03")
@in_loop
async def test_who_opted_in_hears_of_every_change_of_status_in_its_place(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model, capabilities=OPTED_IN) as (client, _):
        session_id, meta = await new(client, tmp_path)
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.finish(1, "one")
        answer = await client.answer(prompt)
        await client.call("session/close", sessionId=session_id)
        told = notified(client, "status")
        assert {(one["sessionId"], one["instanceId"]) for one in told} == {(session_id, meta["instanceId"])}
        steps = [(one["previousStatus"], one["status"]) for one in told]
        assert steps[:3] == [("initializing", "idle"), ("idle", "thinking"), ("thinking", "idle")]
        assert all(before != after for before, after in steps)
        assert [after for _, after in steps][:-1] == [before for before, _ in steps][1:]

        def place(status: str) -> int:
            return client.position(lambda frame: frame.get("params", {}).get("status") == status)

        created = client.position(lambda frame: frame.get("result", {}).get("sessionId") == session_id)
        chunk = client.position(lambda frame: frame.get("method") == "session/update" and "update" in frame["params"]
                                and frame["params"]["update"]["sessionUpdate"] == "agent_message_chunk")  # fmt: skip
        assert created < place("idle") < place("thinking") < chunk < client.frames.index(answer)
        back = [i for i, f in enumerate(client.frames) if f.get("params", {}).get("previousStatus") == "thinking"]
        assert chunk < back[0] < client.frames.index(answer)


@pytest.mark.req("SM-14")
@pytest.mark.parametrize(
    ("method", "reason"), [("session/close", "closed"), ("session/delete", "deleted"), (OURS + "stop", "closed")]
)
@in_loop
async def test_the_end_of_a_session_is_told_exactly_once_to_all_who_opted_in(
    tmp_path: Path, method: str, reason: str
) -> None:
    async with house(forever(say("hi"))) as made:
        client, other, deaf = [await made.connect(wants_it) for wants_it in (OPTED_IN, OPTED_IN, {})]
        session_id, meta = await new(client, tmp_path)
        await client.run(session_id)
        await (client if method == "session/close" else other).call(method, sessionId=session_id)
        for hearer in (client, other):
            await hearer.call("session/list")
            told = notified(hearer, "stopped")
            assert told == [{"sessionId": session_id, "instanceId": meta["instanceId"], "reason": reason}]
        await deaf.call("session/list")
        assert [frame for frame in deaf.frames if "method" in frame] == []
        assert notified(other, "status") == []  # it never knew that session


@pytest.mark.req("SM-14")
@in_loop
async def test_a_crash_is_told_once_and_behind_the_errors_of_its_prompts(tmp_path: Path) -> None:
    class Breaking(MemoryStore):
        victim = ""

        def append(self, session_id: str, epoch: int, events: Sequence[Event]) -> int:
            if session_id == self.victim:
                raise OSError("the disk is gone")
            return super().append(session_id, epoch, events)

    model, store = PuppetModel(), Breaking()
    async with one_client(model, capabilities=OPTED_IN, store=store) as (client, _):
        session_id, meta = await new(client, tmp_path)
        prompt = client.prompt(session_id)
        await model.asked(1)
        store.victim = session_id
        model.finish(1, "lost")
        assert (await client.answer(prompt))["error"]["code"] == -32603
        await client.until(lambda: notified(client, "stopped"))
        names = {"sessionId": session_id, "instanceId": meta["instanceId"]}
        assert notified(client, "stopped") == [{**names, "reason": "restart_exhausted"}]
        assert notified(client, "restarted") == []
        (died,) = [one for one in notified(client, "status") if one["status"] == "terminated"]
        assert (died["previousStatus"], died["error"]) == ("thinking", "the session crashed (OSError)")


@pytest.mark.spec("N-07", "N-79")
@pytest.mark.parametrize(
    "capabilities", [{}, {"_meta": None}, {"_meta": {"agent_server": False}}, {"_meta": {"x": {}}}]
)
@in_loop
async def test_who_did_not_opt_in_hears_nothing_of_ours(tmp_path: Path, capabilities: Frame) -> None:
    async with one_client(forever(say("hi")), capabilities=capabilities) as (client, _):
        session_id, _ = await new(client, tmp_path)
        await client.run(session_id)
        await client.call("session/close", sessionId=session_id)
        assert [frame["method"] for frame in client.frames if frame.get("method", "").startswith("_")] == []


@pytest.mark.spec("D-26", "D-29", "N-79")
@pytest.mark.parametrize("method", ["session/load", "session/resume"])
@in_loop
async def test_a_session_that_is_opened_again_is_introduced_behind_the_answer(tmp_path: Path, method: str) -> None:
    async with house(forever(say("hi"))) as made:
        client = await made.connect()
        session_id, _ = await new(client, tmp_path)
        await client.call("session/close", sessionId=session_id)
        other = await made.connect(OPTED_IN)
        request = other.request(method, sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        await other.answer(request)
        await other.call("session/list")
        answered = other.position(lambda frame: frame.get("id") == request)
        assert [one["status"] for one in notified(other, "status")] == ["idle"]
        introduced = other.position(lambda frame: frame.get("method") == OURS + "status")
        assert introduced == answered + 2  # behind what says that the session lives again
        assert other.frames[answered + 1]["method"] == OURS + "created"
        await other.run(session_id)
        assert [one["status"] for one in notified(other, "status")] == ["idle", "thinking", "idle"]
