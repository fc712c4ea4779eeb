"""Ending a child with everything that it started, whatever it does against that, and whoever cancels us meanwhile."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from agent_server.processes import process_table
from agent_server.processes.child import Child, ChildExit, spawn
from agent_server.processes.family import STRANGER_ZOMBIE_S, reap_strangers

TERM_GRACE_S = 0.25
"""How long a tree may take to end by itself after SIGTERM."""

KILL_LIMIT_S = 0.5
"""How long we hunt with SIGKILL. Only a process stuck inside the kernel outlives it."""

_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.02


@asynccontextmanager
async def running(
    argv: Sequence[str],
    *,
    cwd: str | None = None,
    env: Mapping[str, str],
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = subprocess.DEVNULL,
    stderr: int | None = subprocess.DEVNULL,
) -> AsyncIterator[Child]:
    """A child for the length of a block; its whole tree is gone and its pipes are closed after, also on cancellation.

    Arguments and exceptions are those of `child.spawn`.
    """
    child = spawn(argv, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
    try:
        yield child
    finally:
        try:
            await kill_tree(child)
        finally:
            child.close_pipes()


async def kill_tree(child: Child, *, grace_s: float = TERM_GRACE_S) -> ChildExit | None:
    """End what still runs of a child's tree and reap it: SIGTERM, a grace, then SIGKILL until none is left.

    Takes at most ``grace_s`` + `KILL_LIMIT_S` seconds. A cancellation waits for it and is then let through. May be
    called again. Returns how the child itself ended; None if it is stuck inside the kernel (it is reaped later).

    Promise: P8.
    """
    if not child.is_reaped:
        await _finish(_kill_tree(child, grace_s))
    return child.exit


def kill_tree_now(child: Child) -> None:
    """`kill_tree` without SIGTERM and without a loop to wait in: blocks for at most `KILL_LIMIT_S` seconds."""
    deadline_s = time.monotonic() + KILL_LIMIT_S
    pause_s = _FIRST_PAUSE_S
    while not child.is_reaped and not _is_gone(child) and time.monotonic() < deadline_s:
        _kill(child)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    child.reap()


async def _kill_tree(child: Child, grace_s: float) -> None:
    try:
        await _until_gone(child, _terminate, grace_s) or await _until_gone(child, _kill, KILL_LIMIT_S)
    except asyncio.CancelledError:
        # The loop itself is ending and cancels its tasks: no time for a grace, but nothing stays behind.
        kill_tree_now(child)
        raise
    finally:
        child.reap()
        _reap_strangers_later()


def _reap_strangers_later() -> None:
    """Armed only while there are zombies of unknown origin."""
    if reap_strangers():
        asyncio.get_running_loop().call_later(STRANGER_ZOMBIE_S, _reap_strangers_later)


async def _until_gone(child: Child, act: Callable[[Child], None], limit_s: float) -> bool:
    deadline_s = time.monotonic() + limit_s
    pause_s = _FIRST_PAUSE_S
    while not _is_gone(child):
        if time.monotonic() >= deadline_s:
            return False
        act(child)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    return True


def _is_gone(child: Child) -> bool:
    if child.exit is None:
        return False
    if process_table.is_available():
        return not child.family.living() and not child.family.is_doubtful
    return not child.family.group_exists()


def _terminate(child: Child) -> None:
    if sys.platform == "win32":
        child.kill_alone()
    else:
        child.family.terminate()


def _kill(child: Child) -> None:
    if sys.platform == "win32":
        child.kill_alone()
    else:
        child.family.kill()


async def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Run this to its end in a task of its own; cancellations, of whatever kind, are delivered after it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    failure = None if task.cancelled() else task.exception()
    if cancelled is not None:
        raise cancelled from failure
    task.result()
