"""Our own methods about what is stored, and forks at a message. Spec: extensibility."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent_server.agent.features import Features
from agent_server.agent.fitting import MAX_UPDATE_BYTES
from agent_server.conversation.content import ImagePart, TextPart
from agent_server.conversation.events import MessageInserted, SystemNote
from agent_server.providers.provider import Finished, TextDelta
from agent_server.sessions.timestamps import now_ms, rfc3339
from agent_server.store.codec import event_of
from tests.agent.puppets import PuppetModel, forever, say
from tests.agent.scripted_client import House, ScriptedClient, house, in_loop, one_client

EXPORT = "_agent_server/session/export"
EVENTS = "_agent_server/events/after"
PRUNE = "_agent_server/store/prune"
UNSTABLE = Features(unstable=True)


async def told(client: ScriptedClient, cwd: Path) -> str:
    """A session in which something was said."""
    session_id = await client.new_session(str(cwd))
    await client.run(session_id, "What is it?")
    return session_id


@pytest.mark.req("PE-10")
@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("format_", ["markdown", "html", "json"])
@in_loop
async def test_a_session_can_be_had_as_a_document_and_is_not_opened_for_it(
    tmp_path: Path, live: bool, format_: str
) -> None:
    async with house(forever(say("It is this."))) as made:
        client, other = await made.connect(), await made.connect()
        session_id = await told(client, tmp_path)
        if not live:
            await client.call("session/close", sessionId=session_id)
        result = await other.call(EXPORT, sessionId=session_id, format=format_)
        assert result["format"] == format_
        assert "What is it?" in result["text"] and "It is this." in result["text"]
        assert len(made.supervisor.live()) == live
        if format_ == "json":
            document = json.loads(result["text"])
            assert document["session"]["sessionId"] == session_id
            assert document["session"]["updatedAt"] == await updated_at(made, session_id)


async def updated_at(made: House, session_id: str) -> str:
    entry = await made.supervisor.entries.get(session_id)
    assert entry is not None
    return entry.updated_at


@pytest.mark.req("PE-10")
@in_loop
async def test_what_cannot_be_exported_is_refused_with_a_reason(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        empty = await client.new_session(str(tmp_path))
        error = await client.refused(EXPORT, sessionId=empty)
        assert (error["code"], error["data"]["reason"]) == (-32010, "empty")
        for unknown in ("session_0", "session-99", "../../etc/passwd"):
            assert (await client.refused(EXPORT, sessionId=unknown))["code"] == -32002
        assert (await client.refused(EXPORT, sessionId=empty, format="pdf"))["code"] == -32602
        session = made.supervisor.get(empty)
        image = ImagePart("A" * (MAX_UPDATE_BYTES - 1000), "image/png")
        session.log.append(MessageInserted(session.next_entry_id(), "user", (image,)))
        error = await client.refused(EXPORT, sessionId=empty, format="html")
        assert (error["code"], error["data"]["reason"]) == (-32010, "too_large")
        assert f"agent-server sessions export {empty} --format html -o FILE" in error["data"]["details"]
        assert (await client.call(EXPORT, sessionId=empty))["text"].startswith("# Untitled session\n")


@in_loop
async def test_an_alias_will_do_and_what_is_streamed_just_now_is_there(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        model.say(1, TextDelta("half an ans"))
        await client.seen(sessionUpdate="agent_message_chunk")
        (session,) = made.supervisor.live()
        assert "half an ans" in (await client.call(EXPORT, sessionId=session.alias))["text"]
        model.say(1, "wer", Finished())
        await client.answer(prompt)


@pytest.mark.req("PE-10")
@in_loop
async def test_a_long_session_is_exported_while_others_are_answered(tmp_path: Path) -> None:
    async with house(forever(say("hi"))) as made:
        client, other = await made.connect(), await made.connect()
        session_id = await told(client, tmp_path)
        log = made.supervisor.get(session_id).log
        for number in range(5000):
            log.append(SystemNote(number + 10, "info", "x" * 100))
        export = client.request(EXPORT, sessionId=session_id)
        await other.call("session/list")
        assert client.answers_to(export) == []
        assert "What is it?" in (await client.answer(export))["result"]["text"]


@in_loop
async def test_raw_events_are_given_by_their_seqs_in_pages(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"), say("ho"))) as (client, made):
        session_id = await told(client, tmp_path)
        await client.call("session/close", sessionId=session_id)
        stored = made.store.read(session_id)
        got: list[dict[str, Any]] = []
        while page := (await client.call(EVENTS, sessionId=session_id, after=_last(got), limit=3))["events"]:
            assert len(page) <= 3
            got += page
        assert [(one["seq"], event_of(one["event"])) for one in got] == stored
        assert (await client.call(EVENTS, sessionId=session_id))["events"] == got
        for wrong in ({"after": -1}, {"limit": 0}, {"limit": 1001}):
            assert (await client.refused(EVENTS, sessionId=session_id, **wrong))["code"] == -32602
        assert (await client.refused(EVENTS, sessionId="session_0"))["code"] == -32002
        assert made.supervisor.live() == []


def _last(got: list[dict[str, Any]]) -> int:
    return got[-1]["seq"] if got else 0


@in_loop
async def test_raw_events_fit_into_messages_however_long_they_are(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        session = made.supervisor.get(session_id)
        for chars in (3_000_000, 3_000_000, 20_000_000, 5):
            session.log.append(MessageInserted(session.next_entry_id(), "user", (TextPart("x" * chars),)))
        pages: list[list[dict[str, Any]]] = []
        after = 0
        while page := (await client.call(EVENTS, sessionId=session_id, after=after))["events"]:
            pages.append(page)
            after = _last(page)
        assert [len(page) for page in pages] == [3, 3]
        assert pages[1][1]["event"]["type"] == "message_inserted"
        assert pages[1][1]["event"]["notShown"].endswith(" bytes")


async def age(made: House, session_id: str, days: float) -> None:
    """Make it as if the session was last used so long ago."""
    entry = await made.supervisor.entries.get(session_id)
    assert entry is not None
    await made.supervisor.entries.put(entry._replace(updated_at=rfc3339(now_ms() - round(days * 86_400_000))))


@in_loop
async def test_a_client_can_have_old_sessions_removed(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        old, young, lives = [await told(client, tmp_path) for _ in range(3)]
        for session_id in (old, young):
            await client.call("session/close", sessionId=session_id)
        await age(made, old, 31)
        assert await client.call(PRUNE, days=30) == {"deleted": [old]}
        listed = [info["sessionId"] for info in (await client.call("session/list"))["sessions"]]
        assert sorted(listed) == sorted([young, lives])
        assert await client.call(PRUNE, days=30) == {"deleted": []}
        for wrong in ({}, {"days": -1}, {"days": "30"}, {"days": 1e9}):
            assert (await client.refused(PRUNE, **wrong))["code"] == -32602


@pytest.mark.parametrize("days", [0, 30])
@in_loop
async def test_old_sessions_are_removed_by_themselves_only_where_that_is_set(tmp_path: Path, days: int) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        old = await told(client, tmp_path)
        await client.call("session/close", sessionId=old)
        await age(made, old, 31)
        made.service._prune_after_days = days
        assert [info["sessionId"] for info in (await client.call("session/list"))["sessions"]] == [old]
        if days:
            assert made.service._pruning is not None
            async with asyncio.timeout(5):
                assert await made.service._pruning == [old]
        left = [info["sessionId"] for info in (await client.call("session/list"))["sessions"]]
        assert left == ([] if days else [old])


# Forks


def at(message_id: object) -> dict[str, Any]:
    return {"_meta": {"agent_server": {"messageId": message_id}}}


@in_loop
async def test_a_fork_can_end_at_a_message(tmp_path: Path) -> None:
    async with one_client(forever(say("hi")), features=UNSTABLE) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        await client.run(session_id, "first question")
        result = await client.call(
            "session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "second question"}]
        )
        second = result["_meta"]["agent_server"]["messageId"]
        forked = await client.call("session/fork", sessionId=session_id, cwd=str(tmp_path), mcpServers=[], **at(second))
        text = (await client.call(EXPORT, sessionId=forked["sessionId"]))["text"]
        assert "first question" in text and "second question" not in text
        await client.run(forked["sessionId"], "another question")
        answer = client.updates(session_id, sessionUpdate="agent_message_chunk")[-1]["messageId"]
        whole = await client.call("session/fork", sessionId=session_id, cwd=str(tmp_path), mcpServers=[], **at(answer))
        assert "second question" in (await client.call(EXPORT, sessionId=whole["sessionId"]))["text"]


@pytest.mark.parametrize("message_id", ["99", "1", "", "x", "-1", "\u0663", 2, None, ["2"]])
@in_loop
async def test_a_fork_at_what_is_no_message_makes_nothing(tmp_path: Path, message_id: object) -> None:
    async with one_client(forever(say("hi")), features=UNSTABLE) as (client, made):
        session_id = await told(client, tmp_path)
        asked = {"sessionId": session_id, "cwd": str(tmp_path), "mcpServers": [], **at(message_id)}
        if message_id is None:  # which asks for nothing
            await client.call("session/fork", **asked)
            return
        error = await client.refused("session/fork", **asked)
        assert error["code"] == -32602
        assert "messageId" in error["data"]["details"]
        assert len(made.supervisor.live()) == 1
        assert len((await client.call("session/list"))["sessions"]) == 1
