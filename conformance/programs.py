"""How a program that is judged comes to life: as a child process, unless a run has a quicker way."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol


def words(command: str) -> list[str]:
    """The words of a command line; paths of files that are there become absolute, for it is started elsewhere too."""
    return [os.path.abspath(word) if "/" in word and os.path.exists(word) else word for word in shlex.split(command)]


class Program(Protocol):
    """A running program, which leads a process group of its own: as much of it as the kit needs."""

    @property
    def pid(self) -> int: ...

    @property
    def stdin(self) -> asyncio.StreamWriter | None: ...

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...

    def wait(self) -> Awaitable[int]:
        """Its exit status, negative if a signal ended it."""


class Start(Protocol):
    """Starts a program; ``limit``: the most bytes that a line of its may have, ``stderr``: a descriptor or a file.

    Raises:
        OSError: it cannot be started.
    """

    async def __call__(
        self,
        command: Sequence[str],
        *,
        limit: int,
        stderr: int,
        cwd: str | None,
        environment: Mapping[str, str] | None,
    ) -> Program: ...


async def start_process(
    command: Sequence[str], *, limit: int, stderr: int, cwd: str | None, environment: Mapping[str, str] | None
) -> Program:
    """A child process."""
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        limit=limit,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
