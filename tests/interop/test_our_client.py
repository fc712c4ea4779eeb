"""Our client drives an agent that is written on the official TypeScript SDK (conformance/interop/ts_agent.mjs)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent_server.client import ClientServices, ElicitationService, FormQuestion, RemoteAgent, UrlVisit, spawn
from agent_server.errors import CapabilityMissing, RpcError
from agent_server.protocol.v1.elicitation import ElicitationAccepted
from conformance.installing import INSTALL_S

from .client_program import CONFORMANCE

BODY_S = 20.0

# The first test of the module may pay for the installation.
pytestmark = pytest.mark.timeout(INSTALL_S + 60)

Within = Callable[..., None]


@pytest.fixture
def with_agent(node: str, sdk_root: Path) -> Within:
    """Run a body with the agent, which is gone afterwards."""

    def run(body: Callable[[RemoteAgent], Awaitable[None]], services: ClientServices | None = None) -> None:
        async def main() -> None:
            command = [node, str(CONFORMANCE / "interop" / "ts_agent.mjs")]
            env = {**os.environ, "ACP_SDK_ROOT": str(sdk_root)}
            async with asyncio.timeout(BODY_S), spawn(command, services, env=env) as agent:
                await body(agent)

        asyncio.run(main())

    return run


@pytest.mark.promise("P12")
def test_a_session_of_a_typescript_agent_is_loaded_as_it_was_lived(with_agent: Within) -> None:
    async def body(agent: RemoteAgent) -> None:
        session = await agent.new_session("/tmp")
        for text in ("hello", "call", "compact", "unknown"):
            assert (await session.prompt(text)).stop_reason == "end_turn"
        lived = session.transcript
        assert [message.text for message in lived.messages if message.role == "user"] == [
            "hello", "call", "compact", "unknown",
        ]  # fmt: skip
        assert [(call.title, call.status, len(call.content)) for call in lived.tool_calls] == [("Look", "completed", 2)]
        assert [compaction.summary.text for compaction in lived.compactions] == ["short"]
        assert [notice.title for notice in lived.notices] == ["N"]
        assert [update.session_update for update in lived.unknown] == ["_made_up"]
        loaded = (await agent.load_session(session.id, "/tmp")).transcript
        assert loaded.conversation == lived.conversation
        assert loaded.notices == []
        for name in ("plan", "title", "updated_at", "usage", "modes", "config_options"):
            assert getattr(loaded, name) == getattr(lived, name), name
        assert list(loaded.unknown) == list(lived.unknown)

    with_agent(body)


def test_modes_and_options_of_a_typescript_agent_stay_in_step_over_a_resume(with_agent: Within) -> None:
    async def body(agent: RemoteAgent) -> None:
        session = await agent.new_session("/tmp")
        await session.set_mode("plan")
        assert session.transcript.config_options[0].current_value == "plan"
        await session.close()
        resumed = await agent.resume_session(session.id, "/tmp")
        assert resumed.transcript.modes is not None
        assert (resumed.transcript.modes.current_mode_id, resumed.transcript.entries) == ("plan", [])
        await resumed.set_config_option("mode", "ask")
        assert resumed.transcript.modes.current_mode_id == "ask"

    with_agent(body)


def test_sessions_of_a_typescript_agent_are_listed_in_pages_and_deleted(with_agent: Within) -> None:
    async def body(agent: RemoteAgent) -> None:
        made = [(await agent.new_session("/tmp")).id for _ in range(5)]
        assert [info.session_id async for info in agent.list_sessions()] == made
        await agent.delete_session(made[0])
        assert list(agent.sessions) == made[1:]
        with pytest.raises(RpcError) as caught:
            await agent.load_session(made[0], "/tmp")
        assert caught.value.code == -32002
        with pytest.raises(CapabilityMissing):
            await agent.logout()

    with_agent(body)


def test_forms_and_pages_of_a_typescript_agent_reach_the_user_and_the_answers_reach_the_agent(
    with_agent: Within,
) -> None:
    visits: list[UrlVisit] = []

    async def form(question: FormQuestion) -> ElicitationAccepted:
        return question.accept({**question.defaults(), "name": "Ada"})

    def url(visit: UrlVisit) -> ElicitationAccepted:
        visits.append(visit)
        return visit.accept()

    async def body(agent: RemoteAgent) -> None:
        session = await agent.new_session("/tmp")
        await session.prompt("form")
        await session.prompt("url")
        answers = [json.loads(message.text) for message in session.transcript.messages if message.text.startswith("{")]
        assert answers == [{"action": "accept", "content": {"name": "Ada", "size": "s"}}, {"action": "accept"}]
        assert [visit.host for visit in visits] == ["example.com"]
        assert await visits[0].completed() is True

    with_agent(body, ClientServices(elicitation=ElicitationService(form=form, url=url)))


def test_a_turn_of_a_typescript_agent_is_cancelled_and_the_session_goes_on(with_agent: Within) -> None:
    async def body(agent: RemoteAgent) -> None:
        session = await agent.new_session("/tmp")
        begun = asyncio.Event()
        session.listen(lambda _update: begun.set() if session.transcript.text else None)
        turn = asyncio.ensure_future(session.prompt("wait"))
        await begun.wait()
        session.cancel()
        assert (await turn).stop_reason == "cancelled"
        assert (await session.prompt("on")).stop_reason == "end_turn"

    with_agent(body)
