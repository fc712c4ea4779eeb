"""Times as sessions keep and show them: milliseconds since 1970, and RFC 3339 in UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache


def now_ms() -> int:
    """The time."""
    return int(time.time() * 1000)


def later(ms: int) -> int:
    """The time, or a millisecond after ``ms`` where it is not later than that."""
    now = int(time.time() * 1000)
    return now if now > ms else ms + 1


def rfc3339(ms: int) -> str:
    """The time as text with three digits of a second and a Z; texts are in the order of the times."""
    seconds, rest = divmod(ms, 1000)
    return f"{_whole_seconds(seconds)}.{rest:03}Z"


def ms_of(text: str) -> int:
    """The time that `rfc3339` wrote.

    Raises:
        ValueError: it is no such text.
    """
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@lru_cache(maxsize=16)
def _whole_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
