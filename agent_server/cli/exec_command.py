"""``agent-server exec``: one prompt to an agent, from start to end. Req: JR-12."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import shlex
import sys
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from agent_server.cli.exit_codes import DESCRIPTION, ExitCode

if TYPE_CHECKING:
    from agent_server.cli.turn import Turn

MAX_PROMPT_BYTES: Final = 6 * 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``exec``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DESCRIPTION
    parser.add_argument("prompt", nargs="*", help="what to ask; without it, or with -, it is read from stdin")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--yes", "-y", action="store_true", help="approve everything that the agent asks for")
    who.add_argument("--read-only", action="store_true", help="reject whatever asks, and use the mode plan if offered")
    parser.add_argument("--json", action="store_true", help="print every update and the result, one JSON object a line")
    parser.add_argument("--agent", metavar="CMD", help="run this ACP agent instead of agent-server itself")
    parser.add_argument("--cwd", metavar="DIR", default=".", help="the directory to work in (.)")
    parser.add_argument("--model", metavar="ID", help="the model to use")
    parser.add_argument("--timeout", metavar="S", type=_seconds, help="cancel after so many seconds")


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise ValueError
    return value


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done, checked."""

    prompt: str
    argv: list[str]
    cwd: str
    model: str | None
    """To be chosen through the session's options; our own server is told when it is started."""
    approve: bool
    read_only: bool
    json: bool
    timeout_s: float | None


class _UsageError(Exception):
    """The command line is wrong; the text says how."""


async def run_exec(options: argparse.Namespace) -> int:
    """Run one prompt; the exit code (see `ExitCode`). Nothing that it started is left behind."""
    from agent_server.cli.turn import Turn, run_turn

    turn = Turn()
    with turn.signals():
        try:
            job = await _job(options, turn)
        except _UsageError as error:
            _complain(str(error))
            return ExitCode.USAGE
        if job is None:
            return ExitCode.CANCELLED
        return await run_turn(turn, job)


async def _job(options: argparse.Namespace, turn: Turn) -> Job | None:
    cwd = os.path.abspath(options.cwd)
    if not os.path.isdir(cwd):
        raise _UsageError(f"--cwd: {options.cwd!r} is not a directory")
    argv = _argv(options)
    prompt = await _prompt(options.prompt, turn)
    if prompt is None:
        return None
    if not prompt.strip():
        raise _UsageError("the prompt is empty")
    return Job(
        prompt=prompt,
        argv=argv,
        cwd=cwd,
        model=options.model if options.agent else None,
        approve=options.yes,
        read_only=options.read_only,
        json=options.json,
        timeout_s=options.timeout,
    )


def _argv(options: argparse.Namespace) -> list[str]:
    if options.agent is None:
        model = ["--model", options.model] if options.model else []
        # -P: what lies in the directory to work in is never imported.
        return [sys.executable, "-P", "-m", "agent_server", *model]
    try:
        argv = shlex.split(options.agent)
    except ValueError as error:
        raise _UsageError(f"--agent: {error}") from None
    if not argv:
        raise _UsageError("--agent: the command is empty")
    return argv


async def _prompt(words: list[str], turn: Turn) -> str | None:
    if words and words != ["-"]:
        return " ".join(words)
    if sys.stdin is None:
        raise _UsageError("there is no prompt, and stdin is closed")
    if sys.stdin.isatty():
        _complain("reading the prompt from the terminal; end it with Ctrl-D")
    data = await _read_aside(sys.stdin.buffer, turn)
    if data is None:
        return None
    if len(data) > MAX_PROMPT_BYTES:
        raise _UsageError(f"the prompt is above {MAX_PROMPT_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _UsageError("the prompt is not UTF-8 text") from None


async def _read_aside(stream: IO[bytes], turn: Turn) -> bytes | None:
    """Read it in a thread that may be left behind: None if we were told to stop first."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def deliver(data: bytes) -> None:
        if not done.done():
            done.set_result(data)

    def read() -> None:
        try:
            data = stream.read(MAX_PROMPT_BYTES + 1)
        except OSError:
            data = b""
        try:
            loop.call_soon_threadsafe(deliver, data)
        except RuntimeError:  # the loop is closed: nobody waits any more
            pass

    threading.Thread(target=read, name="prompt", daemon=True).start()
    with turn.new_scope():
        return await done
    return None


def _complain(text: str) -> None:
    print(f"agent-server exec: {text}", file=sys.stderr)
