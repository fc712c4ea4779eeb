"""A transport over two file descriptors: our own stdio, or the pipes of an agent that we spawned.

Reading waits for readiness (a persistent ``add_reader``, 64 KiB a read: larger buffers are mapped and unmapped by
malloc at every read). Files and ``/dev/null`` are always ready and refused by the selector; they are read in turns of
the loop. Writing is non-blocking on pipes and sockets only, because that flag belongs to the open file and not to us;
it is restored on close.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import stat
from typing import Final, cast

from agent_server.transport.framing import DEFAULT_LIMIT_BYTES, LineFramer, Oversized
from agent_server.transport.port import Receiver

READ_BYTES: Final = 64 * 1024
FLUSH_BYTES: Final = 64 * 1024
DIRECT_BYTES: Final = 4096
"""Frames of this size are not joined before they are written: that would cost more than it saves."""

MAX_VECTOR_FRAMES: Final = 128

HANGUP_CHECK_S: Final = 0.25
"""How often a transport that does not read looks whether the far end is still there."""

_PIPE_BYTES: Final = 1024 * 1024


class FdTransport:
    """Newline-delimited frames over ``read_fd`` and ``write_fd``, which it owns from `start` on.

    ``read_ahead`` is what somebody has read from ``read_fd`` already; empty: its end; None: nothing.
    """

    def __init__(
        self, read_fd: int, write_fd: int, *, limit_bytes: int = DEFAULT_LIMIT_BYTES, read_ahead: bytes | None = None
    ) -> None:
        self._read_fd = read_fd
        self._read_ahead = read_ahead
        self._write_fd = write_fd
        self._framer = LineFramer(limit_bytes)
        self._receiver: Receiver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._selectable = True
        self._paused = False
        self._hangup_timer: asyncio.TimerHandle | None = None
        self._read_ended = False
        self._widened = False
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._scheduled = False
        self._rest: memoryview | None = None
        self._write_ended = False
        self._drained: asyncio.Future[None] | None = None
        self._was_blocking = _make_nonblocking(write_fd)
        self._closed = False

    # Reading

    def start(self, receiver: Receiver) -> None:
        """Begin to read."""
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        if self._paused:
            self._watch_hangup()
        else:
            self._listen()

    def _listen(self) -> None:
        assert self._loop is not None
        if self._read_ahead is not None:
            self._loop.call_soon(self._take_read_ahead)
            return
        if self._selectable:
            try:
                self._loop.add_reader(self._read_fd, self._readable)
                return
            except OSError:  # files and the null device; which error, depends on the selector
                self._selectable = False
        self._loop.call_soon(self._readable)

    def _take_read_ahead(self) -> None:
        ahead = self._read_ahead
        if self._paused or self._read_ended or ahead is None:
            return
        self._read_ahead = None
        self._deliver(self._framer.feed(ahead) if ahead else self._framer.finish())
        if not ahead:
            self._end_reading()
        elif not self._paused:
            self._listen()

    def pause_reading(self) -> None:
        """Stop delivering frames, until resumed."""
        if self._paused or self._read_ended:
            return
        self._paused = True
        if self._selectable and self._loop is not None:
            self._loop.remove_reader(self._read_fd)
            self._watch_hangup()

    def resume_reading(self) -> None:
        """Deliver frames again."""
        if self._paused and not self._read_ended:
            self._paused = False
            if self._receiver is not None:
                self._listen()

    def _watch_hangup(self) -> None:
        """A far end that has gone must be noticed while we do not read; what it left behind is bounded, so read on."""
        if not self._paused or self._read_ended or self._loop is None:
            return
        if self._hangup_timer is not None:
            self._hangup_timer.cancel()
        if _hung_up(self._read_fd):
            self.resume_reading()
        else:
            self._hangup_timer = self._loop.call_later(HANGUP_CHECK_S, self._watch_hangup)

    def _readable(self) -> None:
        if self._paused or self._read_ended:
            return
        try:
            lines, ended = self._read_long() if self._framer.in_long_line else self._read_short()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            lines, ended = [], True
        if lines:
            self._deliver(lines)
        if ended:
            self._end_reading()
        elif not self._selectable and not self._paused and self._loop is not None:
            self._loop.call_soon(self._readable)

    def _read_short(self) -> tuple[list[bytes | bytearray | Oversized], bool]:
        data = os.read(self._read_fd, READ_BYTES)
        return (self._framer.feed(data), False) if data else (self._framer.finish(), True)

    def _read_long(self) -> tuple[list[bytes | bytearray | Oversized], bool]:
        if not self._widened:
            self._widened = True
            _widen_pipe(self._read_fd)
        window = self._framer.window()
        try:
            count = os.readv(self._read_fd, [window])
        finally:
            window.release()
        return (self._framer.commit(count), False) if count else (self._framer.finish(), True)

    def _deliver(self, lines: list[bytes | bytearray | Oversized]) -> None:
        assert self._receiver is not None
        if len(lines) > 1 and Oversized not in map(type, lines):
            self._receiver.receive_frames(cast("list[bytes | bytearray]", lines))
            return
        frames: list[bytes | bytearray] = []
        for line in lines:
            if isinstance(line, Oversized):
                if frames:
                    self._receiver.receive_frames(frames)
                    frames = []
                self._receiver.receive_oversized(line.head, self._framer.limit_bytes)
            else:
                frames.append(line)
        lines.clear()
        if frames:
            self._receiver.receive_frames(frames)

    def _end_reading(self) -> None:
        if self._read_ended:
            return
        self._read_ended = True
        if self._selectable and self._loop is not None:
            self._loop.remove_reader(self._read_fd)
        assert self._receiver is not None
        self._receiver.receive_eof()

    # Writing

    @property
    def congested(self) -> bool:
        """Whether the far end is not reading as fast as we write."""
        return self._rest is not None

    @property
    def unsent_bytes(self) -> int:
        """What is queued and not yet taken by the operating system."""
        return self._out_bytes + (len(self._rest) if self._rest is not None else 0)

    def send(self, frame: bytes) -> None:
        """Queue a frame; what one loop turn queued leaves in one write."""
        if self._write_ended:
            return
        self._out.append(frame)
        size = len(frame)
        self._out_bytes += size + 1
        if size >= DIRECT_BYTES or self._out_bytes >= FLUSH_BYTES:
            self.hurry()
        elif not self._scheduled:
            self._scheduled = True
            loop = self._loop or asyncio.get_running_loop()
            loop.call_soon(self._flush_turn)

    def send_all(self, frames: list[bytes]) -> None:
        """Queue frames, in order; they leave with the next `hurry` or `send`."""
        if self._write_ended:
            return
        if len(frames) == 1:
            self._out.append(frames[0])
            self._out_bytes += len(frames[0]) + 1
        else:
            self._out += frames
            self._out_bytes += sum(map(len, frames)) + len(frames)
        if self._out_bytes >= FLUSH_BYTES:
            self.hurry()

    def _flush_turn(self) -> None:
        self._scheduled = False
        self.hurry()

    def hurry(self) -> None:
        """Write what is queued now."""
        if self._rest is not None or not self._out or self._write_ended:
            return
        out = self._out
        self._out = []
        if len(out) <= MAX_VECTOR_FRAMES and self._out_bytes >= DIRECT_BYTES * len(out):
            self._out_bytes = 0
            self._write_vector(out)
            return
        out.append(b"")
        data = b"\n".join(out)
        self._out_bytes = 0
        written = self._write(data)
        if written < len(data) and not self._write_ended:
            self._rest = memoryview(data)[written:]
            self._await_writable()

    def _write_vector(self, frames: list[bytes]) -> None:
        """Write long frames without joining them first."""
        pieces = [piece for frame in frames for piece in (frame, b"\n")]
        try:
            written = os.writev(self._write_fd, pieces)
        except (BlockingIOError, InterruptedError):
            written = 0
        except OSError:
            self._end_writing()
            return
        if written < sum(map(len, pieces)):
            self._rest = memoryview(b"".join(pieces))[written:]
            self._await_writable()

    def _await_writable(self) -> None:
        loop = self._loop = self._loop or asyncio.get_running_loop()
        try:
            loop.add_writer(self._write_fd, self._writable)
        except OSError:  # a file that took only a part: a disk that is full says so at the next write
            while self._rest is not None:
                self._writable()

    def _write(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self._write_fd, data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._end_writing()
            return 0

    def _writable(self) -> None:
        if self._rest is None:
            return
        rest = self._rest[self._write(self._rest) :]
        if self._write_ended:  # `_end_writing` has forgotten the rest
            return
        self._rest = rest
        if not rest:
            self._rest = None
            assert self._loop is not None
            self._loop.remove_writer(self._write_fd)
            self.hurry()
        self._wake()

    def _end_writing(self) -> None:
        """Nobody reads any more; what is queued can never leave."""
        if self._rest is not None and self._loop is not None:
            self._loop.remove_writer(self._write_fd)
        self._write_ended = True
        self._rest = None
        self._out.clear()
        self._out_bytes = 0
        self._wake()
        if self._receiver is not None and not self._read_ended and self._loop is not None:
            self._loop.call_soon(self._end_reading)

    def _wake(self) -> None:
        if self._rest is None and self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def drained(self) -> None:
        """Return when no longer congested, or closed."""
        while self._rest is not None:
            if self._drained is None or self._drained.done():
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)

    async def flush(self) -> None:
        """Return when everything queued has been taken by the operating system, or cannot be."""
        self.hurry()
        while self._rest is not None:
            await self.drained()
            self.hurry()

    def close(self) -> None:
        """Stop reading and writing, give the descriptors back."""
        if self._closed:
            return
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            if self._selectable and not self._read_ended and not self._paused and self._receiver is not None:
                self._loop.remove_reader(self._read_fd)
            if self._rest is not None:
                self._loop.remove_writer(self._write_fd)
        self._read_ended = self._write_ended = True
        self._rest = None
        self._out.clear()
        self._out_bytes = 0
        if self._hangup_timer is not None:
            self._hangup_timer.cancel()
        self._wake()
        self.restore_blocking()
        for fd in {self._read_fd, self._write_fd}:
            with contextlib.suppress(OSError):
                os.close(fd)

    def restore_blocking(self) -> None:
        """Put the write end back into the mode that it was found in."""
        if self._was_blocking:
            with contextlib.suppress(OSError):
                os.set_blocking(self._write_fd, True)
            self._was_blocking = False


def _make_nonblocking(fd: int) -> bool:
    """Make a pipe or socket non-blocking; whether it was blocking before."""
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)) or not os.get_blocking(fd):
        return False
    os.set_blocking(fd, False)
    return True


def _hung_up(fd: int) -> bool:
    """Whether nobody can write to that pipe or socket any more, whatever is still in it."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(fd, getattr(select, "POLLRDHUP", 0))
    return any(event != select.POLLNVAL for _, event in poll.poll(0))


def _widen_pipe(fd: int) -> None:
    """Ask for a wider pipe before a long message; a refusal costs only speed."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
