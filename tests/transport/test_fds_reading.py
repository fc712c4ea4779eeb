"""Frames from real descriptors: pipes, sockets, files, /dev/null, and far ends that go away."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile

import pytest

from agent_server.transport.fds import FdTransport
from agent_server.transport.framing import LONG_LINE_BYTES

from .fd_wire import MIB, on_loop, wired
from .listening import Listener, turns


@pytest.mark.req("JR-17")
def test_frames_arrive_from_a_pipe_and_its_end_is_heard_once() -> None:
    async def work() -> None:
        with wired() as wire:
            wire.transport.start(wire.listener)
            wire.say(b"one\r\n\ntwo\n")
            await wire.listener.until(lambda: len(wire.listener.frames) == 2)
            assert wire.listener.deliveries == [2]
            wire.say(b"last without an ending")
            wire.hang_up(wire.say_fd)
            await wire.listener.until_end()
            await turns()
            assert wire.listener.frames == [b"one", b"two", b"last without an ending"]
            assert wire.listener.ends == 1

    on_loop(work)


def test_what_was_read_ahead_comes_first_and_its_last_line_goes_on_in_the_pipe() -> None:
    async def work() -> None:
        with wired(read_ahead=b"one\ntw") as wire:
            wire.say(b"o\nthree\n")
            wire.transport.start(wire.listener)
            assert wire.listener.heard == []
            await wire.listener.until(lambda: len(wire.listener.frames) == 3)
            assert wire.listener.frames == [b"one", b"two", b"three"]
            wire.hang_up(wire.say_fd)
            await wire.listener.until_end()
            await turns()
            assert wire.listener.ends == 1

    on_loop(work)


def test_an_end_that_was_read_ahead_is_not_waited_for_again() -> None:
    async def work() -> None:
        with wired(read_ahead=b"") as wire:
            wire.transport.start(wire.listener)
            await wire.listener.until_end()
            wire.say(b"more\n")
            await turns()
            assert (wire.listener.heard, wire.listener.ends) == ([], 1)

    on_loop(work)


def test_what_was_read_ahead_waits_for_a_transport_that_is_paused() -> None:
    async def work() -> None:
        with wired(read_ahead=b"one\n") as wire:
            wire.say(b"two\n")
            wire.transport.start(wire.listener)
            wire.transport.pause_reading()
            await turns()
            assert wire.listener.heard == []
            wire.transport.resume_reading()
            await wire.listener.until(lambda: len(wire.listener.frames) == 2)
            assert wire.listener.frames == [b"one", b"two"]

    on_loop(work)


@pytest.mark.promise("P7")
def test_a_line_above_the_limit_is_reported_in_its_place_between_its_neighbours() -> None:
    async def work() -> None:
        with wired(limit_bytes=100) as wire:
            wire.transport.start(wire.listener)
            wire.say(b"before\n" + b"x" * 200 + b"\nafter\n")
            await wire.listener.until(lambda: len(wire.listener.heard) == 3)
            assert wire.listener.heard == [b"before", (b"x" * 100, 100), b"after"]

    on_loop(work)


def test_a_long_line_goes_through_the_window_whole_and_what_follows_too() -> None:
    long_line = b"".join(b"%08d" % number for number in range(400_000))  # 3.2 MB
    assert len(long_line) > LONG_LINE_BYTES

    async def work() -> None:
        with wired() as wire:
            wire.transport.start(wire.listener)
            sending = asyncio.get_running_loop().run_in_executor(
                None, _write_whole, wire.say_fd, b"a\n" + long_line + b"\r\nb\nc"
            )
            await wire.listener.until(lambda: len(wire.listener.frames) >= 3)
            await sending
            wire.hang_up(wire.say_fd)
            await wire.listener.until_end()
            assert wire.listener.frames == [b"a", long_line, b"b", b"c"]

    on_loop(work)


def _write_whole(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


@pytest.mark.parametrize("size", [0, 10, 200_000])
def test_a_regular_file_is_read_to_its_end(size: int) -> None:
    async def work() -> None:
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
            expected = [b"line %d" % number for number in range(size // 10)]
            source.write(b"\n".join(expected))
            source.seek(0)
            transport = FdTransport(os.dup(source.fileno()), os.dup(sink.fileno()))
            listener = Listener()
            transport.start(listener)
            await listener.until_end()
            transport.send(b"answer")
            await transport.flush()
            transport.close()
            assert listener.frames == expected
            assert listener.ends == 1
            sink.seek(0)
            assert sink.read() == b"answer\n"

    on_loop(work)


def test_dev_null_ends_at_once_and_swallows_everything() -> None:
    async def work() -> None:
        transport = FdTransport(os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY))
        listener = Listener()
        transport.start(listener)
        transport.send(b"x" * 3 * MIB)
        await listener.until_end()
        assert not transport.congested
        await transport.flush()
        transport.close()
        assert listener.heard == []

    on_loop(work)


def test_a_paused_transport_delivers_nothing_until_it_is_resumed() -> None:
    async def work() -> None:
        with wired() as wire:
            wire.transport.pause_reading()
            wire.transport.start(wire.listener)
            wire.say(b"one\n")
            await turns(20)
            assert wire.listener.heard == []
            wire.transport.resume_reading()
            wire.transport.resume_reading()
            await wire.listener.until(lambda: wire.listener.frames == [b"one"])
            wire.transport.pause_reading()
            wire.say(b"two\n")
            await turns(20)
            assert wire.listener.frames == [b"one"]
            wire.transport.resume_reading()
            await wire.listener.until(lambda: wire.listener.frames == [b"one", b"two"])

    on_loop(work)


def test_a_paused_file_goes_on_where_it_stopped() -> None:
    async def work() -> None:
        with tempfile.TemporaryFile() as source:
            expected = [b"%d" % number for number in range(100_000)]
            source.write(b"\n".join(expected))
            source.seek(0)
            transport = FdTransport(os.dup(source.fileno()), os.open(os.devnull, os.O_WRONLY))
            listener = Listener()
            transport.start(listener)
            await listener.until(lambda: bool(listener.frames))
            transport.pause_reading()
            await turns(5)
            so_far = len(listener.frames)
            await turns(20)
            assert len(listener.frames) == so_far < len(expected)
            transport.resume_reading()
            await listener.until_end()
            transport.close()
            assert listener.frames == expected

    on_loop(work)


@pytest.mark.promise("P9")
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_far_end_that_goes_while_we_do_not_read_is_noticed_and_its_last_words_are_heard(kind: str) -> None:
    async def work() -> None:
        if kind == "pipe":
            read_fd, far_fd = os.pipe()
        else:
            near, far = socket.socketpair()
            read_fd, far_fd = near.detach(), far.detach()
        transport = FdTransport(read_fd, os.open(os.devnull, os.O_WRONLY))
        listener = Listener()
        transport.start(listener)
        transport.pause_reading()
        os.write(far_fd, b"last words\n")
        os.close(far_fd)
        await listener.until_end()
        transport.close()
        assert listener.frames == [b"last words"]

    on_loop(work)


def test_after_close_nothing_is_heard_and_the_descriptors_are_gone() -> None:
    async def work() -> None:
        with wired() as wire:
            wire.transport.start(wire.listener)
            wire.say(b"unheard\n")
            wire.transport.close()
            wire.transport.close()
            await turns(10)
            assert wire.listener.heard == []
            assert wire.listener.ends == 0
            for fd in (wire.their_stdin, wire.their_stdout):
                with pytest.raises(OSError, match="Bad file"):
                    os.fstat(fd)

    on_loop(work)
