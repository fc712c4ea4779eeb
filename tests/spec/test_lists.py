"""Listing, deleting and closing sessions. Spec: session-list, session-delete, session-setup."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_server.store.files import FileStore
from tests.agent.puppets import WAIT, PuppetModel, forever, say
from tests.agent.scripted_client import ScriptedClient, house, in_loop, one_client


async def pages(client: ScriptedClient, **params: object) -> list[list[str]]:
    """The ids of every page, followed by its cursors."""
    found = []
    result = await client.call("session/list", **params)
    while True:
        found.append([info["sessionId"] for info in result["sessions"]])
        if "nextCursor" not in result:
            return found
        result = await client.call("session/list", **params, cursor=result["nextCursor"])


@pytest.mark.spec("N-39")
@in_loop
async def test_a_list_of_nothing_is_an_empty_array_without_a_cursor(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        assert await client.call("session/list") == {"sessions": []}
        await client.new_session(str(tmp_path))
        assert await client.call("session/list", cwd=str(tmp_path / "elsewhere")) == {"sessions": []}


@pytest.mark.spec("N-41")
@in_loop
async def test_pages_are_bounded_and_together_hold_every_session_once(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        made = [await client.new_session(str(tmp_path)) for _ in range(120)]
        found = await pages(client)
        assert len(found) > 1
        assert max(map(len, found)) <= 50
        listed = [session_id for page in found for session_id in page]
        assert sorted(listed) == sorted(made)


@pytest.mark.spec("N-41")
@in_loop
async def test_sessions_that_come_and_go_between_pages_make_none_twice(tmp_path: Path) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        made = [await client.new_session(str(tmp_path)) for _ in range(60)]
        first = await client.call("session/list")
        ids = [info["sessionId"] for info in first["sessions"]]
        await client.call("session/delete", sessionId=ids[-1])  # the cursor's own
        await client.new_session(str(tmp_path))
        rest = await client.call("session/list", cursor=first["nextCursor"])
        later = [info["sessionId"] for info in rest["sessions"]]
        assert set(ids) & set(later) == set()
        assert set(made) <= set(ids) | set(later)


@pytest.mark.spec("N-41")
@pytest.mark.parametrize("cursor", ["", "x", "nonsense", "AAAA", "ä", "bnVsbA==", "W10=", "\x00"])
@in_loop
async def test_a_cursor_that_is_none_of_ours_is_refused(tmp_path: Path, cursor: str) -> None:
    async with one_client(forever(say("hi"))) as (client, _):
        await client.new_session(str(tmp_path))
        error = await client.refused("session/list", cursor=cursor)
        assert error["code"] == -32602
        assert "cursor" in error["data"]["details"]


@pytest.mark.spec("N-42", "N-10")
@in_loop
async def test_lists_can_be_of_one_directory_and_say_what_each_session_is(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with one_client(forever(say("hi"))) as (client, _):
        one = await client.new_session(str(tmp_path / "one"), additionalDirectories=[str(tmp_path / "two")])
        two = await client.new_session(str(tmp_path / "two"))
        await client.run(one, "name me")
        assert await pages(client, cwd=str(tmp_path / "one")) == [[one]]
        assert await pages(client, cwd=str(tmp_path / "two")) == [[two]]
        infos = {info["sessionId"]: info for info in (await client.call("session/list"))["sessions"]}
        assert infos[one]["cwd"] == str(tmp_path / "one")
        assert infos[one]["additionalDirectories"] == [str(tmp_path / "two")]
        assert infos[one]["title"] == "hi"
        assert infos[one]["updatedAt"] > infos[two]["updatedAt"]
        assert infos[two]["additionalDirectories"] == []
        assert "title" not in infos[two]
        error = await client.refused("session/list", cwd="one")
        assert error["code"] == -32602
        assert "cwd" in error["data"]["details"]


@pytest.mark.spec("N-42", "D-15")
@in_loop
async def test_a_list_says_the_roots_of_the_last_time(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    async with one_client(forever(say("hi"))) as (client, _):
        session_id = await client.new_session(str(tmp_path), additionalDirectories=[str(tmp_path / "root")])
        await client.call("session/close", sessionId=session_id)
        await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        (info,) = (await client.call("session/list"))["sessions"]
        assert info["additionalDirectories"] == []


@pytest.mark.req("PE-09")
@pytest.mark.spec("N-43", "D-58")
@pytest.mark.parametrize("live", [True, False])
@in_loop
async def test_a_deleted_session_is_gone_and_stays_gone(tmp_path: Path, live: bool) -> None:
    async with one_client(forever(say("hi"))) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        kept = await client.new_session(str(tmp_path))
        await client.run(session_id)
        if not live:
            await client.call("session/close", sessionId=session_id)
        for _ in range(2):
            assert await client.call("session/delete", sessionId=session_id) == {}
            assert await pages(client) == [[kept]]
        for method in ("session/load", "session/resume"):
            error = await client.refused(method, sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
            assert error["code"] == -32002
        error = await client.refused("session/prompt", sessionId=session_id, prompt=[{"type": "text", "text": "x"}])
        assert error["code"] == -32002
        assert [session.id for session in made.supervisor.live()] == [kept]
        assert await client.run(kept) == "end_turn"


@pytest.mark.spec("D-58", "D-60", "D-31")
@pytest.mark.parametrize("method", ["session/delete", "session/close"])
@in_loop
async def test_prompts_of_a_session_that_ends_are_answered_first(tmp_path: Path, method: str) -> None:
    async with one_client(forever(say("on"), WAIT)) as (client, _):
        session_id = await client.new_session(str(tmp_path))
        prompts = [client.prompt(session_id) for _ in range(3)]
        await client.seen(sessionUpdate="agent_message_chunk")
        end = client.request(method, sessionId=session_id)
        assert (await client.answer(end))["result"] == {}
        assert [await client.stop_reason(prompt) for prompt in prompts] == ["cancelled"] * 3
        answers = [frame["id"] for frame in client.frames if "method" not in frame]
        assert answers.index(end) > max(answers.index(prompt) for prompt in prompts)
        last = max(index for index, frame in enumerate(client.frames) if frame.get("method") == "session/update")
        assert last < client.position(lambda frame: frame.get("id") == end)


@pytest.mark.spec("N-31")
@in_loop
async def test_what_is_not_live_cannot_be_closed_and_a_cancelled_model_is_let_go(tmp_path: Path) -> None:
    model = PuppetModel()
    async with one_client(model) as (client, made):
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await model.asked(1)
        await client.call("session/close", sessionId=session_id)
        assert await client.stop_reason(prompt) == "cancelled"
        assert model.closed == 1
        assert made.supervisor.live() == []
        for unknown in (session_id, "session_unknown"):
            assert (await client.refused("session/close", sessionId=unknown))["code"] == -32002


@pytest.mark.spec("D-59", "N-43")
@pytest.mark.parametrize(
    "unknown",
    ["", ".", "..", "../../etc/passwd", "/", "a/b", "session_0", "session-1", "\x00", "é\u202e", "x" * 100_000, "*"],
)
@in_loop
async def test_deleting_whatever_is_unknown_touches_nothing(tmp_path: Path, unknown: str) -> None:
    store = FileStore(str(tmp_path / "store"))
    async with house(forever(say("hi")), store=store) as made:
        client = await made.connect()
        kept = await client.new_session(str(tmp_path))  # its alias is session-1
        before = sorted(tmp_path.rglob("*"))
        assert await client.call("session/delete", sessionId=unknown) == {}
        assert sorted(tmp_path.rglob("*")) == before
        assert await pages(client) == [[kept]]
        assert await client.run(kept) == "end_turn"


@pytest.mark.spec("D-58", "D-60")
@in_loop
async def test_a_session_can_be_deleted_from_another_connection(tmp_path: Path) -> None:
    async with house(forever(say("on"), WAIT)) as made:
        client, other = await made.connect(), await made.connect()
        session_id = await client.new_session(str(tmp_path))
        prompt = client.prompt(session_id)
        await client.seen(sessionUpdate="agent_message_chunk")
        assert await other.call("session/delete", sessionId=session_id) == {}
        assert await client.stop_reason(prompt) == "cancelled"
        assert (await client.refused("session/close", sessionId=session_id))["code"] == -32002
        assert await other.call("session/list") == {"sessions": []}
