"""One stream at a time: how fast it flows, what it costs, and how soon it stops. Sections d, i and j."""

from __future__ import annotations

import time
from collections.abc import Mapping
from time import perf_counter
from typing import Final

import orjson

from conformance.bench.counting import AgentFailed
from conformance.bench.driver import Agent
from conformance.bench.figures import Figure, Setting, percentile, scaled

FLOWING_S: Final = 0.01
"""How long a stream flows before it is cancelled."""

ENDLESS: Final = 200_000


def streams(setting: Setting) -> Mapping[str, Figure | None]:
    """Count small chunks, large ones, and small ones of an agent that yields to its event loop after each."""
    sizes = setting.sizes
    figures: dict[str, Figure | None] = {}
    for name, count, size, every in (
        ("small", sizes.small, 32, 0),
        ("large", sizes.large, 4096, 0),
        ("yield", sizes.small // 2, 32, 1),
    ):
        with Agent(setting.subject.agent) as agent:
            session_id = agent.ready()
            figures[f"d.{name}_cold_per_s"] = count / agent.stream(session_id, count, size, every).seconds
            agent.stream(session_id, sizes.warm, size, every)
            own_s = time.process_time()
            flow = agent.stream(session_id, count, size, every)
            figures[f"d.{name}_driver_share"] = (time.process_time() - own_s) / flow.seconds
        figures[f"d.{name}_per_s"] = count / flow.seconds
        figures[f"d.{name}_mb_per_s"] = flow.wire_bytes / flow.seconds / 1e6
        figures[f"j.{name}_cpu_s"] = scaled(flow.agent_cpu_s, 1e5 / count)
    return figures


def cancelled_streams(setting: Setting) -> Mapping[str, Figure | None]:
    """Time ``session/cancel`` to the response, in a tight stream and in one that yields."""
    figures: dict[str, Figure | None] = {}
    for name, every in (("tight", ""), ("yield", " 1")):
        with Agent(setting.subject.agent) as agent:
            session_id = agent.ready()
            command = f"stream {ENDLESS} 32{every}"
            stopped = [_cancel(agent, session_id, command) for _ in range(setting.sizes.cancels)]
        seconds = [took_s for took_s, _ in stopped]
        figures[f"i.{name}_p50_ms"] = percentile(seconds, 50) * 1e3
        figures[f"i.{name}_max_ms"] = max(seconds) * 1e3
        figures[f"i.{name}_late"] = percentile([late for _, late in stopped], 50)
    return figures


def _cancel(agent: Agent, session_id: str, command: str) -> tuple[float, int]:
    """Return the seconds up to the response, and how many lines still came before it."""
    notification = agent.cancel(session_id)
    agent.send(agent.prompt(session_id, command))
    data = agent.read()
    flows_until = perf_counter() + FLOWING_S
    while perf_counter() < flows_until:
        data = agent.read()
        if b'"stopReason"' in data:
            raise AgentFailed(f"a stream of {ENDLESS} updates ended before it could be cancelled")
    rest = data[data.rfind(b"\n") + 1 :]
    begun = perf_counter()
    agent.send(notification)
    late = 0
    while True:
        data = agent.read()
        rest += data
        if b'"stopReason"' in rest and rest.endswith(b"\n"):
            seconds = perf_counter() - begun
            _expect_cancelled(rest, agent.last_id)
            return seconds, late
        late += data.count(b"\n")
        rest = rest[rest.rfind(b"\n") + 1 :]


def _expect_cancelled(lines: bytes, request_id: int) -> None:
    message = orjson.loads(next(line for line in lines.split(b"\n") if b'"stopReason"' in line))
    if message.get("id") != request_id or message["result"]["stopReason"] != "cancelled":
        raise AgentFailed(f"a cancelled turn was answered with {str(message)[:200]}")
