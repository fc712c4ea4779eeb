from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import (
    ArchivedChanged,
    MessageInserted,
    PromptReceived,
    PromptWithdrawn,
    TextRun,
    TitleChanged,
    ToolCallUpserted,
    TurnEnded,
)
from agent_server.conversation.messages import AssistantMessage, ToolResultMessage, UserMessage
from agent_server.conversation.tool_calls import ToolStatus
from agent_server.providers.provider import Finished, TextDelta, ThoughtDelta
from agent_server.sessions.forking import NoSuchMessage
from agent_server.sessions.session import Session
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from tests.agent.puppets import PuppetModel, PuppetTool, wants
from tests.agent.scripted_client import in_loop

from .spoken_to import Asked, events_of, spec


@dataclass
class Told:
    """A session of two turns; in the second the model thinks, speaks, calls a tool while it speaks, and speaks again.

    Its message ids: 2 and 3 in the first turn; 4 (prompt), 5 (thought), 6, 7 (behind the tool) in the second.
    """

    supervisor: SessionSupervisor
    store: MemoryStore
    model: PuppetModel
    tool: PuppetTool
    session: Session


@asynccontextmanager
async def told(cwd: Path) -> AsyncIterator[Told]:
    model, store, tool = PuppetModel(), MemoryStore(), PuppetTool()
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(spec(cwd, model, tool))
        asked = Asked(supervisor, session, "one")
        await model.asked(1)
        model.finish(1, "first")
        await asked.outcome()
        asked = Asked(supervisor, session, "two")
        await model.asked(2)
        model.say(2, ThoughtDelta("hm"), "I wi", wants("puppet"), "ll look", Finished("tool_use"))
        await model.asked(3)
        model.finish(3, "found")
        await asked.outcome()
        yield Told(supervisor, store, model, tool, session)


ONE = [UserMessage((TextPart("one"),)), AssistantMessage("first")]
TWO = UserMessage((TextPart("two"),))


@pytest.mark.parametrize("live", [True, False])
@in_loop
async def test_a_fork_at_a_message_of_the_users_holds_what_was_before_it(tmp_path: Path, live: bool) -> None:
    async with told(tmp_path) as here:
        supervisor = here.supervisor
        if not live:
            await supervisor.stop(here.session.id)
        before = events_of(here.store, here.session.id)
        fork = await supervisor.fork(here.session.id, spec(tmp_path, here.model), 4)
        assert fork.record.messages == ONE
        copied = events_of(here.store, fork.id)
        assert copied[1:] == before[1 : len(copied)]
        assert isinstance(copied[-1], TurnEnded)
        assert fork.record.title == "first"
        assert events_of(here.store, here.session.id) == before

        Asked(supervisor, fork, "two, but better")
        await here.model.asked(4)
        assert here.model.seen[3] == [*ONE, UserMessage((TextPart("two, but better"),))]


@in_loop
async def test_a_fork_at_the_first_message_is_a_session_in_which_nobody_said_anything(tmp_path: Path) -> None:
    async with told(tmp_path) as here:
        fork = await here.supervisor.fork(here.session.id, spec(tmp_path, here.model), 2)
        assert fork.record.messages == []
        assert fork.record.title is None
        assert not [event for event in events_of(here.store, fork.id) if isinstance(event, MessageInserted | TextRun)]


@pytest.mark.parametrize(("message_id", "turns"), [(3, 1), (7, 2)])
@in_loop
async def test_a_fork_at_the_last_message_of_a_turn_holds_the_turn_with_its_end(
    tmp_path: Path, message_id: int, turns: int
) -> None:
    async with told(tmp_path) as here:
        before = events_of(here.store, here.session.id)
        fork = await here.supervisor.fork(here.session.id, spec(tmp_path, here.model), message_id)
        copied = events_of(here.store, fork.id)
        assert copied[1:] == before[1 : len(copied)]
        assert [event.turn_id for event in copied if isinstance(event, TurnEnded)] == list(range(1, turns + 1))


