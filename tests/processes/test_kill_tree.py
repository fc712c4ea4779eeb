from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO

import anyio
import psutil
import pytest

from agent_server.processes.child import Child, ChildExit, spawn
from agent_server.processes.tree import kill_tree, kill_tree_now, running

from .process_tag import Tag, children_of_ours, leak_checked, tagged

pytestmark = [
    pytest.mark.promise("P8"),
    pytest.mark.usefixtures("nothing_leaks"),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a tree is its process group"),
]
TREE_SIZE = 5


@pytest.fixture
def tag() -> Iterator[Tag]:
    yield from tagged()


@pytest.fixture
def others() -> list[psutil.Process]:
    """The children that are not the test's."""
    return children_of_ours()


@pytest.fixture
def nothing_leaks() -> Iterator[None]:
    yield from leak_checked()


def read_line(pipe: IO[bytes] | None) -> list[str]:
    assert pipe is not None
    line = b""
    while not line.endswith(b"\n"):
        line += pipe.read(1) or b"\n"
    return line.decode().split()


def spawn_hostile(tag: Tag, *arguments: str) -> Child:
    child = spawn((*tag.hostile_argv, *arguments), env=tag.env, stdout=subprocess.PIPE)
    words = read_line(child.stdout)
    assert words[0] == "up" and len(words) == 1 + TREE_SIZE
    return child


def test_a_hostile_tree_is_gone_within_a_second(tag: Tag) -> None:
    async def main() -> None:
        child = spawn_hostile(tag)
        assert len(tag.survivors()) == TREE_SIZE
        started_s = time.monotonic()
        assert await kill_tree(child) == ChildExit(None, "SIGKILL")
        assert time.monotonic() - started_s < 1
        assert child.stdout is not None and child.stdout.read() == b""
        child.close_pipes()

    asyncio.run(main())
    assert tag.survivors() == []


def test_what_a_program_left_behind_is_gone_though_the_program_had_ended(
    tag: Tag, others: list[psutil.Process]
) -> None:
    async def main() -> None:
        child = spawn_hostile(tag, "--leave")
        assert await asyncio.wait_for(child.wait(), 10) == ChildExit(7)
        assert len(tag.survivors()) == TREE_SIZE - 1
        assert await kill_tree(child) == ChildExit(7)
        child.close_pipes()
        assert tag.survivors() == []
        await wait_for_no_children(but=others)

    asyncio.run(main())


def test_another_tree_is_not_touched(tag: Tag, others: list[psutil.Process]) -> None:
    other_tag = Tag()

    async def main() -> None:
        other = spawn_hostile(other_tag, "--leave")
        await asyncio.wait_for(other.wait(), 10)
        child = spawn_hostile(tag)
        await kill_tree(child)
        assert tag.survivors() == []
        assert len(other_tag.survivors()) == TREE_SIZE - 1
        await kill_tree(other)
        for each in (child, other):
            each.close_pipes()
        await wait_for_no_children(but=others)

    asyncio.run(main())
    assert other_tag.survivors() == []


def test_the_blocking_kill_leaves_nothing_either(tag: Tag) -> None:
    async def main() -> None:
        child = spawn_hostile(tag)
        kill_tree_now(child)
        assert tag.survivors() == []
        assert child.exit == ChildExit(None, "SIGKILL")
        child.close_pipes()

    asyncio.run(main())


def test_a_tree_that_drops_its_environment_is_found_by_descent(tag: Tag) -> None:
    async def main() -> list[int]:
        script = "setsid env -i /bin/sleep 600 & echo $!; wait"
        child = spawn(("/bin/sh", "-c", script), env=tag.env, stdout=subprocess.PIPE)
        pids = [child.pid, *map(int, read_line(child.stdout))]
        while psutil.Process(pids[1]).environ():
            await asyncio.sleep(0)
        await kill_tree(child)
        child.close_pipes()
        return pids

    assert [pid for pid in asyncio.run(main()) if psutil.pid_exists(pid)] == []


def test_a_tree_that_keeps_forking_is_gone(tag: Tag, others: list[psutil.Process]) -> None:
    # Bounded, because a tree that got away would burn a core until somebody restarts the machine.
    script = (
        "import os, time\nend = time.time() + 10\nprint('up', flush=True)\n"
        "while time.time() < end:\n if os.fork(): os._exit(0)\n os.setsid()"
    )

    async def main() -> None:
        child = spawn((sys.executable, "-S", "-c", script), env=tag.env, stdout=subprocess.PIPE)
        read_line(child.stdout)
        await asyncio.wait_for(child.wait(), 10)
        await kill_tree(child)
        child.close_pipes()
        assert tag.survivors() == []
        await wait_for_no_children(but=others)

    asyncio.run(main())


def test_a_look_that_meets_a_fresh_orphaned_zombie_proves_nothing(tag: Tag, others: list[psutil.Process]) -> None:
    async def main() -> None:
        child = spawn(("/bin/sh", "-c", "setsid true & exit 0"), env=tag.env)
        await asyncio.wait_for(child.wait(), 10)
        with anyio.fail_after(8):
            while [each.status() for each in children_of_ours() if each not in others] != 2 * [psutil.STATUS_ZOMBIE]:
                await asyncio.sleep(0.001)
        looks = [(child.family.living(), child.family.is_doubtful) for _ in range(2)]
        assert looks == [([], True), ([], False)]
        await kill_tree(child)
        await wait_for_no_children(but=others)

    asyncio.run(main())


