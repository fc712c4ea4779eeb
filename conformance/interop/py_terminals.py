"""The terminals of the editor that the Python client plays."""

from __future__ import annotations

import asyncio
from typing import Any

from .py_sdk import acp, schema


class Terminals:
    """The callbacks of the SDK for terminals. ``made`` counts them; those not released stand in ``open``."""

    def __init__(self) -> None:
        self.made = 0
        self.open: dict[str, Terminal] = {}

    async def create_terminal(
        self, command: str, args: list[str] | None = None, cwd: str | None = None, **_: Any
    ) -> Any:
        self.made += 1
        terminal_id = f"terminal-{self.made}"
        process = await asyncio.create_subprocess_exec(
            command,
            *(args or []),
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.open[terminal_id] = Terminal(process)
        return schema.CreateTerminalResponse(terminal_id=terminal_id)

    async def terminal_output(self, terminal_id: str, **_: Any) -> Any:
        terminal = self._of(terminal_id)
        status = terminal.status()
        exit_status = None if status is None else schema.TerminalExitStatus(**status)
        return schema.TerminalOutputResponse(output=terminal.output, truncated=False, exit_status=exit_status)

    async def wait_for_terminal_exit(self, terminal_id: str, **_: Any) -> Any:
        terminal = self._of(terminal_id)
        await asyncio.shield(terminal.ended)
        return schema.WaitForTerminalExitResponse(**(terminal.status() or {}))

    async def kill_terminal(self, terminal_id: str, **_: Any) -> Any:
        self._of(terminal_id).kill()
        return schema.KillTerminalResponse()

    async def release_terminal(self, terminal_id: str, **_: Any) -> Any:
        self._of(terminal_id).kill()
        del self.open[terminal_id]
        return schema.ReleaseTerminalResponse()

    def _of(self, terminal_id: str) -> Terminal:
        if terminal_id not in self.open:
            raise acp.RequestError.resource_not_found(terminal_id)
        return self.open[terminal_id]


class Terminal:
    """A command, and what it has said so far; ``ended`` is done when it has said everything and is gone."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.output = ""
        self.ended = asyncio.ensure_future(self._read())
        self._process = process

    def status(self) -> dict[str, Any] | None:
        """Return how the command ended, if it did: ``exit_code``, or ``signal``."""
        code = self._process.returncode
        if code is None:
            return None
        return {"exit_code": code} if code >= 0 else {"signal": str(-code)}

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.output += line.decode()
        await self._process.wait()