@in_loop
async def test_a_fork_at_a_message_in_a_turn_ends_the_turn_with_it_and_leaves_out_what_came_of_it(
    tmp_path: Path,
) -> None:
    async with told(tmp_path) as here:
        fork = await here.supervisor.fork(here.session.id, spec(tmp_path, here.model), 6)
        assert fork.record.messages == [*ONE, TWO, AssistantMessage("I will look", "hm")]
        *_, call, end = events_of(here.store, fork.id)
        assert isinstance(call, ToolCallUpserted)
        assert call.status is ToolStatus.CANCELLED
        assert end == TurnEnded(2, "end_turn")
        assert here.tool.runs == 1
        thought = await here.supervisor.fork(here.session.id, spec(tmp_path, here.model), 5)
        assert thought.record.messages == [*ONE, TWO, AssistantMessage("", "hm")]

        asked = Asked(here.supervisor, fork, "go on")
        await here.model.asked(4)
        here.model.finish(4, "on")
        await asked.outcome()
        numbers = [event.message_id for event in events_of(here.store, fork.id) if isinstance(event, MessageInserted)]
        assert numbers == [2, 4, 7]  # what was left out is not missed


@in_loop
async def test_the_whole_of_the_last_answer_with_its_calls_is_in_a_fork_at_it(tmp_path: Path) -> None:
    async with told(tmp_path) as here:
        fork = await here.supervisor.fork(here.session.id, spec(tmp_path, here.model), 7)
        kinds = [type(message) for message in fork.record.messages[2:]]
        assert kinds == [UserMessage, AssistantMessage, ToolResultMessage, AssistantMessage]


@pytest.mark.parametrize("message_id", [1, 8, 99, 0])
@in_loop
async def test_what_is_no_message_forks_nothing(tmp_path: Path, message_id: int) -> None:
    async with told(tmp_path) as here:
        with pytest.raises(NoSuchMessage):
            await here.supervisor.fork(here.session.id, spec(tmp_path, here.model), message_id)
        assert set(here.store._logs) == {here.session.id}
        assert here.supervisor.live() == [here.session]


@in_loop
async def test_of_a_turn_that_runs_only_its_prompt_can_be_forked_at(tmp_path: Path) -> None:
    async with told(tmp_path) as here:
        running, waiting = Asked(here.supervisor, here.session, "three"), Asked(here.supervisor, here.session, "four")
        await here.model.asked(4)
        here.model.say(4, TextDelta("half"))
        while "half" not in "".join(here.session.record._text):
            await asyncio.sleep(0)
        with pytest.raises(NoSuchMessage, match="runs now"):
            await here.supervisor.fork(here.session.id, spec(tmp_path, here.model), 9)
        fork = await here.supervisor.fork(here.session.id, spec(tmp_path, here.model), 8)
        copied = events_of(here.store, fork.id)
        assert len([event for event in copied if isinstance(event, TurnEnded)]) == 2
        assert not [event for event in copied if isinstance(event, PromptReceived) and event.prompt_id == 3]
        here.model.finish(4)
        await running.outcome()
        await here.model.asked(5)
        here.model.finish(5, "done")
        await waiting.outcome()
        at_four = await here.supervisor.fork(here.session.id, spec(tmp_path, here.model), 10)
        copied = events_of(here.store, at_four.id)
        assert not [event for event in copied if isinstance(event, PromptReceived) and event.prompt_id == 4]
        assert PromptWithdrawn(4) not in copied


@in_loop
async def test_a_fork_of_an_archived_session_is_not_archived(tmp_path: Path) -> None:
    async with told(tmp_path) as here:
        await here.supervisor.set_archived(here.session.id, True)
        for message_id in (None, 3):
            fork = await here.supervisor.fork(here.session.id, spec(tmp_path, here.model), message_id)
            assert not fork.archived
            assert not [event for event in events_of(here.store, fork.id) if isinstance(event, ArchivedChanged)]


@in_loop
async def test_a_fork_takes_the_name_that_the_session_had_by_then(tmp_path: Path) -> None:
    async with told(tmp_path) as here:
        here.session.set_title("later")
        fork = await here.supervisor.fork(here.session.id, spec(tmp_path, here.model), 4)
        assert fork.record.title == "first"
        assert TitleChanged("later", "user") not in events_of(here.store, fork.id)
