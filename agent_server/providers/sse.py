"""Server-sent events, from bytes. Pure.

Lines end at LF, CR LF or CR and at nothing else: a decoder of text would also split at separators that stand inside of
JSON strings. Whatever is no event is kept too, because some servers write an error in between that is plain JSON.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MAX_EVENT_BYTES: Final = 32 * 1024 * 1024
MAX_STRAY_BYTES: Final = 64 * 1024


class ServerEvent(NamedTuple):
    """One event: ``name`` is empty where the server gave none."""

    name: str
    data: bytes


class EventTooLong(ValueError):
    """A line, or the data of an event, is longer than is allowed."""


class EventDecoder:
    """Cuts a stream of bytes into events. An event without data is none.

    Attributes:
        lines: how many lines were complete so far, comments too: a server that sends such is alive.
        stray: the beginning of what was no field of an event, as it came.
    """

    def __init__(self, limit_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._rest: list[bytes] = []
        self._rest_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._name = ""
        self._after_return = False
        self.lines = 0
        self.stray = b""

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """The events that these bytes complete.

        Raises:
            EventTooLong: one is longer than is allowed.
        """
        if self._after_return and chunk[:1] == b"\n":  # the second half of CR LF
            chunk = chunk[1:]
        self._after_return = chunk[-1:] == b"\r" if chunk else self._after_return
        if b"\n" not in chunk and b"\r" not in chunk:
            self._hold(chunk)
            return []
        whole = b"".join((*self._rest, chunk)) if self._rest else chunk
        self._rest, self._rest_bytes = [], 0
        if b"\r" in whole:
            whole = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = whole.split(b"\n")
        self._hold(lines.pop())
        return self._take(lines)

    def end(self) -> list[ServerEvent]:
        """The last event, where the stream ended without the empty line behind it."""
        rest, self._rest = b"".join(self._rest), []
        return self._take([rest, b""])

    def _hold(self, part: bytes) -> None:
        if part:
            self._rest.append(part)
            self._rest_bytes += len(part)
            self._check(self._rest_bytes)

    def _take(self, lines: list[bytes]) -> list[ServerEvent]:
        events: list[ServerEvent] = []
        data = self._data
        self.lines += len(lines)
        for line in lines:
            if line[:5] == b"data:":
                piece = line[6:] if line[5:6] == b" " else line[5:]
                self._data_bytes += len(piece)
                self._check(self._data_bytes)
                data.append(piece)
            elif not line:
                if data:
                    whole = data[0] if len(data) == 1 else b"\n".join(data)
                    if whole and not whole.isspace():
                        events.append(ServerEvent(self._name, whole))
                    data.clear()
                    self._data_bytes = 0
                self._name = ""
            elif line[:6] == b"event:":
                self._name = line[6:].strip().decode("utf-8", "replace")
            elif line[:1] != b":" and not line.startswith((b"id:", b"retry:")):
                self._keep_stray(line)
        return events

    def _keep_stray(self, line: bytes) -> None:
        if len(self.stray) < MAX_STRAY_BYTES:
            self.stray += line[:MAX_STRAY_BYTES] + b"\n"

    def _check(self, size: int) -> None:
        if size > self._limit_bytes:
            raise EventTooLong(f"an event of more than {self._limit_bytes} bytes")
