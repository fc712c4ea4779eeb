"""The event loop of the server: fewer looks at the descriptors, and none is forgotten."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from agent_server.cli import event_loop
from agent_server.cli.event_loop import LOOK_EVERY_S, QuickSelector, new_event_loop

TURNS = 10_000


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read_fd, write_fd = os.pipe()
    yield read_fd, write_fd
    os.close(read_fd)
    os.close(write_fd)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(event_loop, "monotonic", clock)
    return clock


def test_a_turn_right_behind_a_look_does_not_look_again(pipe: tuple[int, int], clock: Clock) -> None:
    read_fd, write_fd = pipe
    os.write(write_fd, b"x")
    with QuickSelector() as selector:
        selector.register(read_fd, 1)
        heard = [len(selector.select(0)), len(selector.select(0)), len(selector.select(0))]
        clock.now += 2 * LOOK_EVERY_S
        heard += [len(selector.select(0)), len(selector.select(0))]

        assert heard == [1, 0, 0, 1, 0]


def test_a_turn_that_may_wait_always_looks(pipe: tuple[int, int], clock: Clock) -> None:
    read_fd, write_fd = pipe
    os.write(write_fd, b"x")
    with QuickSelector() as selector:
        selector.register(read_fd, 1)

        assert [len(selector.select(timeout)) for timeout in (0, None, 30.0, None, 0)] == [1, 1, 1, 1, 0]


def test_a_loop_that_is_never_idle_hears_of_a_descriptor_all_the_same(pipe: tuple[int, int]) -> None:
    read_fd, write_fd = pipe

    async def turns_until_heard() -> int:
        heard = asyncio.Event()
        asyncio.get_running_loop().add_reader(read_fd, heard.set)
        for _ in range(5):
            await asyncio.sleep(0)
        os.write(write_fd, b"x")
        turns = 0
        while not heard.is_set() and turns < TURNS:
            await asyncio.sleep(0)
            turns += 1
        asyncio.get_running_loop().remove_reader(read_fd)
        return turns

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(turns_until_heard()) < TURNS
