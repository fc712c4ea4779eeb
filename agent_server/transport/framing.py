"""Lines out of bytes.

A line may be 50 MB long: it grows in one bytearray (a list of pieces costs four times the message), into which the
caller may also read directly. A line above the limit is skipped to its end and reported once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DEFAULT_LIMIT_BYTES: Final = 64 * 1024 * 1024
LONG_LINE_BYTES: Final = 128 * 1024
_GROWTH_BYTES: Final = 1024 * 1024
_HEAD_BYTES: Final = 4096
_CR: Final = 13


@dataclass(frozen=True, slots=True)
class Oversized:
    """A line that was skipped; ``head`` is how it began."""

    head: bytes


class LineFramer:
    """Cuts a byte stream into lines. Blank lines are dropped, a CR before the LF too."""

    def __init__(self, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._partial = bytearray()
        self._filled = 0
        self._skipping: bytes | None = None

    @property
    def in_long_line(self) -> bool:
        """Whether the line being read is long enough for `window` to be worth while."""
        return self._filled > LONG_LINE_BYTES and self._skipping is None

    def feed(self, data: bytes) -> list[bytes | bytearray | Oversized]:
        """Take what was read; give the lines that it completed."""
        lines = data.split(b"\n")
        rest = lines.pop()
        out: list[bytes | bytearray | Oversized] = []
        if lines:
            first = lines[0]
            if self._filled or self._skipping is not None:
                self._append(first)
                self._complete(out)
                del lines[0]
            if len(lines) > 1 and b"\r" not in data and len(data) <= self.limit_bytes:
                out += [line for line in lines if line and not line.isspace()]
            else:
                for line in lines:
                    _add(out, line, self.limit_bytes)
        if rest:
            self._append(rest)
        return out

    def window(self) -> memoryview:
        """Room at the end of the long line, to be read into; then call `commit`. Release the view first."""
        if len(self._partial) - self._filled < _GROWTH_BYTES // 2:
            self._partial.extend(bytes(_GROWTH_BYTES))
        return memoryview(self._partial)[self._filled :]

    def commit(self, count: int) -> list[bytes | bytearray | Oversized]:
        """``count`` bytes were read into the window; give the lines that they completed."""
        start, end = self._filled, self._filled + count
        newline = self._partial.find(b"\n", start, end)
        if newline < 0:
            self._filled = end
            self._check_limit()
            return []
        rest = bytes(self._partial[newline + 1 : end])
        self._filled = newline
        out: list[bytes | bytearray | Oversized] = []
        self._complete(out)
        out.extend(self.feed(rest))
        return out

    def finish(self) -> list[bytes | bytearray | Oversized]:
        """The stream ended: the last line counts even without its line ending."""
        out: list[bytes | bytearray | Oversized] = []
        if self._filled or self._skipping is not None:
            self._complete(out)
        return out

    def _append(self, piece: bytes) -> None:
        if self._skipping is not None:
            return
        del self._partial[self._filled :]
        self._partial += piece
        self._filled = len(self._partial)
        self._check_limit()

    def _check_limit(self) -> None:
        excess = self._filled - self.limit_bytes
        if excess > 1 or (excess == 1 and self._partial[self._filled - 1] != _CR):  # the CR may belong to the end
            self._skipping = bytes(self._partial[: min(_HEAD_BYTES, self.limit_bytes)])
            self._partial = bytearray()
            self._filled = 0

    def _complete(self, out: list[bytes | bytearray | Oversized]) -> None:
        if self._skipping is not None:
            out.append(Oversized(self._skipping))
            self._skipping = None
            return
        line, self._partial = self._partial, bytearray()
        filled, self._filled = self._filled, 0
        if filled <= LONG_LINE_BYTES:
            _add(out, bytes(line[:filled]), self.limit_bytes)
            return
        with memoryview(line) as view:  # one copy, and the slack of the bytearray is given back at once
            whole = bytes(view[:filled])
        line.clear()
        _add(out, whole, self.limit_bytes)


def _add(out: list[bytes | bytearray | Oversized], line: bytes, limit_bytes: int) -> None:
    if line.endswith(b"\r"):
        line = line[:-1]
    if len(line) > limit_bytes:
        out.append(Oversized(line[: min(_HEAD_BYTES, limit_bytes)]))
    elif line and not line.isspace():
        out.append(line)
