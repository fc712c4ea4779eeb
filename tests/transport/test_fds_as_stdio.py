"""The descriptors as the stdio of a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap

import pytest

from agent_server.transport.fds import DIRECT_BYTES

PROGRAM = """
import asyncio, sys
from agent_server.transport.fds import FdTransport

class Echo:
    def __init__(self, transport): self.transport, self.ended = transport, asyncio.Event()
    def receive_frames(self, frames):
        for frame in frames: self.transport.send(b"<" + bytes(frame) + b">")
    def receive_oversized(self, head, limit_bytes): pass
    def receive_eof(self): self.ended.set()

async def main():
    transport = FdTransport(0, 1)
    echo = Echo(transport)
    transport.start(echo)
    %s
    await asyncio.wait_for(transport.flush(), 5)
    transport.close()

asyncio.run(main())
"""


def program(wait: str = "await asyncio.wait_for(echo.ended.wait(), 5)", before: str = "") -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(before) + PROGRAM % wait]


@pytest.mark.spec("N-17")
def test_stdin_and_stdout_may_be_files() -> None:
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
        source.write(b"one\ntwo\nthree")
        source.seek(0)
        done = subprocess.run(program(), stdin=source, stdout=sink, stderr=subprocess.PIPE, timeout=20, check=False)
        sink.seek(0)
        assert (done.returncode, done.stderr) == (0, b"")
        assert sink.read() == b"<one>\n<two>\n<three>\n"


@pytest.mark.promise("P9")
def test_an_idle_stdin_does_not_keep_the_process_from_exiting() -> None:
    read_fd, write_fd = os.pipe()
    try:
        done = subprocess.run(program(wait="pass"), stdin=read_fd, capture_output=True, timeout=20, check=False)
    finally:
        os.close(read_fd)
        os.close(write_fd)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("size", [300, 3 * DIRECT_BYTES])
def test_a_file_that_takes_only_a_part_ends_the_stream_without_an_exception(size: int) -> None:
    limit = """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    """
    with tempfile.TemporaryFile() as sink:
        done = subprocess.run(
            program(before=limit),
            input=b"a" * size + b"\nb\n",
            stdout=sink,
            stderr=subprocess.PIPE,
            timeout=20,
            check=False,
        )
        sink.seek(0)
        assert (done.returncode, done.stderr) == (0, b"")
        assert sink.read() == b"<" + b"a" * 99
