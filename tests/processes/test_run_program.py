from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

import anyio
import pytest

from agent_server.processes.child import ChildExit
from agent_server.processes.run import Finished, run_program

from .process_tag import Tag, leak_checked, tagged

pytestmark = pytest.mark.usefixtures("nothing_leaks")


@pytest.fixture
def tag() -> Iterator[Tag]:
    yield from tagged()


@pytest.fixture
def nothing_leaks() -> Iterator[None]:
    yield from leak_checked()


def shell(tag: Tag, command: str, *, timeout_s: float = 20) -> tuple[Finished, bytes, float]:
    """How it ended, its output, and how many seconds it took."""
    output: list[bytes] = []

    async def main() -> Finished:
        return await run_program(
            ("/bin/sh", "-c", command), cwd="/", env=tag.env, timeout_s=timeout_s, on_output=output.append
        )

    started_s = time.monotonic()
    finished = asyncio.run(main())
    took_s = time.monotonic() - started_s
    assert tag.survivors() == []
    return finished, b"".join(output), took_s


def test_stdout_and_stderr_come_merged_in_the_order_of_writing(tag: Tag) -> None:
    finished, output, _ = shell(tag, "echo a; echo b >&2; echo c; exit 3")
    assert output == b"a\nb\nc\n"
    assert finished == Finished(ChildExit(3), timed_out=False)


def test_stdin_is_empty_and_the_directory_is_the_given_one(tag: Tag) -> None:
    assert shell(tag, "cat; pwd")[1] == b"/\n"


def test_every_byte_of_a_large_output_arrives(tag: Tag) -> None:
    total_bytes = 10 * 1024 * 1024
    _, output, _ = shell(tag, f"head -c {total_bytes - 1} /dev/zero; printf x")
    assert len(output) == total_bytes
    assert output.endswith(b"\0x")


def test_output_without_a_line_end_and_binary_output_arrive_as_they_are(tag: Tag) -> None:
    assert shell(tag, r"printf '\377\000\200no newline'")[1] == b"\xff\x00\x80no newline"


def test_what_was_written_just_before_the_end_arrives(tag: Tag) -> None:
    assert shell(tag, "head -c 60000 /dev/zero; kill -9 $$")[1] == bytes(60_000)


def test_a_program_that_closes_its_output_is_still_waited_for(tag: Tag) -> None:
    finished, output, took_s = shell(tag, "echo before; exec >/dev/null 2>&1; sleep 0.3; exit 4")
    assert (finished.exit, output) == (ChildExit(4), b"before\n")
    assert took_s >= 0.3


@pytest.mark.promise("P8")
def test_a_background_process_that_holds_the_pipe_does_not_delay_the_end(tag: Tag) -> None:
    finished, output, took_s = shell(tag, "sleep 600 & echo done")
    assert (finished, output) == (Finished(ChildExit(0), timed_out=False), b"done\n")
    assert took_s < 1


def test_a_background_process_that_ends_soon_is_heard_out(tag: Tag) -> None:
    assert shell(tag, "(sleep 0.05; echo late) & echo early")[1] == b"early\nlate\n"


@pytest.mark.promise("P8")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a tree is its process group")
def test_a_hostile_tree_is_gone_within_a_second_of_the_time_out(tag: Tag) -> None:
    finished, output, took_s = shell(tag, f"{' '.join(tag.hostile_argv)}; echo unreached", timeout_s=0.6)
    assert finished.timed_out
    assert finished.exit == ChildExit(None, "SIGTERM")  # the shell's own end; it does not ignore the signal
    assert output.startswith(b"up ") and b"unreached" not in output
    assert took_s < 0.6 + 1


def test_last_words_after_the_time_out_are_heard(tag: Tag) -> None:
    finished, output, _ = shell(tag, "trap 'echo bye; exit 5' TERM; sleep 600 & wait", timeout_s=0.2)
    assert (finished, output) == (Finished(ChildExit(5), timed_out=True), b"bye\n")


