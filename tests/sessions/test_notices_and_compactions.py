"""What a provider reports besides its answer, as it stands in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.events import (
    CompactionBegan,
    CompactionFinished,
    CompactionSummaryGrew,
    Event,
    NoticeRaised,
    TextRun,
    TurnEnded,
)
from agent_server.errors import ProviderError
from agent_server.providers.provider import (
    CompactionEnded,
    CompactionStarted,
    CompactionSummary,
    Finished,
    NoticeGiven,
)
from agent_server.sessions.compactions import NOT_FINISHED
from agent_server.sessions.notices import MAX_TITLE_CHARS, raise_notice
from agent_server.sessions.session import Session
from agent_server.sessions.spec import Limits
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from tests.agent.puppets import PuppetModel, PuppetTool, wants
from tests.agent.scripted_client import in_loop

from .spoken_to import Asked, spec

COMPACTION = (CompactionBegan, CompactionSummaryGrew, CompactionFinished)


@dataclass
class Scene:
    """A session and its model."""

    supervisor: SessionSupervisor
    session: Session
    model: PuppetModel
    store: MemoryStore

    async def run(self, number: int, *events: Any) -> None:
        """One turn, the ``number``-th, in which the model says this."""
        asked = Asked(self.supervisor, self.session)
        await self.model.asked(number)
        self.model.say(number, *events)
        await asked.outcome()

    def logged(self, *kinds: type) -> list[Event]:
        return [event for _, event in self.store.read(self.session.id) if isinstance(event, kinds)]


@asynccontextmanager
async def scene(cwd: Path, *tools: Any, limits: Limits | None = None) -> AsyncIterator[Scene]:
    model, store = PuppetModel(), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        yield Scene(supervisor, supervisor.create(spec(cwd, model, *tools, limits=limits)), model, store)


@in_loop
async def test_a_notice_of_the_model_is_logged_and_is_no_part_of_the_conversation(tmp_path: Path) -> None:
    async with scene(tmp_path) as one:
        await one.run(1, "a", NoticeGiven("warning", "Old model", "It goes away soon."), "b", Finished())
        assert one.logged(NoticeRaised) == [NoticeRaised("warning", "Old model", "It goes away soon.")]
        assert "Old model" not in repr(one.session.log.context.messages)
        assert len({run.message_id for run in one.logged(TextRun) if isinstance(run, TextRun)}) == 1


@pytest.mark.parametrize(
    ("title", "description", "logged"),
    [
        ("Plain", None, ("Plain", None)),
        ("two\nlines\t here ", "  ", ("two lines here", None)),
        ("hidden\u202e\u200b", "one\r\ntwo\u0007", ("hidden\\u202e\\u200b", "one\ntwo\\x07")),
        ("half \ud800", "", ("half \\ud800", None)),
        ("", "x", ("Warning", "x")),
        (" \n ", None, ("Warning", None)),
    ],
)
@in_loop
async def test_the_title_of_a_notice_is_one_visible_line(
    tmp_path: Path, title: str, description: str | None, logged: tuple[str, str | None]
) -> None:
    async with scene(tmp_path) as one:
        raise_notice(one.session.log, "warning", title, description)
        (notice,) = one.logged(NoticeRaised)
        assert isinstance(notice, NoticeRaised)
        assert (notice.title, notice.description) == logged


@in_loop
async def test_a_long_title_is_cut(tmp_path: Path) -> None:
    async with scene(tmp_path) as one:
        raise_notice(one.session.log, "info", "x" * 10_000, "y" * 1_000_000)
        (notice,) = one.logged(NoticeRaised)
        assert isinstance(notice, NoticeRaised) and notice.description is not None
        assert len(notice.title) == MAX_TITLE_CHARS and notice.title.endswith("…")
        assert len(notice.description) < 10_000


@pytest.mark.spec("N-77")
@in_loop
async def test_compactions_have_ids_of_ours_that_are_never_used_again(tmp_path: Path) -> None:
    compaction = (CompactionStarted("same"), CompactionSummary("same", "so far"), CompactionEnded("same"))
    async with scene(tmp_path) as one:
        await one.run(1, *compaction, *compaction, Finished())
        await one.run(2, *compaction, Finished())
        events: Any = one.logged(*COMPACTION)
        assert [type(event) for event in events] == list(COMPACTION) * 3
        ids = [{event.compaction_id for event in events[start : start + 3]} for start in (0, 3, 6)]
        assert [len(each) for each in ids] == [1, 1, 1]
        assert len(set.union(*ids)) == 3
        assert "same" not in set.union(*ids)


@in_loop
async def test_two_compactions_may_be_open_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as one:
        starts = (CompactionStarted("a"), CompactionStarted("b"), CompactionSummary("b", "B"))
        await one.run(1, *starts, CompactionEnded("a", "failed", "no"), CompactionEnded("b"), Finished())
        first, second, grew, failed, done = one.logged(*COMPACTION)
        assert isinstance(first, CompactionBegan) and isinstance(second, CompactionBegan)
        assert grew == CompactionSummaryGrew(second.compaction_id, "B")
        assert failed == CompactionFinished(first.compaction_id, "failed", "no")
        assert done == CompactionFinished(second.compaction_id, "completed")


@pytest.mark.spec("N-77")
@in_loop
async def test_what_makes_no_sense_now_is_dropped_and_an_error_belongs_to_a_failure(tmp_path: Path) -> None:
    async with scene(tmp_path) as one:
        await one.run(
            1,
            CompactionSummary("a", "before"),
            CompactionEnded("a"),
            CompactionStarted("a"),
            CompactionStarted("a"),
            CompactionSummary("a", ""),
            CompactionEnded("a", "cancelled", "an error"),
            CompactionEnded("a"),
            CompactionSummary("a", "after"),
            Finished(),
        )
        began, finished = one.logged(*COMPACTION)
        assert isinstance(began, CompactionBegan)
        assert finished == CompactionFinished(began.compaction_id, "cancelled")


@in_loop
async def test_what_is_said_behind_a_compaction_is_another_message(tmp_path: Path) -> None:
    async with scene(tmp_path) as one:
        await one.run(1, "before", CompactionStarted("a"), CompactionEnded("a"), "behind", Finished())
        runs = [run for run in one.logged(TextRun) if isinstance(run, TextRun)]
        assert [run.text for run in runs] == ["before", "behind"]
        assert runs[0].message_id != runs[1].message_id


def the_end(one: Scene) -> CompactionFinished:
    """How the one compaction ended, which was before its turn did."""
    _, end = one.logged(*COMPACTION)
    assert isinstance(end, CompactionFinished)
    events = [event for _, event in one.store.read(one.session.id)]
    assert events.index(end) < next(i for i, event in enumerate(events) if isinstance(event, TurnEnded))
    return end


@pytest.mark.parametrize("last", [Finished(), ProviderError("overloaded", "Later."), RuntimeError("x")])
@in_loop
async def test_a_compaction_that_is_open_at_the_end_of_its_turn_has_failed(tmp_path: Path, last: Any) -> None:
    async with scene(tmp_path) as one:
        await one.run(1, CompactionStarted("a"), last)
        end = the_end(one)
        assert (end.status, end.error) == ("failed", NOT_FINISHED)


@in_loop
async def test_a_compaction_may_last_over_several_requests_of_its_turn(tmp_path: Path) -> None:
    async with scene(tmp_path, PuppetTool()) as one:
        asked = Asked(one.supervisor, one.session)
        await one.model.asked(1)
        one.model.say(1, CompactionStarted("a"), wants("puppet"), Finished("tool_use"))
        await one.model.asked(2)
        one.model.finish(2, CompactionEnded("a"))
        await asked.outcome()
        assert the_end(one).status == "completed"


@in_loop
async def test_a_compaction_ends_where_the_limit_of_requests_is_reached(tmp_path: Path) -> None:
    async with scene(tmp_path, PuppetTool(), limits=Limits(max_turn_requests=1)) as one:
        await one.run(1, CompactionStarted("a"), wants("puppet"), Finished("tool_use"))
        assert the_end(one).status == "failed"


@pytest.mark.parametrize("in_a_tool", [False, True])
@in_loop
async def test_a_cancel_ends_an_open_compaction_as_cancelled(tmp_path: Path, in_a_tool: bool) -> None:
    tool = PuppetTool(waits=True)
    async with scene(tmp_path, tool) as one:
        asked = Asked(one.supervisor, one.session)
        await one.model.asked(1)
        one.model.say(1, CompactionStarted("a"))
        if in_a_tool:
            one.model.say(1, wants("puppet"), Finished("tool_use"))
            await tool.begun.wait()
        else:
            while not one.logged(CompactionBegan):
                await one.session.breathe()
        one.session.cancel()
        await asked.outcome()
        end = the_end(one)
        assert (end.status, end.error) == ("cancelled", None)
