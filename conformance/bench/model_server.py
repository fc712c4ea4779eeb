"""A server of OpenAI Chat Completions on loopback that streams stamped events at a steady pace, and notes when.

It runs in a process of its own: nothing of it shares an interpreter with whoever measures. What it is to stream stands
in the last message of a request: ``stream COUNT EVERY_MS NAME``.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from typing import Any, Final, Self

WANTED: Final = re.compile(r"stream (\d+) ([\d.]+) (\w+)")
STAMP: Final = re.compile(rb"@(\d+)#(\w+)@")
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def now_us() -> int:
    """Microseconds on a clock that all processes of the machine share."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


class ModelServer:
    """The server; a context manager. ``url`` ends in ``/v1``."""

    def __enter__(self) -> Self:
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{self._told()}/v1"
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.communicate()

    def first_byte_us(self) -> int:
        """When the first byte of a request for an answer came since this was asked last, in microseconds."""
        assert self._process.stdin is not None
        self._process.stdin.write("first\n")
        self._process.stdin.flush()
        return self._told()

    def _told(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    @property
    def environment(self) -> dict[str, str]:
        """What tells a program that speaks OpenAI's API about it."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "sk-bench", "NO_PROXY": "*"}


class _Server:
    def __init__(self) -> None:
        self._first_us = 0

    async def run(self) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=512)
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._asked)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    def _asked(self) -> None:
        if not sys.stdin.readline():  # whoever started this has gone
            sys.exit()
        print(self._first_us, flush=True)
        self._first_us = 0

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            begun = await reader.readexactly(4)
            at_us = now_us()
            head = begun + await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            if begun == b"POST":
                self._first_us = self._first_us or at_us
                await _stream(writer, json.loads(body))
            else:
                models = b'{"object":"list","data":[{"id":"bench","object":"model","created":1,"owned_by":"bench"}]}'
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
                writer.write(b"content-length: %d\r\n\r\n%s" % (len(models), models))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever asked has gone
        finally:
            writer.close()


async def _stream(writer: asyncio.StreamWriter, asked: dict[str, Any]) -> None:
    found = WANTED.search(json.dumps(asked["messages"][-1]))
    count, every_ms, name = (int(found[1]), float(found[2]), found[3]) if found else (1, 0.0, "x")
    writer.write(_HEAD)
    begun = time.monotonic()
    for number in range(count):
        wait_s = begun + number * every_ms / 1000 - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        if writer.is_closing():
            return
        writer.write(_event(asked, {"content": f"@{now_us()}#{name}@ "}, None))
        if number % 64 == 63:
            await writer.drain()
    writer.write(_event(asked, {}, "stop") + b"data: [DONE]\n\n")
    await writer.drain()


def _event(asked: dict[str, Any], delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": asked["model"], "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


if __name__ == "__main__":
    asyncio.run(_Server().run())
