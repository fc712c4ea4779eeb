from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest

from agent_server.processes.child import ChildExit, signal_name, spawn
from agent_server.processes.tree import kill_tree, running

from .process_tag import leak_checked

ENV = {"PATH": os.environ["PATH"]}

@pytest.fixture
def nothing_leaks() -> Iterator[None]:
    yield from leak_checked()


def run_to_exit(*argv: str) -> ChildExit:
    async def main() -> ChildExit:
        async with running(argv, env=ENV) as child:
            return await asyncio.wait_for(child.wait(), 10)

    return asyncio.run(main())


@pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
def test_an_exit_code_is_reported_as_it_is(code: int) -> None:
    assert run_to_exit("/bin/sh", "-c", f"exit {code}") == ChildExit(code, None)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV", "SIGINT"])
def test_a_signal_is_reported_by_name_and_without_a_code(name: str) -> None:
    assert run_to_exit("/bin/sh", "-c", f"kill -{name[3:]} $$") == ChildExit(None, name)


def test_a_signal_without_a_name_is_counted_from_the_first_real_time_one() -> None:
    assert signal_name(signal.SIGRTMIN + 3) == "SIGRTMIN+3"


@pytest.mark.usefixtures("nothing_leaks")
def test_a_child_that_ended_before_anybody_asked_keeps_its_status() -> None:
    async def main() -> None:
        child = spawn(("/bin/sh", "-c", "exit 9"), env=ENV)
        ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None and ended.si_status == 9
        assert child.exit == ChildExit(9)
        assert await child.wait() == ChildExit(9)
        assert await kill_tree(child) == ChildExit(9)

    asyncio.run(main())


def test_a_status_that_somebody_else_took_is_unknown_and_not_zero() -> None:
    async def main() -> ChildExit | None:
        child = spawn(("/bin/sh", "-c", "exit 5"), env=ENV)
        os.waitpid(child.pid, 0)
        return await kill_tree(child)

    assert asyncio.run(main()) == ChildExit(None, None)


@pytest.mark.usefixtures("nothing_leaks")
def test_a_missing_program_raises_and_leaves_nothing() -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            spawn(("no-such-program-here",), env=ENV, stdout=subprocess.PIPE)
        with pytest.raises(FileNotFoundError):
            spawn(("/bin/sh",), env=ENV, cwd="/no/such/directory")
        with pytest.raises(ValueError):
            spawn(("/bin/sh", "-c", "\0"), env=ENV)

    asyncio.run(main())


def test_a_child_leads_its_own_session_and_has_nothing_but_its_standard_descriptors() -> None:
    script = "import os; print(os.getsid(0) == os.getpid(), sorted(os.listdir('/proc/self/fd'))[:3], os.read(0, 1))"
    extra, _ = pipe = os.pipe()
    os.set_inheritable(extra, True)

    async def main() -> bytes:
        async with running((sys.executable, "-c", script), env=ENV, stdout=subprocess.PIPE) as child:
            await asyncio.wait_for(child.wait(), 10)
            assert child.stdout is not None
            return child.stdout.read()

    try:
        assert asyncio.run(main()).decode().strip() == "True ['0', '1', '2'] b''"
    finally:
        for descriptor in pipe:
            os.close(descriptor)


@pytest.mark.usefixtures("nothing_leaks")
def test_without_pidfds_a_thread_waits_and_ends_with_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, flags: int = 0) -> int:
        raise OSError(38, "no pidfds here")

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)

    async def main() -> None:
        async with running(("/bin/sh", "-c", "exit 4"), env=ENV) as child:
            assert await asyncio.wait_for(child.wait(), 10) == ChildExit(4)
        async with running(("sleep", "60"), env=ENV) as child:
            assert await kill_tree(child) == ChildExit(None, "SIGTERM")
        for thread in threading.enumerate():
            if thread.name.startswith("wait-for-"):
                thread.join(5)

    asyncio.run(main())


@pytest.mark.usefixtures("nothing_leaks")
def test_the_status_of_another_child_is_not_taken_while_a_tree_is_killed() -> None:
    async def main() -> None:
        other = subprocess.Popen(["/bin/sh", "-c", "exit 6"])
        detached = subprocess.Popen(["/bin/sh", "-c", "exit 8"], start_new_session=True)
        first = spawn(("/bin/sh", "-c", "exit 3"), env=ENV)
        await asyncio.wait_for(first.wait(), 10)
        for _ in range(3):
            async with running(("sleep", "60"), env=ENV):
                pass
        assert await kill_tree(first) == ChildExit(3)
        assert (other.wait(10), detached.wait(10)) == (6, 8)

    asyncio.run(main())


def test_a_child_that_nobody_waits_for_is_gone_after_the_block() -> None:
    async def main() -> int:
        async with running(("sleep", "60"), env=ENV) as child:
            return child.pid

    assert not psutil.pid_exists(asyncio.run(main()))
