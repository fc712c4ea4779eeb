"""A log that a newer version wrote into is kept, told as far as it is understood, and gone on with."""

from __future__ import annotations

from pathlib import Path

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import UnknownEvent
from agent_server.conversation.messages import AssistantMessage, UserMessage

from .puppets import PuppetModel
from .scripted_client import House, house, in_loop

NEWER = UnknownEvent("mood_changed", {"mood": "cheerful", "entry_id": 99})


async def talked(home: House, cwd: str) -> str:
    """A session of one turn, which a newer version then took further."""
    model = home.service._provider
    assert isinstance(model, PuppetModel)
    client = await home.connect()
    session_id = await client.new_session(cwd)
    prompt = client.prompt(session_id, "hello")
    await model.asked(1)
    model.finish(1, "hi")
    assert await client.stop_reason(prompt) == "end_turn"
    await client.call("session/close", sessionId=session_id)
    client.hang_up()
    epoch = home.store.acquire(session_id)
    home.store.append(session_id, epoch, (NEWER, NEWER))
    home.store.release(session_id, epoch)
    return session_id


@in_loop
async def test_what_a_newer_version_recorded_is_told_as_a_note_and_reaches_no_model(tmp_path: Path) -> None:
    model = PuppetModel()
    async with house(model) as home:
        session_id = await talked(home, str(tmp_path))
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
        ids = []
        for _ in range(2):
            client = await home.connect()
            await client.call("session/load", sessionId=session_id, cwd=str(tmp_path), mcpServers=[])
            ids += [update["messageId"] for update in client.updates(sessionUpdate="agent_thought_chunk")]
            await client.call("session/close", sessionId=session_id)
            client.hang_up()
        assert len(ids) == 2
        assert len(set(ids)) == 1
