"""The trace context on the way in, the usage on the way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.content import TextPart
from agent_server.conversation.usage import UsageTotals
from agent_server.errors import ProviderError
from agent_server.providers.provider import Finished, ModelRequest, ProviderEvent, Usage
from agent_server.sessions.prompts import PromptFailed, PromptOutcome, PromptStopped
from agent_server.sessions.session import Session
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from tests.agent.puppets import PuppetModel, PuppetTool, wants
from tests.agent.scripted_client import in_loop

from .spoken_to import Asked, spec

TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "a=1"}


class TracedModel(PuppetModel):
    """Keeps the trace of every request."""

    def __init__(self) -> None:
        super().__init__()
        self.traces: list[Any] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        self.traces.append(request.trace)
        async for event in super().stream(request):
            yield event


@pytest.mark.spec("N-81")
@in_loop
async def test_a_trace_goes_with_its_own_prompt_to_every_request_of_its_turn(tmp_path: Path) -> None:
    model, traces_of_calls = TracedModel(), []
    tool = PuppetTool(prepare=lambda: traces_of_calls.append(session.trace))
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session: Session = supervisor.create(spec(tmp_path, model, tool))
        settled: asyncio.Queue[PromptOutcome] = asyncio.Queue()
        for trace in (TRACE, None):
            session.prompt((TextPart("go"),), settled.put_nowait, trace=trace)
        supervisor.ensure_working(session)
        await model.asked(1)
        model.say(1, wants("puppet"), Finished("tool_use"))
        for number in (2, 3):
            await model.asked(number)
            model.finish(number)
        for _ in range(2):
            await asyncio.wait_for(settled.get(), 5)
        assert model.traces == [TRACE, TRACE, None]
        assert traces_of_calls == [TRACE]
        assert session.trace is None


@pytest.mark.spec("D-09")
@in_loop
async def test_the_usage_of_a_turn_is_the_sum_of_its_requests_and_of_no_other_turn(tmp_path: Path) -> None:
    model = PuppetModel()
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model, PuppetTool()))
        asked = Asked(supervisor, session)
        await model.asked(1)
        model.say(1, Usage(10, 1, 2, 3, 4), Usage(100), wants("puppet"), Finished("tool_use"))
        await model.asked(2)
        model.finish(2, Usage(1000, 10, 20, 30, 40))
        assert isinstance(outcome := await asked.outcome(), PromptStopped)
        assert outcome.usage == UsageTotals(3, 1110, 11, 22, 33, 44)
        asked = Asked(supervisor, session)
        await model.asked(3)
        model.finish(3, "no word of tokens")
        assert isinstance(outcome := await asked.outcome(), PromptStopped)
        assert outcome.usage is None


@in_loop
async def test_a_cancelled_turn_says_what_it_used_until_then(tmp_path: Path) -> None:
    model, tool = PuppetModel(), PuppetTool(waits=True)
    async with SessionSupervisor(MemoryStore()) as supervisor:
        session = supervisor.create(spec(tmp_path, model, tool))
        asked = Asked(supervisor, session)
        await model.asked(1)
        model.say(1, Usage(5, 6), wants("puppet"), Finished("tool_use"))
        await tool.begun.wait()
        session.cancel()
        assert isinstance(outcome := await asked.outcome(), PromptStopped)
        assert (outcome.stop_reason, outcome.usage) == ("cancelled", UsageTotals(1, 5, 6))
        asked = Asked(supervisor, session)
        await model.asked(2)
        model.say(2, Usage(5, 6), ProviderError("raw", "no"))
        assert isinstance(await asked.outcome(), PromptFailed)
