"""What an agent writes, counted in blocks and only looked at where a line must be one that matters."""

from __future__ import annotations

from typing import Any, Final

import orjson

BLOCK_BYTES: Final = 65536
"""What a pipe holds; malloc serves larger blocks by mapping and unmapping memory, which costs more than the read."""

CHUNK: Final = b"agent_message_chunk"
LINE_BYTES: Final = 1 << 26


class AgentFailed(Exception):
    """The agent died, hung, or answered what it must not."""


class Count:
    """Counts the lines of a stream without looking into them, up to the response that ends it.

    Attributes:
        wire_bytes: all that came.
        lines: how many lines came, with the response.
        sample: one of the chunks.
        response: the response, once it is there.
    """

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._rest = b""
        self.wire_bytes = 0
        self.lines = 0
        self.sample = b""
        self.response: dict[str, Any] | None = None

    def add(self, data: bytes) -> None:
        """Take one block.

        Raises:
            AgentFailed: a line has no end.
        """
        self.wire_bytes += len(data)
        self.lines += data.count(b"\n")
        end = data.rfind(b"\n") + 1
        # The response cannot stand before the expected lines, unless it is an error: then the agent falls silent,
        # and the last block is short.
        if not self.sample or self.lines > self._expected or len(data) < BLOCK_BYTES // 16:
            whole = self._rest + data[:end] if end else b""
            if not self.sample and CHUNK in whole:
                self.sample = next(line for line in whole.split(b"\n") if CHUNK in line)
            if b'"result"' in whole or b'"error"' in whole:
                self._look_into(whole)
        self._rest = data[end:] if end else self._rest + data
        if len(self._rest) > LINE_BYTES:
            raise AgentFailed(f"a line is longer than {LINE_BYTES} bytes")

    def _look_into(self, lines: bytes) -> None:
        for line in lines.split(b"\n"):
            if b'"result"' in line or b'"error"' in line:
                message = orjson.loads(line)
                if "method" not in message:
                    self.response = message


def expect_chunk(line: bytes, session_id: str, size: int) -> None:
    """Check one chunk of a stream.

    Raises:
        AgentFailed: it belongs to another session, or has another size.
    """
    params = orjson.loads(line)["params"] if line else {}
    text = params.get("update", {}).get("content", {}).get("text", "")
    if params.get("sessionId") != session_id or len(text) != size:
        raise AgentFailed(f"a chunk is not what was asked for: {line[:200]!r}")
