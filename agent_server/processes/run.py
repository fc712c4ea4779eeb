"""Running a program to its end, with its output as it comes, a time limit, and no one left behind."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio

from agent_server.processes.child import Child, ChildExit
from agent_server.processes.output import PipeReader
from agent_server.processes.tree import kill_tree, running

END_OF_OUTPUT_GRACE_S = 0.2
"""How long the output of an ended program is awaited while something that it started holds the pipe open."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended, and whether that was because its time was out."""

    exit: ChildExit
    timed_out: bool


async def run_program(
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    timeout_s: float,
    on_output: Callable[[bytes], object],
    on_start: Callable[[], object] = lambda: None,
) -> Finished:
    """Run a program: nothing on its stdin, stdout and stderr merged in the order in which it wrote.

    It is over when the program itself ends; what it left running is ended then, and when the time is out, and when
    the caller is cancelled. Arguments and exceptions besides are those of `child.spawn`.
    """
    async with running(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        if child.stdout is None:
            raise RuntimeError("a pipe was asked for and is missing")
        reader = PipeReader(child.stdout, on_output)
        try:
            on_start()
            timed_out = not await _ends_within(child, timeout_s)
            if not timed_out:
                await reader.ended_within(END_OF_OUTPUT_GRACE_S)
            ended = await kill_tree(child)
        finally:
            reader.close()
        return Finished(ended or ChildExit(None), timed_out)


async def _ends_within(child: Child, timeout_s: float) -> bool:
    with anyio.move_on_after(timeout_s):
        await child.wait()
    return child.exit is not None
