"""A transport that also shows every frame to an observer: for transcripts and traces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from agent_server.transport.port import Receiver, Transport

Direction: TypeAlias = Literal["received", "sent"]
Observer: TypeAlias = Callable[[Direction, bytes], None]


class TapTransport:
    """Wraps a transport. The observer is called in the order of the wire, before a frame is handled or queued."""

    def __init__(self, inner: Transport, observer: Observer) -> None:
        self._inner = inner
        self._observe = observer

    def start(self, receiver: Receiver) -> None:
        """Begin to read."""
        self._inner.start(_TapReceiver(receiver, self._observe))

    def send(self, frame: bytes) -> None:
        """Show the frame, then queue it."""
        self._observe("sent", frame)
        self._inner.send(frame)

    def send_all(self, frames: list[bytes]) -> None:
        """Show the frames, then queue them."""
        for frame in frames:
            self._observe("sent", frame)
        self._inner.send_all(frames)

    def hurry(self) -> None:
        """Write what is queued now."""
        self._inner.hurry()

    @property
    def congested(self) -> bool:
        """Whether the far end is not reading as fast as we write."""
        return self._inner.congested

    @property
    def unsent_bytes(self) -> int:
        """What is queued and not yet taken by the operating system."""
        return self._inner.unsent_bytes

    async def drained(self) -> None:
        """Return when no longer congested, or closed."""
        await self._inner.drained()

    def pause_reading(self) -> None:
        """Stop delivering frames, until resumed."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Deliver frames again."""
        self._inner.resume_reading()

    async def flush(self) -> None:
        """Return when everything queued has been taken by the operating system, or cannot be."""
        await self._inner.flush()

    def close(self) -> None:
        """Close the wrapped transport."""
        self._inner.close()


class _TapReceiver:
    def __init__(self, receiver: Receiver, observer: Observer) -> None:
        self._receiver = receiver
        self._observe = observer

    def receive_frames(self, frames: list[bytes | bytearray]) -> None:
        for frame in frames:
            self._observe("received", bytes(frame))
        self._receiver.receive_frames(frames)

    def receive_oversized(self, head: bytes, limit_bytes: int) -> None:
        self._observe("received", head)
        self._receiver.receive_oversized(head, limit_bytes)

    def receive_eof(self) -> None:
        self._receiver.receive_eof()
