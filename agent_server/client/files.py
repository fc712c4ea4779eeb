"""Serving an agent the files of a session from disk. Spec: file-system; Req: JR-03."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from agent_server.client.paths import contained_path, invalid, not_found
from agent_server.errors import RpcError
from agent_server.protocol.errors import ErrorCode
from agent_server.protocol.v1.client_services import (
    ReadTextFileRequest,
    ReadTextFileResponse,
    WriteTextFileRequest,
    WriteTextFileResponse,
)

T = TypeVar("T")

MAX_FILE_BYTES: Final = 64 * 1024 * 1024

_OPEN_FLAGS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""The path is resolved already, so a link at its end is a trick; and a FIFO must not hold us up."""


class FileService(Protocol):
    """Answers ``fs/*`` for every session of a connection. ``roots`` are the directories of the session."""

    @property
    def reads(self) -> bool:
        """Whether ``fs/read_text_file`` is offered."""

    @property
    def writes(self) -> bool:
        """Whether ``fs/write_text_file`` is offered."""

    async def read(self, request: ReadTextFileRequest, roots: Sequence[str]) -> ReadTextFileResponse:
        """Read a file.

        Raises:
            RpcError: it cannot be read.
        """

    async def write(self, request: WriteTextFileRequest, roots: Sequence[str]) -> WriteTextFileResponse:
        """Replace a file's text.

        Raises:
            RpcError: it cannot be written.
        """


class LocalFiles:
    """Files on this machine's disk, never outside the session's directories. Blocking work runs in a thread."""

    def __init__(self, *, writes: bool = True) -> None:
        self.reads = True
        self.writes = writes

    async def read(self, request: ReadTextFileRequest, roots: Sequence[str]) -> ReadTextFileResponse:
        """Read UTF-8 text exactly as it is, or ``limit`` lines of it from ``line`` on (1-based).

        Raises:
            RpcError: -32002 if there is no such file; -32602 if it lies outside, is no regular file, is no text or is
                above 64 MiB; -32603 if the system refuses.
        """
        path = contained_path(request.path, roots)
        text = await asyncio.to_thread(_guarded, path, _read_text)
        return ReadTextFileResponse(content=_lines_of(text, request.line, request.limit))

    async def write(self, request: WriteTextFileRequest, roots: Sequence[str]) -> WriteTextFileResponse:
        """Write UTF-8 text exactly as given; the file and the directories above it are made where missing.

        Raises:
            RpcError: -32602 if it lies outside or is no regular file; -32603 if the system refuses.
        """
        path = contained_path(request.path, roots)
        data = request.content.encode()
        await asyncio.to_thread(_guarded, path, lambda path: _write_bytes(path, data))
        return WriteTextFileResponse()


def _lines_of(text: str, line: int | None, limit: int | None) -> str:
    if line is None and limit is None:
        return text
    first = max(line or 1, 1) - 1
    start = _offset_of_line(text, 0, first)
    end = len(text) if limit is None else _offset_of_line(text, start, limit)
    return text[start:end]


def _offset_of_line(text: str, start: int, count: int) -> int:
    """Where the text goes on after ``count`` more lines."""
    for _ in range(count):
        newline = text.find("\n", start)
        if newline < 0:
            return len(text)
        start = newline + 1
    return start


def _guarded(path: str, work: Callable[[str], T]) -> T:
    """Run the work; what the system refuses becomes an error for the agent."""
    try:
        return work(path)
    except FileNotFoundError:
        raise not_found(f"there is no file {path!r}") from None
    except (IsADirectoryError, NotADirectoryError):
        raise invalid(f"{path!r} is not a file") from None
    except OSError as error:
        details = f"{path!r}: {error.strerror or 'the system refused'}"
        raise RpcError(ErrorCode.INTERNAL_ERROR, "Internal error", {"details": details}) from None


def _read_text(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | _OPEN_FLAGS)
    with open(descriptor, "rb") as file:
        _check_regular(file.fileno(), path)
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise invalid(f"{path!r} is above {MAX_FILE_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise invalid(f"{path!r} is not UTF-8 text") from None


def _write_bytes(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | _OPEN_FLAGS, 0o666)
    with open(descriptor, "wb") as file:
        _check_regular(file.fileno(), path)
        file.truncate(0)
        file.write(data)


def _check_regular(descriptor: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise invalid(f"{path!r} is not a file")
