"""The lines of the store's files: each carries the CRC-32 of what follows it, so that a torn or damaged one is known.

``crc SP json LF``; the JSON of what one append wrote begins with its seqs. It holds no line feed, so lines can be found
again behind a damaged place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

READ_BYTES: Final = 256 * 1024
WRITE_BYTES: Final = 1024 * 1024
CRC_CHARS: Final = 8
_NONE: Final = (0, 0)


class Entry(NamedTuple):
    """A line that is whole: where it begins, where the next one does, its seqs, its JSON text and what that says.

    The seqs are 0 where the line has none.
    """

    offset: int
    end: int
    first: int
    last: int
    text: bytes
    told: dict[str, Any]


class Bad(NamedTuple):
    """What is no whole line, and where. ``torn``: nothing that is whole comes behind it."""

    offset: int
    torn: bool


def line_of(value: dict[str, Any]) -> bytes:
    """A line without seqs."""
    return framed(orjson.dumps(value))


def framed(text: bytes) -> bytes:
    """A line with this JSON text."""
    return b"%08x %b\n" % (crc32(text), text)


class FramedInPieces:
    """A line whose text is too long to be put together: it is gone through piece by piece, as often as need be."""

    def __init__(self, text: Iterable[bytes]) -> None:
        self._text = text
        checksum, self._length = 0, CRC_CHARS + 2
        for piece in text:
            checksum = crc32(piece, checksum)
            self._length += len(piece)
        self._front = b"%08x " % checksum

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        yield self._front
        yield from self._text
        yield b"\n"

    def together(self) -> Iterator[list[bytes]]:
        """The pieces, as many at once as make about `WRITE_BYTES`: each write costs the file system something."""
        some: list[bytes] = []
        size = 0
        for piece in self:
            some.append(piece)
            size += len(piece)
            if size >= WRITE_BYTES:
                yield some
                some, size = [], 0
        if some:
            yield some

    def __bytes__(self) -> bytes:
        return b"".join(self)


def parse(line: bytes, offset: int) -> Entry | None:
    """The line (without its line feed) at that offset; None if it is not whole."""
    if len(line) <= CRC_CHARS or line[CRC_CHARS] != 0x20:
        return None
    text = line[CRC_CHARS + 1 :]
    if line[:CRC_CHARS] != b"%08x" % crc32(text):
        return None
    try:
        told = orjson.loads(text)
        if type(told) is not dict:
            return None
        first, last = told.get("seq", _NONE)
    except (TypeError, ValueError):
        return None
    return Entry(offset, offset + len(line) + 1, first, last, text, told)


def read_lines(descriptor: int, offset: int = 0, size: int | None = None) -> Iterator[Entry | Bad]:
    """The lines of a file from an offset on, which is the beginning of one, up to ``size`` or its end.

    Ends with a `Bad` where one is met. The file may grow meanwhile.

    Raises:
        OSError: it cannot be read.
    """
    rest = bytearray()
    start = offset
    while True:
        wanted = READ_BYTES if size is None else min(READ_BYTES, size - offset)
        data = os.pread(descriptor, wanted, offset) if wanted > 0 else b""
        if not data:
            if rest:
                yield Bad(start, True)
            return
        offset += len(data)
        end = data.rfind(b"\n")
        if end < 0:
            rest += data
            continue
        lines = data[:end].split(b"\n")
        if rest:
            lines[0] = bytes(rest) + lines[0]
        rest = bytearray(memoryview(data)[end + 1 :])
        for line in lines:
            entry = parse(line, start)
            if entry is None:
                yield Bad(start, not _anything_whole_behind(descriptor, start + len(line) + 1))
                return
            yield entry
            start = entry.end


def _anything_whole_behind(descriptor: int, offset: int) -> bool:
    rest = b""
    while data := os.pread(descriptor, READ_BYTES, offset):
        offset += len(data)
        *lines, rest = (rest + data).split(b"\n")
        if any(parse(line, 0) is not None for line in lines):
            return True
    return False
