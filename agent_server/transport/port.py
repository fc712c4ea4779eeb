"""The transport port: small, and without a task or a queue per frame."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """Hears a transport. Called from the event loop; must not block."""

    def receive_frames(self, frames: list[bytes | bytearray]) -> None:
        """The frames that one read brought. The receiver may empty the list to release them early."""

    def receive_oversized(self, head: bytes, limit_bytes: int) -> None:
        """A frame longer than the limit was skipped; ``head`` is how it began."""

    def receive_eof(self) -> None:
        """The far end will say nothing more. Called at most once."""


class Transport(Protocol):
    """One end of a duplex stream of frames."""

    def start(self, receiver: Receiver) -> None:
        """Begin to read. Called once."""

    def send(self, frame: bytes) -> None:
        """Queue a frame; what one loop turn queued leaves in one write. Never blocks, never fails."""

    def send_all(self, frames: list[bytes]) -> None:
        """Queue frames, in order; they leave with the next `hurry` or `send`."""

    def hurry(self) -> None:
        """Write what is queued now: somebody waits for it, and a turn of the loop is a tenth of a round trip."""

    @property
    def congested(self) -> bool:
        """Whether the far end is not reading as fast as we write."""

    @property
    def unsent_bytes(self) -> int:
        """What is queued and not yet taken by the operating system."""

    async def drained(self) -> None:
        """Return when no longer congested, or closed."""

    def pause_reading(self) -> None:
        """Stop delivering frames, until resumed."""

    def resume_reading(self) -> None:
        """Deliver frames again."""

    async def flush(self) -> None:
        """Return when everything queued has been taken by the operating system, or cannot be."""

    def close(self) -> None:
        """Stop reading and writing, give the handles back. Idempotent."""
