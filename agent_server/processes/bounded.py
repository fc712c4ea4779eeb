"""The beginning and the end of an output of any length, in bounded memory."""

from __future__ import annotations

_LONGEST_CHAR_BYTES = 4


class HeadAndTail:
    """Keeps the first ``head_bytes`` and the last ``tail_bytes`` of what is added, and counts what lies between."""

    def __init__(self, *, head_bytes: int, tail_bytes: int) -> None:
        self._head_bytes = head_bytes
        self._tail_bytes = tail_bytes
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped_bytes = 0

    def add(self, data: bytes) -> None:
        """More output."""
        room_bytes = self._head_bytes - len(self._head)
        if room_bytes > 0:
            self._head += data[:room_bytes]
            data = data[room_bytes:]
        self._tail += data
        # Twice the size before cutting, so that a byte is moved once at most.
        if len(self._tail) > 2 * self._tail_bytes:
            self._trim()

    def take(self) -> bytes:
        """What was kept, with a line between head and tail that says how many bytes are missing there.

        Neither side of the cut ends inside a UTF-8 character. Everything is forgotten after.
        """
        self._trim()
        head, tail, missing_bytes = bytes(self._head), bytes(self._tail), self._dropped_bytes
        self._head.clear()
        self._tail.clear()
        self._dropped_bytes = 0
        if not missing_bytes:
            return head + tail
        whole_head, whole_tail = head[: _whole_end(head)], tail[_whole_start(tail) :]
        missing_bytes += len(head) - len(whole_head) + len(tail) - len(whole_tail)
        return b"".join((whole_head, cut_mark(missing_bytes, at_start=not whole_head), whole_tail))

    def _trim(self) -> None:
        excess_bytes = len(self._tail) - self._tail_bytes
        if excess_bytes > 0:
            del self._tail[:excess_bytes]
            self._dropped_bytes += excess_bytes


def cut_mark(missing_bytes: int, *, at_start: bool = False) -> bytes:
    """The line that stands for bytes left out."""
    return b"%s[... %d bytes cut ...]\n" % (b"" if at_start else b"\n", missing_bytes)


def _whole_end(data: bytes) -> int:
    """Where the last whole UTF-8 character ends; the full length when the end is no UTF-8 at all."""
    for back in range(1, min(_LONGEST_CHAR_BYTES, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) if needed <= back else len(data) - back
        if byte < 0x80:
            break
    return len(data)


def _whole_start(data: bytes) -> int:
    """Where the first whole UTF-8 character starts; 0 when the start is no UTF-8 at all."""
    for start in range(min(_LONGEST_CHAR_BYTES, len(data))):
        if data[start] & 0xC0 != 0x80:
            return start
    return 0
