"""The sections of the benchmark, by their letters."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from conformance.bench.figures import Measurement
from conformance.bench.sections.clients import received_updates
from conformance.bench.sections.crowds import tight_crowd, yielding_crowd
from conformance.bench.sections.lives import cold_start, idle, shutdown
from conformance.bench.sections.loads import big_prompts, stalled_client
from conformance.bench.sections.round_trips import client_requests, new_sessions, prompts
from conformance.bench.sections.streams import cancelled_streams, streams

SECTIONS: Final[Mapping[str, tuple[Measurement, ...]]] = MappingProxyType(
    {
        "a": (cold_start,),
        "b": (new_sessions,),
        "c": (prompts,),
        "d": (streams,),
        "e": (client_requests,),
        "f": (yielding_crowd, tight_crowd),
        "g": (big_prompts,),
        "h": (stalled_client,),
        "i": (cancelled_streams,),
        "k": (idle,),
        "l": (shutdown,),
        "m": (received_updates,),
    }
)
"""Section j, CPU per update, is measured with d."""

TAKING_TURNS: Final = frozenset("bce")
"""Where driver and agent wait for each other all the time, and so share a CPU."""
