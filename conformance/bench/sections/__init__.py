"""The sections of the benchmark, by their letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from conformance.bench.figures import Measurement
from conformance.bench.sections.clients import received_updates
from conformance.bench.sections.crowds import tight_crowd, yielding_crowd
from conformance.bench.sections.lives import cold_start, idle, shutdown
from conformance.bench.sections.loads import big_prompts, stalled_client
from conformance.bench.sections.round_trips import client_requests, new_sessions, prompts
from conformance.bench.sections.streams import cancelled_streams, streams


@dataclass(frozen=True)
class Part:
    """A measurement, and how the keys of what it measures begin."""

    measure: Measurement
    gives: tuple[str, ...]


SECTIONS: Final[Mapping[str, tuple[Part, ...]]] = MappingProxyType(
    {
        "a": (Part(cold_start, ("a.",)),),
        "b": (Part(new_sessions, ("b.",)),),
        "c": (Part(prompts, ("c.",)),),
        "d": (Part(streams, ("d.", "j.")),),
        "e": (Part(client_requests, ("e.",)),),
        "f": (Part(yielding_crowd, ("f.yield_",)), Part(tight_crowd, ("f.tight_",))),
        "g": (Part(big_prompts, ("g.",)),),
        "h": (Part(stalled_client, ("h.",)),),
        "i": (Part(cancelled_streams, ("i.",)),),
        "k": (Part(idle, ("k.",)),),
        "l": (Part(shutdown, ("l.",)),),
        "m": (Part(received_updates, ("m.",)),),
    }
)
"""Section j, CPU per update, is measured with d."""

TAKING_TURNS: Final = frozenset("bce")
"""Where driver and agent wait for each other all the time, and so share a CPU."""
