"""Whatever a session was through: closed and opened again, it knows the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_server.conversation.content import ImagePart, TextPart
from agent_server.errors import ProviderError
from agent_server.providers.provider import (
    CompactionEnded,
    CompactionStarted,
    CompactionSummary,
    Finished,
    ModelInfo,
    ModelRequest,
    NoticeGiven,
    PartDelta,
    ProviderEvent,
    SimpleProvider,
    TextDelta,
    ThoughtDelta,
    ToolCallRequested,
    Usage,
)
from agent_server.sessions.description import Description
from agent_server.sessions.model_choice import set_model
from agent_server.sessions.session import Session
from agent_server.sessions.status import Activity
from agent_server.sessions.supervisor import SessionSupervisor
from agent_server.store.memory import MemoryStore
from agent_server.tools.ports import ExitStatus, ToolContext
from agent_server.tools.tool import ToolResult
from tests.agent.puppets import PuppetTool

from .spoken_to import events_of, spec

WORDS = st.text(max_size=12)
STEPS = st.one_of(
    st.builds(TextDelta, WORDS),
    st.builds(ThoughtDelta, WORDS),
    st.builds(PartDelta, st.just(ImagePart("aGk=", "image/png"))),
    st.builds(Usage, st.integers(0, 9), st.integers(0, 9), cost_usd=st.none() | st.floats(0, 1)),
    st.just(NoticeGiven("info", "Retrying.")),
    st.just(CompactionStarted("k")),
    st.builds(CompactionSummary, st.just("k"), WORDS),
    st.just(CompactionEnded("k")),
    st.builds(ToolCallRequested, st.sampled_from(["c1", "c2"]), st.sampled_from(["puppet", "terminal", "missing"])),
)
ENDS = st.one_of(
    st.builds(Finished, st.sampled_from(["end_turn", "max_tokens", "refusal"])),
    st.just(ProviderError("overloaded", "Later.")),
)
RESPONSES = st.tuples(st.lists(STEPS, max_size=5), ENDS)
PROMPTS = st.tuples(st.just("prompt"), WORDS, st.lists(RESPONSES, max_size=3), st.none() | st.integers(0, 12))
OTHERS = st.sampled_from([("title", "Mine"), ("model", "large"), ("model", "small"), ("mode", "plan"), ("reopen", "")])
SCRIPTS = st.lists(PROMPTS | OTHERS, max_size=6)


class Script(SimpleProvider):
    """A model that gives the responses that are put in, and gives way after every step, so that a cancel hits any."""

    def __init__(self) -> None:
        self.responses: list[tuple[list[ProviderEvent], Finished | ProviderError]] = []

    def models(self) -> list[ModelInfo]:
        return [ModelInfo("small", "Small"), ModelInfo("large", "Large")]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        steps, end = self.responses.pop(0) if self.responses else ([], Finished())
        for step in steps:
            await asyncio.sleep(0)
            yield step
        if isinstance(end, ProviderError):
            raise end
        yield end


async def uses_a_terminal(context: ToolContext) -> ToolResult:
    terminal = context.open_terminal("echo", "/")
    terminal.write(b"out")
    try:
        await asyncio.sleep(0)
    finally:
        terminal.close(ExitStatus(0, None))
    return ToolResult.text("done")


def knows(session: Session) -> dict[str, Any]:
    """What must outlive the instance."""
    record = session.record
    names = ("entries", "prompts", "turns", "tool_calls", "terminals", "title_by_user", "system_prompt", "cost_usd")
    return {
        "messages": list(record.messages),
        **{name: getattr(record, name) for name in names},
        "description": lasting(session.info()),
    }


def lasting(description: Description) -> Description:
    return replace(description, alias="", instance_id="", status="", activity=Activity.IDLE, last_error=None)


async def prompted(
    supervisor: SessionSupervisor, session: Session, text: str, cancel_after: int | None
) -> None:
    """Prompt twice at once, and cancel after so many turns of the loop."""
    futures: list[asyncio.Future[object]] = [asyncio.get_running_loop().create_future() for _ in range(2)]
    for future in futures:
        session.prompt((TextPart(text),), future.set_result)
    supervisor.ensure_working(session)
    if cancel_after is not None:
        for _ in range(cancel_after):
            await asyncio.sleep(0)
        session.cancel()
    await asyncio.wait_for(asyncio.gather(*futures), 5)


async def play(cwd: Path, script: list[tuple[Any, ...]]) -> None:
    model, store = Script(), MemoryStore()
    made = spec(cwd, model, PuppetTool(), PuppetTool("terminal", body=uses_a_terminal))
    async with SessionSupervisor(store) as supervisor:
        session = supervisor.create(made)
        for kind, *rest in [*script, ("reopen", "")]:
            if kind == "prompt":
                text, model.responses, cancel_after = rest[0], list(rest[1]), rest[2]
                await prompted(supervisor, session, text, cancel_after)
            elif kind == "title":
                session.set_title(rest[0])
            elif kind == "model":
                set_model(session, rest[0])
            elif kind == "mode":
                session.set_mode(rest[0])
            else:
                before, log = knows(session), events_of(store, session.id)
                await supervisor.stop(session.id)
                session = await supervisor.open(session.id, made)
                after = knows(session)
                assert events_of(store, session.id) == log
                assert after == before


@pytest.mark.req("ST-16", "SM-26")
@settings(max_examples=150)
@given(script=SCRIPTS)
def test_whatever_happened_is_known_again_after_a_close_and_an_open(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[Any, ...]]
) -> None:
    asyncio.run(play(tmp_path_factory.getbasetemp(), script))
