"""A log that a newer version wrote into is kept, told as far as it is understood, and gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import UnknownEvent
from agent_server.conversation.messages import AssistantMessage, UserMessage
from agent_server.store.files import FileStore
from agent_server.store.lines import line_of

from .puppets import PuppetModel
from .scripted_client import House, house, in_loop

NEWER = UnknownEvent("mood_changed", {"mood": "cheerful", "entry_id": 99})


async def talked(home: House, cwd: str) -> str:
    """A session of one turn, closed."""
    model = home.service.provider
    assert isinstance(model, PuppetModel)
    client = await home.connect()
    session_id = await client.new_session(cwd)
    prompt = client.prompt(session_id, "hello")
    await model.asked(1)
    model.finish(1, "hi")
    assert await client.stop_reason(prompt) == "end_turn"
    await client.call("session/close", sessionId=session_id)
    client.hang_up()
    return session_id


def taken_further(home: House, session_id: str) -> None:
    """As a newer version does it."""
    epoch = home.store.acquire(session_id)
    home.store.append(session_id, epoch, (NEWER, NEWER))
    home.store.release(session_id, epoch)


@pytest.mark.req("PE-07")
@in_loop
async def test_what_a_newer_version_recorded_is_told_as_a_note_and_reaches_no_model(tmp_path: Path) -> None:
    model = PuppetModel()
    async with house(model) as home:
        session_id = await talked(home, str(tmp_path))
        taken_further(home, session_id)
        client = await home.connect()
        await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        (note,) = client.updates(sessionUpdate="agent_thought_chunk")
        assert "mood_changed" in note["content"]["text"]

        prompt = client.prompt(session_id, "and now?")
        await model.asked(2)
        model.finish(2, "still hi")
        assert await client.stop_reason(prompt) == "end_turn"
        assert model.seen[1] == [
            UserMessage((TextPart("hello"),)),
            AssistantMessage("hi"),
            UserMessage((TextPart("and now?"),)),
        ]
        assert [event for _, event in home.store.read(session_id)].count(NEWER) == 2


@in_loop
async def test_a_note_has_the_same_id_in_every_replay(tmp_path: Path) -> None:
    async with house(PuppetModel()) as home:
        session_id = await talked(home, str(tmp_path))
        taken_further(home, session_id)
        ids = []
        for _ in range(2):
            client = await home.connect()
            await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
            ids += [update["messageId"] for update in client.updates(sessionUpdate="agent_thought_chunk")]
            await client.call("session/close", sessionId=session_id)
            client.hang_up()
        assert len(ids) == 2
        assert len(set(ids)) == 1


@pytest.mark.req("PE-07")
@in_loop
async def test_a_file_with_a_record_of_an_unknown_kind_is_loaded_and_goes_on_with_it(tmp_path: Path) -> None:
    model, store = PuppetModel(), FileStore(str(tmp_path / "store"))
    async with house(model, store=store) as home:
        session_id = await talked(home, str(tmp_path))
    seq = store.visible(session_id) + 1
    store.close()
    (segment,) = (tmp_path / "store" / "logs").glob("*.log")
    with segment.open("ab") as file:
        file.write(line_of({"seq": [seq, seq], "at": 1, "events": [{"type": NEWER.kind, **NEWER.data}]}))

    later = FileStore(str(tmp_path / "store"))
    async with house(model, store=later) as home:
        client = await home.connect()
        await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
        (note,) = client.updates(sessionUpdate="agent_thought_chunk")
        assert "mood_changed" in note["content"]["text"]
        prompt = client.prompt(session_id)
        await model.asked(2)
        model.finish(2, "hi again")
        assert await client.stop_reason(prompt) == "end_turn"
        assert [event for _, event in later.read(session_id)].count(NEWER) == 1
    later.close()
