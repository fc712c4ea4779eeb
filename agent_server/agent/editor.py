"""The editor as a workspace: files go through it where it offers that, so that unsaved buffers count.

Everything else stays local, and so does the decision whether a path is inside the session's directories and whether a
file exists (some clients answer an empty text for a missing one).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from agent_server.errors import CapabilityMissing, ConnectionClosed, RpcError, ToolError
from agent_server.protocol.v1.methods import (
    FS_READ_TEXT_FILE,
    FS_WRITE_TEXT_FILE,
    TERMINAL_CREATE,
    TERMINAL_KILL,
    TERMINAL_OUTPUT,
    TERMINAL_RELEASE,
    TERMINAL_WAIT_FOR_EXIT,
)
from agent_server.tools.local_workspace import LocalWorkspace
from agent_server.tools.ports import CommandObserver, ExitStatus, TextFile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from agent_server.connection.connection import Connection

T = TypeVar("T")

_NOT_IN_THE_EDITOR = (-32002, -32601, -32602)
"""Answers that mean: the editor has nothing of its own there, so the disk is right."""

RELEASE_S = 2.0
OUTPUT_LIMIT_BYTES = 1024 * 1024


class EditorWorkspace(LocalWorkspace):
    """A local workspace whose text files and, if asked for, commands go through the client.

    What the client advertised decides what goes through it. `bind` must be called before use.
    """

    def __init__(
        self,
        connection: Connection,
        cwd: str,
        roots: Sequence[str] = (),
        *,
        commands_in_editor: bool = False,
        env_allow: Sequence[str] = (),
    ) -> None:
        super().__init__(cwd, roots, env_allow=env_allow)
        self._connection = connection
        self._session_id = ""
        self._trace: Callable[[], Mapping[str, str] | None] = lambda: None
        self._reads = connection.offers("fs.readTextFile")
        self._writes = connection.offers("fs.writeTextFile")
        self._terminals = connection.offers("terminal")
        self._commands_in_editor = commands_in_editor and self._terminals
        self._releases: set[asyncio.Future[None]] = set()

    def bind(self, session_id: str, trace: Callable[[], Mapping[str, str] | None]) -> None:
        """The session that the client knows these files by, and what gives the trace context of its running prompt."""
        self._session_id = session_id
        self._trace = trace

    def is_of(self, connection: Connection) -> bool:
        """Whether it is the editor at the other end of this connection."""
        return self._connection is connection

    async def read_text(self, path: str) -> TextFile:
        """The editor's buffer; the file on disk where the editor does not offer it or cannot read it (Req: TL-03)."""
        if not self._reads:
            return await super().read_text(path)
        on_disk = await super().read_text(path)
        try:
            text = await self.read_from_client(self.resolve(path))
        except RpcError as error:
            if error.code in _NOT_IN_THE_EDITOR:
                return on_disk
            raise ToolError(f"the editor could not read the file: {error.message}") from error
        except ConnectionClosed as error:
            raise ToolError("the editor could not read the file: it has gone") from error
        return TextFile(text, on_disk.encoding, on_disk.bom)

    async def read_from_client(self, path: str) -> str:
        """The text that the client has at an absolute path.

        Raises:
            RpcError, ConnectionClosed, CapabilityMissing: it cannot say.
        """
        try:
            return (await self._connection.request_wire(FS_READ_TEXT_FILE, self._params(path=path))).content
        except ValueError as error:
            raise ToolError("the editor gave a malformed answer when the file was to be read") from error

    async def write_text(self, path: str, file: TextFile) -> None:
        """Write through the editor where it offers that, else to disk."""
        if not self._writes:
            await super().write_text(path, file)
            return
        resolved = self.resolve(path)
        if os.path.isdir(resolved):
            raise ToolError(f"{path} is a directory")
        params = self._params(path=resolved, content=file.text)
        await _translated("write the file", self._connection.request_wire(FS_WRITE_TEXT_FILE, params))

    async def run(
        self, command: str, *, timeout_s: float, observer: CommandObserver, in_editor: bool = False
    ) -> ExitStatus:
        """Run a command: locally, or in a terminal of the client's where that is configured or asked for."""
        if not (in_editor or self._commands_in_editor):
            return await super().run(command, timeout_s=timeout_s, observer=observer)
        if not self._terminals:
            raise ToolError("the client offers no terminals")
        return await self._run_in_terminal(command, timeout_s, observer)

    async def _run_in_terminal(self, command: str, timeout_s: float, observer: CommandObserver) -> ExitStatus:
        create = self._params(
            command="/bin/sh",  # the protocol promises no shell
            args=["-c", command],
            env=[],
            cwd=self.cwd,
            outputByteLimit=OUTPUT_LIMIT_BYTES,
        )
        created = await _translated("open a terminal", self._connection.request_wire(TERMINAL_CREATE, create))
        terminal = self._params(terminalId=created.terminal_id)
        try:
            observer.started(created.terminal_id)
            return await self._wait_in_terminal(terminal, timeout_s, observer)
        finally:
            release = asyncio.ensure_future(self._release(terminal))
            self._releases.add(release)
            release.add_done_callback(self._releases.discard)
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0)  # it has been sent now, before anything that a cancel makes us say
            with anyio.move_on_after(RELEASE_S):  # a cancel waits for nobody, and takes nothing back
                await asyncio.wait([release])

    async def _release(self, terminal: dict[str, Any]) -> None:
        with contextlib.suppress(RpcError, ConnectionClosed, ValueError):
            await self._connection.request_wire(TERMINAL_RELEASE, terminal)

    async def _wait_in_terminal(
        self, terminal: dict[str, Any], timeout_s: float, observer: CommandObserver
    ) -> ExitStatus:
        request = self._connection.request_wire
        exited: Any = None
        with anyio.move_on_after(timeout_s):
            exited = await _translated("wait for the command", request(TERMINAL_WAIT_FOR_EXIT, terminal))
        if exited is None:
            await _translated("kill the command", request(TERMINAL_KILL, terminal))
        final = await _translated("read the output", request(TERMINAL_OUTPUT, terminal))
        observer.output(final.output.encode("utf-8", "replace"))
        if exited is None:
            return ExitStatus(None, None, timed_out=True)
        return ExitStatus(exited.exit_code, exited.signal)

    def _params(self, **params: Any) -> dict[str, Any]:
        """The params of a request for this session, in the trace of its running prompt."""
        whole = {"sessionId": self._session_id, **params}
        if (trace := self._trace()) is not None:
            whole["_meta"] = dict(trace)
        return whole


async def _translated(what: str, request: Awaitable[T]) -> T:
    """A request to the client whose failure the model should read."""
    try:
        return await request
    except RpcError as error:
        raise ToolError(f"the editor could not {what}: {error.message}") from error
    except CapabilityMissing as error:
        raise ToolError(f"the editor could not {what}: it does not offer {error.capability}") from error
    except ConnectionClosed as error:
        raise ToolError(f"the editor could not {what}: it has gone") from error
    except (ValueError, TypeError) as error:  # a malformed answer, or a text that no JSON can hold
        raise ToolError(f"the editor could not {what}: the request or its answer was malformed") from error
