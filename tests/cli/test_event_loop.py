"""The event loop of the server: fewer looks at the descriptors, and none is forgotten."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from agent_server.cli.event_loop import QuickSelector, new_event_loop


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read_fd, write_fd = os.pipe()
    yield read_fd, write_fd
    os.close(read_fd)
    os.close(write_fd)


def test_the_turn_behind_one_that_heard_something_does_not_look(pipe: tuple[int, int]) -> None:
    read_fd, write_fd = pipe
    os.write(write_fd, b"x")
    with QuickSelector() as selector:
        selector.register(read_fd, 1)

        assert [len(selector.select(0)) for _ in range(5)] == [1, 0, 1, 0, 1]


def test_turns_that_hear_nothing_look_every_time(pipe: tuple[int, int]) -> None:
    read_fd, write_fd = pipe
    with QuickSelector() as selector:
        selector.register(read_fd, 1)
        nothing = [len(selector.select(0)) for _ in range(2)]
        os.write(write_fd, b"x")

        assert [*nothing, len(selector.select(0))] == [0, 0, 1]


def test_a_turn_that_may_wait_always_looks(pipe: tuple[int, int]) -> None:
    read_fd, write_fd = pipe
    os.write(write_fd, b"x")
    with QuickSelector() as selector:
        selector.register(read_fd, 1)

        assert [len(selector.select(timeout)) for timeout in (0, None, 30.0, None, 0, 0)] == [1, 1, 1, 1, 0, 1]


def test_a_loop_that_is_never_idle_hears_of_a_descriptor_at_once(pipe: tuple[int, int]) -> None:
    read_fd, write_fd = pipe

    async def turns_until_heard() -> int:
        heard = asyncio.Event()
        asyncio.get_running_loop().add_reader(read_fd, heard.set)
        for _ in range(5):
            await asyncio.sleep(0)
        os.write(write_fd, b"x")
        turns = 0
        while not heard.is_set() and turns < 100:
            await asyncio.sleep(0)
            turns += 1
        asyncio.get_running_loop().remove_reader(read_fd)
        return turns

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(turns_until_heard()) <= 3
