"""How long a server may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that are spent waiting for the server; what the reader of an answer does in between is not counted.

    Attributes:
        connect_s: until there is a connection: the name, TCP and TLS together.
        first_byte_s: until the head of the answer is there, from when the request is being sent. A model may read a
            long prompt before it says anything.
        idle_s: without a sign of life (`Answer.alive`): bytes alone are none. Some models think for minutes and say
            nothing.
        total_s: for the whole answer.
    """

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    idle_s: float = 300.0
    total_s: float = 3600.0

    @classmethod
    def within(cls, seconds: float) -> Deadlines:
        """The same time for everything."""
        return cls(seconds, seconds, seconds, seconds)


LOCAL: Final = Deadlines(connect_s=5.0, first_byte_s=1800.0, idle_s=600.0)
"""For this machine's own servers: they may load a model first, and read a long prompt without a graphics card."""
