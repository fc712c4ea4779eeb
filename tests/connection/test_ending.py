"""P1 and P9 at the end: everything owed is answered, everything awaited fails, and it is over in time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from agent_server.connection.connection import Connection
from agent_server.connection.handlers import Deferred
from agent_server.connection.router import Router
from agent_server.errors import ConnectionClosed, RpcError
from agent_server.protocol.v1.client_services import ReadTextFileRequest
from agent_server.protocol.v1.initialize import AuthenticateResponse
from agent_server.protocol.v1.methods import AGENT_METHODS, FS_READ_TEXT_FILE
from agent_server.transport.memory import memory_pair

from .wire import WAIT_S, RawEnd, SmallAgent, cancel, deed, on_loop, outcome, prompt, serving

OK = AuthenticateResponse()
READ = ReadTextFileRequest(session_id="s", path="/x")


async def endless() -> Any:
    await asyncio.Event().wait()


async def stubborn() -> Any:
    while True:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            if _STOP:
                raise


_STOP: list[bool] = []


async def ended_in_s(agent: SmallAgent, wire: RawEnd) -> float:
    """End its input; how long it then takes to close."""
    started = time.monotonic()
    agent.connection.end()
    await wire.until_ended()
    return time.monotonic() - started


@pytest.mark.promise("P9")
def test_an_idle_connection_ends_at_once() -> None:
    async def work() -> None:
        async with serving(drain_s=5) as (agent, wire):
            await wire.fence()
            assert await ended_in_s(agent, wire) < 0.5
            assert agent.connection.closed

    on_loop(work)


@pytest.mark.promise("P1")
@pytest.mark.promise("P9")
def test_requests_in_flight_may_finish_within_the_drain_and_then_it_ends() -> None:
    async def work() -> None:
        gate = asyncio.Event()

        async def patient() -> Any:
            await gate.wait()
            return OK

        async with serving({"patient": patient}, drain_s=5) as (agent, wire):
            wire.say(deed(1, "patient"))
            await wire.fence()
            asyncio.get_running_loop().call_later(0.05, gate.set)
            assert await ended_in_s(agent, wire) < 2
            assert outcome(await wire.answer(1)) == {}

    on_loop(work)


@pytest.mark.spec("N-56")
@pytest.mark.promise("P1")
@pytest.mark.promise("P9")
def test_what_does_not_finish_is_cancelled_and_answered_before_the_end() -> None:
    async def work() -> None:
        deaf: Deferred[Any] = Deferred()
        polite: Deferred[Any] = Deferred()
        polite.on_cancel = lambda: polite.resolve(OK)
        _STOP.clear()
        deeds = {
            "endless": endless,
            "stubborn": stubborn,
            "deaf": lambda: deaf,
            "polite": lambda: polite,
            "cancel": endless,
        }
        async with serving(deeds, drain_s=0.1) as (agent, wire):
            wire.say(deed(1, "endless"), deed(2, "stubborn"), deed(3, "deaf"), deed(4, "polite"), cancel())
            await wire.fence()
            taken_s = await ended_in_s(agent, wire)
            assert 0.1 <= taken_s < 1.5
            assert [outcome(await wire.answer(number)) for number in (1, 2, 3, 4)] == [-32800, -32800, -32800, {}]
            _STOP.append(True)
            deaf.resolve(OK)  # too late: ignored

    on_loop(work)


@pytest.mark.promise("P9")
def test_our_own_requests_fail_when_the_far_end_has_gone() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):

            async def ask() -> Any:
                return await agent.connection.request(FS_READ_TEXT_FILE, READ)

            tasks = [asyncio.ensure_future(ask()) for _ in range(3)]
            await wire.until(lambda: len(wire.called("fs/read_text_file")) == 3)
            wire.transport.close()
            for result in await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT_S):
                assert isinstance(result, ConnectionClosed)

    on_loop(work)


@pytest.mark.promise("P1")
@pytest.mark.promise("P9")
def test_a_handler_that_asks_while_the_far_end_goes_fails_and_its_own_request_is_answered() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            agent.deeds["ask"] = lambda: agent.connection.request(FS_READ_TEXT_FILE, READ)
            wire.say(deed(1, "ask"))
            await wire.until(lambda: bool(wire.called("fs/read_text_file")))
            assert await ended_in_s(agent, wire) < 1
            assert outcome(await wire.answer(1)) == -32603

    on_loop(work)


@pytest.mark.promise("P9")
def test_a_far_end_that_does_not_read_delays_the_end_only_a_little() -> None:
    async def work() -> None:
        near, far = memory_pair()
        agent = SmallAgent(near, {"endless": endless})
        running = asyncio.create_task(agent.connection.run(drain_s=0.1, cancel_s=0.1))
        wire = RawEnd(far)
        wire.say(deed(1, "endless"))
        await wire.fence()
        far.pause_reading()
        agent.connection.send_frame(b'"%b"' % (b"x" * 200_000))
        started = time.monotonic()
        agent.connection.end()
        await asyncio.wait_for(running, WAIT_S)
        assert time.monotonic() - started < 1
        far.close()

    on_loop(work)


@pytest.mark.promise("P1")
@pytest.mark.promise("P9")
def test_a_serving_task_that_is_cancelled_answers_what_it_owes_and_closes() -> None:
    async def work() -> None:
        near, far = memory_pair()
        agent = SmallAgent(near, {"endless": endless})
        running = asyncio.create_task(agent.connection.run())
        wire = RawEnd(far)
        wire.say(deed(1, "endless"))
        await wire.fence()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await wire.until_ended()
        assert outcome(await wire.answer(1)) == -32800
        with pytest.raises(ConnectionClosed):
            await agent.connection.request(FS_READ_TEXT_FILE, READ)

    on_loop(work)


@pytest.mark.promise("P9")
def test_no_task_of_the_connection_outlives_it() -> None:
    async def work() -> None:
        before = asyncio.all_tasks()
        async with serving({"endless": endless, "cancel": endless}, drain_s=0) as (_agent, wire):
            wire.say(deed(1, "endless"), cancel(), cancel("s2"))
            await wire.fence()
        for _ in range(3):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == before

    on_loop(work)


@pytest.mark.promise("P1")
@pytest.mark.promise("P9")
def test_what_waited_behind_a_slow_notification_is_answered_at_the_end_and_never_begun() -> None:
    async def work() -> None:
        begun: list[str] = []
        deeds = {"cancel s": endless, "late": lambda: begun.append("late") or OK}  # type: ignore[func-returns-value]
        async with serving(deeds, drain_s=0) as (agent, wire):
            wire.say(cancel(), prompt(1, "late"), cancel(), prompt(2, "late"))
            await wire.fence()
            await ended_in_s(agent, wire)
            assert [outcome(await wire.answer(number)) for number in (1, 2)] == [-32800, -32800]
            for _ in range(5):
                await asyncio.sleep(0)
            assert begun == []
            assert agent.sessions["s"].heard == ["cancel"]

    on_loop(work)


@pytest.mark.promise("P9")
def test_the_end_is_told_once_however_often_it_comes() -> None:
    async def work() -> None:
        near, far = memory_pair()
        connection = Connection(near, Router(AGENT_METHODS, SmallAgent), object(), lambda _id: object())
        running = asyncio.create_task(connection.run())
        wire = RawEnd(far)
        await wire.fence()
        connection.end()
        connection.receive_eof()
        far.close()
        await asyncio.wait_for(running, WAIT_S)
        connection.end()
        assert connection.closed

    on_loop(work)


@pytest.mark.promise("P1")
def test_a_request_read_together_with_the_end_is_answered_if_its_handler_needs_no_time() -> None:
    async def work() -> None:
        async with serving({"fine": lambda: OK, "error": lambda: (_ for _ in ()).throw(RpcError(1, "m"))}) as (
            agent,
            wire,
        ):
            wire.say(deed(1, "fine"), deed(2, "error"))
            await asyncio.sleep(0)
            agent.connection.end()
            await wire.until_ended()
            assert [outcome(await wire.answer(number)) for number in (1, 2)] == [{}, 1]

    on_loop(work)
