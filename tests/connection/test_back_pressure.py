"""P6: who does not read makes us stop reading, too; nothing is lost, and nobody hangs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from agent_server.connection.handlers import Deferred
from agent_server.connection.lanes import MAX_WAITING
from agent_server.connection.limits import MAX_UNSENT_BYTES
from agent_server.protocol.v1.initialize import AuthenticateResponse
from agent_server.protocol.v1.methods import AUTHENTICATE
from agent_server.transport.fds import FdTransport

from .wire import WAIT_S, SmallAgent, cancel, deed, on_loop, outcome, prompt, serving, withdraw

OK = AuthenticateResponse()
KIB = 1024


@dataclass
class Pipes:
    agent: SmallAgent
    transport: FdTransport
    running: asyncio.Task[None]
    say_fd: int
    hear_fd: int

    async def say_all(self, data: bytes) -> None:
        await asyncio.get_running_loop().run_in_executor(None, _write_whole, self.say_fd, data)

    async def hear(self, count: int) -> list[Any]:
        """That many frames."""
        return await asyncio.wait_for(asyncio.to_thread(self._hear, count), WAIT_S)

    def _hear(self, count: int) -> list[Any]:
        data = b""
        while data.count(b"\n") < count:
            piece = os.read(self.hear_fd, 65536)
            assert piece, "the agent has gone"
            data += piece
        return [orjson.loads(line) for line in data.splitlines()]


def _write_whole(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


@asynccontextmanager
async def piped(drain_s: float = 0.1) -> AsyncIterator[Pipes]:
    """An agent behind pipes. The test closes ``say_fd``, and must have the agent ended when it is done."""
    their_stdin, say_fd = os.pipe()
    hear_fd, their_stdout = os.pipe()
    transport = FdTransport(their_stdin, their_stdout)
    agent = SmallAgent(transport, {"big": lambda: AUTHENTICATE.encoded({"x": "y" * 10 * KIB}), "fine": lambda: OK})
    running = asyncio.create_task(agent.connection.run(drain_s=drain_s))
    pipes = Pipes(agent, transport, running, say_fd, hear_fd)
    yield pipes
    await asyncio.wait_for(running, WAIT_S)
    os.close(hear_fd)


async def until_paused(pipes: Pipes) -> int:
    """Wait until it takes no more work; how many bytes it then holds for us."""
    async with asyncio.timeout(WAIT_S):
        while not pipes.agent.connection._pacing.paused:
            await asyncio.sleep(0)
    return pipes.transport.unsent_bytes


@pytest.mark.promise("P6")
def test_the_reader_pauses_at_1_mib_of_unsent_answers_and_goes_on_when_they_have_left() -> None:
    count = 1000  # 10 MB of answers

    async def work() -> None:
        async with piped() as pipes:
            requests = b"".join(orjson.dumps(deed(number, "big")) + b"\n" for number in range(count))
            saying = asyncio.ensure_future(pipes.say_all(requests))
            held = await until_paused(pipes)
            one_read_bytes = 64 * KIB // 90 * 11 * KIB  # the answers to the requests of one read
            assert MAX_UNSENT_BYTES < held < MAX_UNSENT_BYTES + one_read_bytes
            await asyncio.sleep(0.05)
            assert pipes.transport.unsent_bytes == held
            answers = await pipes.hear(count)
            await asyncio.wait_for(saying, WAIT_S)
            assert [body["id"] for body in answers] == list(range(count))
            assert not pipes.agent.connection._pacing.paused
            await pipes.say_all(orjson.dumps(deed("next", "fine")) + b"\n")
            assert (await pipes.hear(1))[0]["id"] == "next"
            os.close(pipes.say_fd)

    on_loop(work)


@pytest.mark.promise("P6")
@pytest.mark.promise("P9")
@pytest.mark.parametrize("reader", ["stays and never reads", "goes away"])
def test_a_client_that_stopped_reading_and_then_hangs_up_is_noticed_in_time(reader: str) -> None:
    async def work() -> None:
        async with piped() as pipes:
            requests = b"".join(orjson.dumps(deed(number, "big")) + b"\n" for number in range(500))
            await asyncio.wait_for(pipes.say_all(requests), WAIT_S)
            await until_paused(pipes)
            started = time.monotonic()
            if reader == "goes away":
                os.dup2(pipes.say_fd, pipes.hear_fd)  # closes the pipe that we read from
            os.close(pipes.say_fd)
            await asyncio.wait_for(asyncio.shield(pipes.running), WAIT_S)
            assert time.monotonic() - started < 1.8

    on_loop(work)


@pytest.mark.promise("P6")
def test_the_reader_pauses_at_4096_waiting_jobs_and_handles_all_of_them_in_order_later() -> None:
    count = MAX_WAITING + 500

    async def work() -> None:
        gate = asyncio.Event()
        done: list[int] = []

        def numbered() -> Any:
            done.append(len(done))
            return OK

        async with serving({"cancel": gate.wait, "count": numbered}) as (agent, wire):
            wire.say(cancel(), *(prompt(number, "count") for number in range(count)))
            await wire.until(lambda: True)
            async with asyncio.timeout(WAIT_S):
                while not agent.connection._pacing.paused:
                    await asyncio.sleep(0)
            wire.say(deed("unread", "count"))
            for _ in range(20):
                await asyncio.sleep(0)
            assert wire.heard == []
            gate.set()
            assert outcome(await wire.answer("unread")) == {}
            answered = [body["id"] for body in wire.heard if isinstance(body["id"], int)]
            assert answered == list(range(count))

    on_loop(work)


@pytest.mark.promise("P6")
def test_a_few_waiting_jobs_pause_nothing() -> None:
    async def work() -> None:
        gate = asyncio.Event()
        async with serving({"cancel": gate.wait, "fine": lambda: OK}) as (_agent, wire):
            wire.say(cancel(), *(prompt(number, "fine") for number in range(100)))
            await wire.fence()
            wire.say(deed("other", "fine"), *(withdraw(number) for number in range(50)))
            assert outcome(await wire.answer("other")) == {}
            gate.set()
            await wire.answer(99)
            assert [outcome(await wire.answer(number)) for number in range(100)] == [-32800] * 50 + [{}] * 50

    on_loop(work)


@pytest.mark.promise("P6")
def test_who_waits_for_room_on_the_connection_is_woken_when_the_far_end_reads_again() -> None:
    async def work() -> None:
        async with serving() as (agent, wire):
            assert not agent.connection.congested
            wire.transport.pause_reading()
            agent.connection.send_frame(b'{"method":"big","x":"%b"}' % (b"x" * 100 * KIB))
            assert agent.connection.congested
            waiting = asyncio.ensure_future(agent.connection.drained())
            await asyncio.sleep(0)
            assert not waiting.done()
            wire.transport.resume_reading()
            await asyncio.wait_for(waiting, WAIT_S)
            assert not agent.connection.congested

    on_loop(work)


@pytest.mark.promise("P6")
def test_answers_that_come_later_are_not_lost_while_the_far_end_does_not_read() -> None:
    async def work() -> None:
        waiting: list[Deferred[Any]] = []

        def later() -> Any:
            waiting.append(Deferred())
            return waiting[-1]

        async with serving({"later": later}) as (_agent, wire):
            wire.say(*(deed(number, "later") for number in range(200)))
            await wire.fence()
            wire.transport.pause_reading()
            for answer in waiting:
                answer.resolve(AUTHENTICATE.encoded({"x": "y" * 20 * KIB}))
            await asyncio.sleep(0)
            assert len(wire.heard) == 1
            wire.transport.resume_reading()
            await wire.until(lambda: len(wire.heard) == 201)
            assert [body["id"] for body in wire.heard[1:]] == list(range(200))

    on_loop(work)
