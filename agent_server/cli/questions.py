"""Asking the person at the terminal, whatever stdin is used for."""

from __future__ import annotations

import asyncio
import os
import threading
from inspect import isawaitable
from typing import IO

from agent_server.cli.render import Renderer
from agent_server.client.permissions import Outcome, ask
from agent_server.protocol.v1.tool_calls import RequestPermissionRequest

TERMINAL_PATH = "/dev/tty"


class TerminalLines:
    """Lines typed at the controlling terminal, read by a thread that never holds up the end of the program."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[str] | None = None
        self._started = False

    async def next_line(self) -> str:
        """The next line typed from now on, without its end; empty at the end of the input."""
        self._waiting = self._loop.create_future()
        if not self._started:
            self._started = True
            threading.Thread(target=self._read_all, name="terminal", daemon=True).start()
        return await self._waiting

    def forget_typed(self) -> None:
        """What was typed before a question can be no answer to it."""
        try:
            import termios

            termios.tcflush(self._stream.fileno(), termios.TCIFLUSH)
        except (ImportError, OSError, ValueError):
            pass

    def _read_all(self) -> None:
        at_end = False
        while not at_end:
            try:
                line = self._stream.readline()
            except (OSError, ValueError):
                line = ""
            at_end = not line
            try:
                self._loop.call_soon_threadsafe(self._deliver, line.strip(), at_end)
            except RuntimeError:  # the loop is closed: nobody asks any more
                return

    def _deliver(self, line: str, at_end: bool) -> None:
        if at_end:
            self._started = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(line)


def open_terminal(path: str = TERMINAL_PATH) -> IO[str] | None:
    """The controlling terminal; None if there is none or another job has it."""
    try:
        stream = open(path, encoding="utf-8", errors="replace")  # noqa: SIM115  open as long as the program runs
    except OSError:
        return None
    if os.tcgetpgrp(stream.fileno()) == os.getpgrp():
        return stream
    stream.close()
    return None


class TerminalQuestions:
    """A permission policy: shows what is asked, with the answers by number. One question at a time."""

    def __init__(self, lines: TerminalLines, renderer: Renderer) -> None:
        self._lines = lines
        self._renderer = renderer
        self._turn = asyncio.Lock()
        self._policy = ask(self._choose)

    async def __call__(self, request: RequestPermissionRequest) -> Outcome:
        """Ask."""
        async with self._turn:
            self._renderer.activity("")
            self._lines.forget_typed()
            self._renderer.question(request)
            self._renderer.options(request)
            outcome = self._policy(request)
            try:
                return await outcome if isawaitable(outcome) else outcome
            finally:
                self._renderer.activity("Working")

    async def _choose(self, request: RequestPermissionRequest) -> str | None:
        count = len(request.options)
        while True:
            self._renderer.line(f"Answer 1-{count}, then Enter (nothing: turn it away):")
            answer = await self._lines.next_line()
            if not answer:
                return None
            if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= count:
                return request.options[int(answer) - 1].option_id
