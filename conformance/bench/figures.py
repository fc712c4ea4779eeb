"""What a measurement takes and gives, and the few statistics that there are."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, TypeAlias

from conformance.bench.start import Start

Figure: TypeAlias = float | str
"""A number in the unit of its metric, or why there is none."""

FAILED: Final = "failed: "


@dataclass(frozen=True)
class Sizes:
    """How much of everything is done; seconds where it says so."""

    spawns: int = 5
    exits: int = 3
    calls: int = 1000
    warm: int = 10_000
    small: int = 20_000
    large: int = 2000
    crowd: int = 100
    crowd_chunks: int = 100
    crowd_rounds: int = 3
    stall_s: float = 5.0
    cancels: int = 5
    idle_s: float = 2.0
    client: int = 40_000
    megabytes: tuple[int, ...] = (1, 10, 50)

    def quick(self) -> Sizes:
        """Return an eighth of the work, or as little as makes sense."""
        eighth = {name: getattr(self, name) // 8 for name in ("calls", "warm", "small", "large", "client")}
        return replace(self, **eighth, spawns=2, exits=1, crowd_rounds=1, stall_s=1.0, cancels=2, idle_s=0.5)

    def described(self) -> dict[str, object]:
        """Return the sizes by name, for the record."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Subject:
    """What is measured: an agent, and the client program that its makers would have."""

    name: str
    agent: Start
    client: Start | None = None


@dataclass(frozen=True)
class Setting:
    """The circumstances of one measurement. ``streamer`` is the agent that streams to clients."""

    subject: Subject
    sizes: Sizes
    streamer: Start


Measurement: TypeAlias = Callable[[Setting], Mapping[str, Figure | None]]
"""Measures a subject; what cannot be measured here is None. Raises AgentFailed."""


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the nearest value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def scaled(value: float | None, factor: float) -> float | None:
    """Return the value in another unit."""
    return None if value is None else value * factor


def median(values: Iterable[float | None]) -> float | None:
    """Return the median of what is known."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def settle(values: Sequence[Figure]) -> Figure | None:
    """Return what the rounds say together: the median, or the commonest text where at least half of them have none."""
    numbers = [value for value in values if not isinstance(value, str)]
    texts = [value for value in values if isinstance(value, str)]
    if len(numbers) > len(texts):
        return statistics.median(numbers)
    return max(texts, key=texts.count) if texts else None