async def wait_for_no_children(but: list[psutil.Process]) -> None:
    """Wait until there are no children but those that were there before the test."""
    deadline_s = time.monotonic() + 8
    while left := [child for child in children_of_ours() if child not in but]:
        assert time.monotonic() < deadline_s, left
        await asyncio.sleep(0.02)


def test_a_polite_tree_is_asked_first_and_may_say_goodbye(tag: Tag) -> None:
    async def main() -> None:
        script = "trap 'echo bye; exit 2' TERM; sh -c 'echo up; exec sleep 600' & wait"
        child = spawn(("/bin/sh", "-c", script), env=tag.env, stdout=subprocess.PIPE)
        assert read_line(child.stdout) == ["up"]
        started_s = time.monotonic()
        assert await kill_tree(child, grace_s=5) == ChildExit(2)
        assert time.monotonic() - started_s < 1
        assert read_line(child.stdout) == ["bye"]
        child.close_pipes()

    asyncio.run(main())
    assert tag.survivors() == []


def test_a_daemon_that_died_on_its_own_does_not_stay_a_zombie(tag: Tag, others: list[psutil.Process]) -> None:
    async def main() -> None:
        script = "(setsid true &); (setsid sh -c 'true & true' &); sleep 0.1"
        async with running(("/bin/sh", "-c", script), env=tag.env) as child:
            await asyncio.wait_for(child.wait(), 10)
        await wait_for_no_children(but=others)

    asyncio.run(main())


def test_killing_twice_and_killing_the_dead_is_safe(tag: Tag) -> None:
    async def main() -> None:
        child = spawn(("true",), env=tag.env)
        await asyncio.gather(kill_tree(child), kill_tree(child))
        assert await kill_tree(child) == await child.wait()
        assert child.is_reaped

    asyncio.run(main())


@pytest.mark.parametrize("how", ["scope", "task", "task twice", "loop end"])
def test_a_cancellation_during_the_kill_waits_for_the_kill(tag: Tag, how: str) -> None:
    async def main() -> None:
        child = spawn_hostile(tag)
        task = asyncio.create_task(kill_in_scope(child, scope := anyio.CancelScope()))
        for _ in range(5):
            await asyncio.sleep(0)
        if how == "loop end":
            return
        if how == "scope":
            scope.cancel()
        for _ in range(how.count("task") + how.count("twice")):
            task.cancel()
            await asyncio.sleep(0.01)
        await asyncio.wait([task], timeout=5)
        assert task.cancelled() == how.startswith("task")
        assert child.is_reaped
        assert tag.survivors() == []

    asyncio.run(main())
    assert tag.survivors() == []


@pytest.mark.parametrize("by_scope", [True, False])
def test_a_cancelled_kill_still_lets_a_tree_end_by_itself(tag: Tag, by_scope: bool) -> None:
    async def main() -> None:
        # It counts and does not sleep, because a sleep of its own would be asked to end as well.
        goodbye = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo bye; exit 2"
        script = f"trap '{goodbye}' TERM; sh -c 'echo up; exec sleep 600' & wait"
        child = spawn(("/bin/sh", "-c", script), env=tag.env, stdout=subprocess.PIPE)
        assert read_line(child.stdout) == ["up"]
        scope = anyio.CancelScope()
        task = asyncio.create_task(kill_in_scope(child, scope, close_pipes=False))
        await asyncio.sleep(0)
        if by_scope:
            scope.cancel()
        else:
            task.cancel()
        await asyncio.wait([task], timeout=5)
        assert child.exit == ChildExit(2)
        assert read_line(child.stdout) == ["bye"]
        child.close_pipes()

    asyncio.run(main())
    assert tag.survivors() == []


async def kill_in_scope(child: Child, scope: anyio.CancelScope, *, close_pipes: bool = True) -> None:
    with scope:
        try:
            await kill_tree(child)
            await anyio.sleep(0)
        finally:
            if close_pipes:
                child.close_pipes()


def test_the_mark_of_an_outer_family_is_kept(tag: Tag, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_SERVER_FAMILY", "outer")

    async def main() -> list[str]:
        script = "echo $AGENT_SERVER_FAMILY"
        async with running(("/bin/sh", "-c", script), env=tag.env, stdout=subprocess.PIPE) as child:
            return read_line(child.stdout)

    (value,) = asyncio.run(main())
    assert value.startswith("outer:") and len(value) > len("outer:") + 16


def test_many_commands_leave_no_descriptor_behind(tag: Tag) -> None:
    async def one(number: int) -> None:
        async with running(("/bin/sh", "-c", f"exit {number % 256}"), env=tag.env, stdout=subprocess.PIPE) as child:
            assert await child.wait() == ChildExit(number % 256)

    async def main() -> None:
        for start in range(0, 60, 20):
            await asyncio.wait_for(asyncio.gather(*(one(start + offset) for offset in range(20))), 20)

    asyncio.run(main())
    assert os.path.exists("/proc/self/fd")