def test_a_callback_that_fails_fails_the_run_and_not_the_loop(tag: Tag) -> None:
    loop_errors: list[object] = []

    def refuse(data: bytes) -> None:
        raise OSError("disk full")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: loop_errors.append(context))
        with pytest.raises(OSError, match="disk full"):
            await run_program(("yes",), cwd="/", env=tag.env, timeout_s=0.2, on_output=refuse)

    asyncio.run(main())
    assert loop_errors == []
    assert tag.survivors() == []


def test_a_program_is_ended_when_its_start_cannot_be_shown(tag: Tag) -> None:
    def refuse() -> None:
        raise RuntimeError("no room")

    async def main() -> None:
        with pytest.raises(RuntimeError, match="no room"):
            await run_program(
                ("sleep", "600"), cwd="/", env=tag.env, timeout_s=9, on_output=print, on_start=refuse
            )

    asyncio.run(main())
    assert tag.survivors() == []


When: TypeAlias = Callable[[asyncio.Event], Awaitable[None]]


def after_ticks(count: int) -> When:
    async def wait(_written: asyncio.Event) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    return wait


async def cancelled_run(tag: Tag, command: str, when: When, *, by_scope: bool) -> None:
    """Cancel a run of ``command`` when ``when`` is over; the event it gets is set at the first output."""
    scope, written = anyio.CancelScope(), asyncio.Event()

    async def run() -> None:
        with scope:
            await run_program(
                ("/bin/sh", "-c", command),
                cwd="/",
                env=tag.env,
                timeout_s=30,
                on_output=lambda _: written.set(),
            )

    task = asyncio.create_task(run())
    await when(written)
    if by_scope:
        scope.cancel()
    else:
        task.cancel()
    started_s = time.monotonic()
    await asyncio.wait([task], timeout=10)
    assert task.done() and time.monotonic() - started_s < 1


@pytest.mark.promise("P8")
@pytest.mark.parametrize("by_scope", [True, False])
def test_a_cancellation_at_any_tick_leaves_nothing(tag: Tag, by_scope: bool) -> None:
    async def main() -> None:
        # The short command passes through every stage, the end among them, within these ticks.
        for command in ("sleep 600 & echo up; wait", "echo up"):
            for count in (*range(25), *range(25, 400, 15)):
                await cancelled_run(tag, command, after_ticks(count), by_scope=by_scope)
                assert tag.survivors() == []

    asyncio.run(main())


@pytest.mark.promise("P8")
@pytest.mark.parametrize("by_scope", [True, False])
@pytest.mark.parametrize("delay_s", [0, 0.05, 0.1, 0.22])
def test_a_cancellation_while_it_runs_or_ends_leaves_nothing(tag: Tag, by_scope: bool, delay_s: float) -> None:
    async def up(written: asyncio.Event) -> None:
        await asyncio.wait_for(written.wait(), 10)
        await asyncio.sleep(delay_s)

    async def main() -> None:
        # In the second, the delays fall into the wait for the end of the output and into the grace after it.
        for command in (" ".join(tag.hostile_argv), "(trap '' TERM; setsid sleep 600) & echo up"):
            await cancelled_run(tag, command, up, by_scope=by_scope)
            assert tag.survivors() == []

    asyncio.run(main())


@pytest.mark.promise("P8")
def test_the_end_of_the_loop_leaves_nothing(tag: Tag) -> None:
    async def main() -> None:
        written = asyncio.Event()
        argv = tag.hostile_argv
        run = run_program(argv, cwd="/", env=tag.env, timeout_s=30, on_output=lambda _: written.set())
        task = asyncio.create_task(run)
        await asyncio.wait_for(written.wait(), 10)
        assert not task.done()

    asyncio.run(main())
    assert tag.survivors() == []


def test_a_flood_of_output_does_not_grow_memory(tag: Tag) -> None:
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    seen_bytes = 0

    def count(data: bytes) -> None:
        nonlocal seen_bytes
        seen_bytes += len(data)

    async def main() -> None:
        await run_program(("yes",), cwd="/", env=tag.env, timeout_s=0.5, on_output=count)

    before_bytes = resident_bytes()
    asyncio.run(main())
    assert seen_bytes > 10 * 1024 * 1024
    assert resident_bytes() - before_bytes < 8 * 1024 * 1024


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
