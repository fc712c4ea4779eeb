"""Models that are not ready yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_server.conversation.events import MessageInserted
from agent_server.errors import ProviderError
from agent_server.sessions.prompts import PromptFailed, PromptStopped
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from tests.agent.puppets import PuppetModel
from tests.agent.scripted_client import in_loop

from .spoken_to import Asked, spec


class StartingModel(PuppetModel):
    """A model that starts when the test says so. ``starts`` counts its attempts, ``waiting`` who waits now."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = False
        self.starts = 0
        self.waiting = 0
        self.looked = asyncio.Event()
        self._start: asyncio.Future[None] | None = None

    async def wait_ready(self) -> None:
        if self._start is None or self._start.done():
            self.starts += 1
            self._start = asyncio.get_running_loop().create_future()
        self.waiting += 1
        self.looked.set()
        try:
            await asyncio.shield(self._start)
        finally:
            self.waiting -= 1

    def started(self, error: ProviderError | None = None) -> None:
        assert self._start is not None
        self.looked.clear()
        if error is not None:
            self._start.set_exception(error)
        else:
            self.ready = True
            self._start.set_result(None)


@asynccontextmanager
async def sessions() -> AsyncIterator[tuple[SessionSupervisor, StartingModel, MemoryStore]]:
    model, store = StartingModel(), MemoryStore()
    async with SessionSupervisor(store) as supervisor:
        yield supervisor, model, store


@pytest.mark.req("ST-13", "TN-03")
@in_loop
async def test_a_session_answers_at_once_and_its_prompt_waits_until_the_model_is_ready(tmp_path: Path) -> None:
    async with sessions() as (supervisor, model, _):
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session)
        await asyncio.wait_for(model.looked.wait(), 5)
        assert (session.status, model.seen) == ("thinking", [])
        model.started()
        await model.asked(1)
        model.finish(1, "here")
        assert isinstance(outcome := await asked.outcome(), PromptStopped)
        assert outcome.stop_reason == "end_turn"


@pytest.mark.req("ST-13")
@in_loop
async def test_a_model_that_is_ready_is_not_waited_for(tmp_path: Path) -> None:
    async with sessions() as (supervisor, model, _):
        model.ready = True
        asked = Asked(supervisor, supervisor.create(spec(tmp_path, model)))
        await model.asked(1)
        model.finish(1)
        await asked.outcome()
        assert model.starts == 0


@pytest.mark.req("ST-13", "TN-05")
@in_loop
async def test_a_start_that_fails_fails_the_turn_and_the_next_prompt_tries_again(tmp_path: Path) -> None:
    async with sessions() as (supervisor, model, store):
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session)
        await asyncio.wait_for(model.looked.wait(), 5)
        model.started(ProviderError("unreachable", "It does not start.", retryable=True))
        assert isinstance(outcome := await asked.outcome(), PromptFailed)
        assert (outcome.failure.kind, outcome.failure.details) == ("unreachable", "It does not start.")
        asked = Asked(supervisor, session)
        await asyncio.wait_for(model.looked.wait(), 5)
        model.started()
        await model.asked(1)
        model.finish(1)
        assert isinstance(await asked.outcome(), PromptStopped)
        assert model.starts == 2
        assert len([event for _, event in store.read(session.id) if isinstance(event, MessageInserted)]) == 2


@pytest.mark.req("ST-13", "TN-08")
@pytest.mark.promise("P8")
@in_loop
async def test_a_cancel_does_not_wait_for_the_model_and_leaves_the_other_waiting(tmp_path: Path) -> None:
    async with sessions() as (supervisor, model, _):
        one, two = (supervisor.create(spec(tmp_path, model)) for _ in range(2))
        first, second = Asked(supervisor, one), Asked(supervisor, two)
        while model.waiting < 2:
            await one.breathe()
        one.cancel()
        assert isinstance(outcome := await first.outcome(), PromptStopped)
        assert outcome.stop_reason == "cancelled"
        assert (model.waiting, model.seen) == (1, [])
        model.started()
        await model.asked(1)
        model.finish(1)
        assert isinstance(outcome := await second.outcome(), PromptStopped)
        assert outcome.stop_reason == "end_turn"
        assert len(model.seen) == 1


@pytest.mark.req("ST-13", "TN-08")
@pytest.mark.promise("P8")
@pytest.mark.parametrize("ready_first", [False, True])
@in_loop
async def test_a_model_that_becomes_ready_together_with_a_cancel_is_not_asked(
    tmp_path: Path, ready_first: bool
) -> None:
    async with sessions() as (supervisor, model, _):
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session)
        await asyncio.wait_for(model.looked.wait(), 5)
        steps = [session.cancel, model.started]
        for step in reversed(steps) if ready_first else steps:  # in one turn of the loop
            step()
        assert isinstance(outcome := await asked.outcome(), PromptStopped)
        assert outcome.stop_reason == "cancelled"
        assert model.seen == []


@pytest.mark.req("ST-13", "TN-08")
@pytest.mark.promise("P8")
@in_loop
async def test_a_model_that_swallows_a_cancel_while_it_starts_is_not_asked(tmp_path: Path) -> None:
    class Stubborn(StartingModel):
        async def wait_ready(self) -> None:
            try:
                await super().wait_ready()
            except asyncio.CancelledError:
                self.ready = True

    model = Stubborn()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model))
        asked = Asked(supervisor, session)
        await asyncio.wait_for(model.looked.wait(), 5)
        session.cancel()
        assert isinstance(outcome := await asked.outcome(), PromptStopped)
        assert outcome.stop_reason == "cancelled"
        assert model.seen == []


@pytest.mark.promise("P4")
@in_loop
async def test_the_end_of_a_session_whose_model_swallowed_a_cancel_ends_no_other(tmp_path: Path) -> None:
    class Stubborn(StartingModel):
        async def wait_ready(self) -> None:
            try:
                await super().wait_ready()
            except asyncio.CancelledError:
                self.ready = True

    stubborn, model = Stubborn(), PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session, other = supervisor.create(spec(tmp_path, stubborn)), supervisor.create(spec(tmp_path, model))
        working = Asked(supervisor, other)
        asked = Asked(supervisor, session)
        await asyncio.wait_for(stubborn.looked.wait(), 5)
        session.cancel()
        await asked.outcome()
        await supervisor.stop(session.id)
        await model.asked(1)
        model.finish(1)
        assert isinstance(outcome := await working.outcome(), PromptStopped)
        assert outcome.stop_reason == "end_turn"
