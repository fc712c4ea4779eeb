"""Frames to real descriptors: what leaves together, readers that stop, and readers that go away."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import tempfile
from typing import Any

import pytest

from agent_server.transport.fds import DIRECT_BYTES, FdTransport

from .fd_wire import MIB, on_loop, read_all, wired
from .listening import WAIT_S, Listener, turns


@pytest.mark.parametrize("way", ["send", "send_all"])
def test_frames_of_one_turn_leave_in_one_write(way: str) -> None:
    frames = [b"frame %d" % number for number in range(50)]

    async def work() -> None:
        with wired() as wire:
            wire.transport.start(wire.listener)
            if way == "send":
                for frame in frames:
                    wire.transport.send(frame)
            else:
                wire.transport.send_all(frames[:20])
                wire.transport.send_all(frames[20:])
            assert _readable_bytes(wire.hear_fd) == 0
            assert wire.transport.unsent_bytes == sum(map(len, frames)) + len(frames)
            if way == "send":
                await turns()
            else:
                wire.transport.hurry()
            assert os.read(wire.hear_fd, MIB) == b"\n".join(frames) + b"\n"
            assert wire.transport.unsent_bytes == 0
            assert not wire.transport.congested

    on_loop(work)


def _readable_bytes(fd: int) -> int:
    import array
    import termios

    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def test_a_pipe_that_keeps_packets_shows_one_write_per_turn() -> None:
    """In packet mode every read gives exactly one write."""

    async def work() -> None:
        if not hasattr(os, "pipe2") or not hasattr(os, "O_DIRECT"):
            pytest.skip("no packet pipes here")
        hear_fd, write_fd = os.pipe2(os.O_DIRECT)
        read_fd, say_fd = os.pipe()
        transport = FdTransport(read_fd, write_fd)
        transport.start(Listener())
        for turn in range(3):
            for number in range(10):
                transport.send(b"%d.%d" % (turn, number))
            await turns()
        for turn in range(3):
            assert os.read(hear_fd, MIB) == b"".join(b"%d.%d\n" % (turn, number) for number in range(10))
        transport.close()
        os.close(hear_fd)
        os.close(say_fd)

    on_loop(work)


def test_big_frames_and_hurried_ones_leave_at_once_behind_what_was_queued() -> None:
    async def work() -> None:
        with wired() as wire:
            wire.transport.start(wire.listener)
            wire.transport.send(b"small")
            wire.transport.send(b"b" * DIRECT_BYTES)
            assert os.read(wire.hear_fd, MIB) == b"small\n" + b"b" * DIRECT_BYTES + b"\n"
            wire.transport.send(b"now")
            wire.transport.hurry()
            assert os.read(wire.hear_fd, MIB) == b"now\n"

    on_loop(work)


@pytest.mark.promise("P6")
def test_a_reader_that_stops_congests_us_and_gets_everything_in_order_when_it_goes_on() -> None:
    frames = [b"%06d" % number + b"x" * (number % 5000) for number in range(2000)]  # 5 MB
    total = sum(map(len, frames)) + len(frames)

    async def work() -> None:
        with wired() as wire:
            wire.transport.start(wire.listener)
            assert not wire.transport.congested
            for start in range(0, len(frames), 100):
                wire.transport.send_all(frames[start : start + 50])
                for frame in frames[start + 50 : start + 100]:
                    wire.transport.send(frame)
                await turns(1)
            assert wire.transport.congested
            assert wire.transport.unsent_bytes == total - _readable_bytes(wire.hear_fd)
            drained = asyncio.ensure_future(wire.transport.drained())
            await turns()
            assert not drained.done()
            reading = asyncio.get_running_loop().run_in_executor(None, read_all, wire.hear_fd, total)
            await asyncio.wait_for(drained, WAIT_S)
            assert not wire.transport.congested
            assert wire.transport.unsent_bytes == 0
            assert await reading == b"\n".join(frames) + b"\n"

    on_loop(work)


def test_flush_returns_when_all_is_taken() -> None:
    async def work() -> None:
        with wired() as wire:
            wire.transport.start(wire.listener)
            wire.transport.send(b"y" * MIB)
            wire.transport.send(b"z")
            reading = asyncio.get_running_loop().run_in_executor(None, read_all, wire.hear_fd, MIB + 3)
            await asyncio.wait_for(wire.transport.flush(), WAIT_S)
            assert wire.transport.unsent_bytes == 0
            assert await reading == b"y" * MIB + b"\nz\n"

    on_loop(work)


@pytest.mark.promise("P6")
@pytest.mark.parametrize("congested", [False, True])
def test_a_reader_that_goes_away_is_one_end_of_input_and_no_exception(congested: bool) -> None:
    async def work() -> None:
        with wired() as wire:
            failures: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
            wire.transport.start(wire.listener)
            if congested:
                wire.transport.send(b"x" * MIB)
                assert wire.transport.congested
            drained = asyncio.ensure_future(wire.transport.drained())
            await turns()
            wire.hang_up(wire.hear_fd)
            wire.transport.send(b"nobody")
            await wire.listener.until_end()
            for _ in range(3):
                wire.transport.send(b"y" * DIRECT_BYTES)
                wire.transport.send_all([b"z", b"z"])
                await turns()
            await asyncio.wait_for(drained, WAIT_S)
            await asyncio.wait_for(wire.transport.drained(), WAIT_S)
            await asyncio.wait_for(wire.transport.flush(), WAIT_S)
            assert not wire.transport.congested
            assert wire.transport.unsent_bytes == 0
            assert wire.listener.ends == 1
            assert failures == []

    on_loop(work)


def test_who_waits_for_a_drained_transport_is_released_when_it_is_closed() -> None:
    async def work() -> None:
        with wired() as wire:
            wire.transport.start(wire.listener)
            wire.transport.send(b"x" * MIB)
            waiting = [asyncio.ensure_future(wire.transport.drained()) for _ in range(3)]
            waiting.append(asyncio.ensure_future(wire.transport.flush()))
            await turns()
            wire.transport.close()
            await asyncio.wait_for(asyncio.gather(*waiting), WAIT_S)

    on_loop(work)


def test_a_wait_that_is_cancelled_does_not_disturb_the_other_waits() -> None:
    async def work() -> None:
        with wired() as wire:
            wire.transport.start(wire.listener)
            wire.transport.send(b"x" * MIB)
            first, second = (asyncio.ensure_future(wire.transport.drained()) for _ in range(2))
            await turns()
            first.cancel()
            reading = asyncio.get_running_loop().run_in_executor(None, read_all, wire.hear_fd, MIB + 1)
            await asyncio.wait_for(second, WAIT_S)
            await reading

    on_loop(work)


def test_what_was_queued_at_close_never_reaches_a_file_that_reuses_the_descriptor() -> None:
    async def work() -> None:
        with wired() as wire, tempfile.TemporaryFile() as innocent:
            wire.transport.start(wire.listener)
            wire.transport.send(b"x" * MIB)
            wire.transport.send(b"queued")
            number = wire.their_stdout
            wire.transport.close()
            os.dup2(innocent.fileno(), number)
            await turns(10)
            os.close(number)
            assert wire.transport.unsent_bytes == 0
            assert innocent.seek(0, os.SEEK_END) == 0

    on_loop(work)


def test_frames_may_be_queued_before_the_transport_is_started() -> None:
    async def work() -> None:
        with wired() as wire:
            wire.transport.send(b"x" * MIB)
            wire.transport.start(wire.listener)
            reading = asyncio.get_running_loop().run_in_executor(None, read_all, wire.hear_fd, MIB + 1)
            await asyncio.wait_for(wire.transport.flush(), WAIT_S)
            assert await reading == b"x" * MIB + b"\n"

    on_loop(work)


@pytest.mark.parametrize("was_blocking", [True, False])
def test_the_mode_of_the_write_end_is_put_back_on_close(was_blocking: bool) -> None:
    async def work() -> None:
        read_fd, write_fd = os.pipe()
        ours = os.dup(write_fd)  # the flag belongs to the open file: our duplicate shares it
        os.set_blocking(write_fd, was_blocking)
        transport = FdTransport(os.open(os.devnull, os.O_RDONLY), write_fd)
        assert not os.get_blocking(ours)
        transport.start(Listener())
        transport.send(b"x" * MIB)
        transport.close()
        assert os.get_blocking(ours) is was_blocking
        os.close(ours)
        os.close(read_fd)

    on_loop(work)


def test_one_socket_serves_both_directions_and_is_closed_once() -> None:
    async def work() -> None:
        near, far = socket.socketpair()
        fd = near.detach()
        transport = FdTransport(fd, fd)
        listener = Listener()
        transport.start(listener)
        far.sendall(b"ping\n")
        await listener.until(lambda: listener.frames == [b"ping"])
        transport.send(b"pong")
        await turns()
        assert far.recv(100) == b"pong\n"
        far.close()
        await listener.until_end()
        transport.close()

    on_loop(work)
