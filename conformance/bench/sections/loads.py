"""What is too much: prompts of many megabytes, and a client that stops reading. Sections g and h."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Final

import orjson

from conformance.bench import proc
from conformance.bench.counting import AgentFailed, Count
from conformance.bench.driver import Agent, expect_end
from conformance.bench.figures import FAILED, Figure, Setting, scaled

BIG_S: Final = 60.0
MEGABYTE: Final = 1_000_000
STALLED: Final = 200_000


def big_prompts(setting: Setting) -> Mapping[str, Figure | None]:
    """Send prompts of some megabytes, each to an agent of its own; what one cannot take does not spoil the others."""
    figures: dict[str, Figure | None] = {}
    for megabytes in setting.sizes.megabytes:
        name = f"g.{megabytes}mb"
        try:
            figures |= {f"{name}_{key}": value for key, value in _big(setting, megabytes * MEGABYTE).items()}
        except AgentFailed as failure:
            figures[f"{name}_ms"] = f"{FAILED}{failure}"
    return figures


def _big(setting: Setting, size: int) -> dict[str, float | None]:
    start = setting.subject.agent
    with Agent(replace(start, timeout_s=min(start.timeout_s, BIG_S))) as agent:
        session_id = agent.ready()
        data = agent.prompt(session_id, "x" * size)
        proc.forget_peak(agent.pid)
        before_kib = proc.peak_kib(agent.pid)
        cpu_s = proc.cpu_s(agent.pid)
        begun = perf_counter()
        agent.send(data)
        result = agent.answer()
        seconds = agent.heard - begun
        spent_s = proc.spent_s(agent.pid, cpu_s)
        grown_mib = proc.grown_mib(before_kib, proc.peak_kib(agent.pid))
    expect_end(result)
    return {
        "ms": seconds * 1e3,
        "cpu_ms": scaled(spent_s, 1e3),
        "peak_mib": grown_mib,
        "peak_ratio": scaled(grown_mib, 1024 * 1024 / size),
    }


def stalled_client(setting: Setting) -> Mapping[str, Figure | None]:
    """Stop reading in the middle of a long stream, for seconds, and then cancel it."""
    stall_s = setting.sizes.stall_s
    with Agent(setting.subject.agent) as agent:
        session_id = agent.ready()
        agent.stream(session_id, 200, 256)
        before_kib = proc.resident_kib(agent.pid)
        proc.forget_peak(agent.pid)
        agent.send(agent.prompt(session_id, f"stream {STALLED} 256"))
        time.sleep(0.02)
        count = Count(0)
        count.add(agent.read())
        settle_s = min(1.0, stall_s / 5)
        time.sleep(settle_s)
        cpu_s = proc.cpu_s(agent.pid)
        time.sleep(stall_s - settle_s)
        spent_s = proc.spent_s(agent.pid, cpu_s)
        grown_mib = proc.grown_mib(before_kib, proc.peak_kib(agent.pid))
        begun = perf_counter()
        agent.send(agent.cancel(session_id))
        while count.response is None:
            count.add(agent.read())
        recovered_s = perf_counter() - begun
    return {
        "h.growth_mib": grown_mib,
        "h.cpu_ms": scaled(spent_s, 1e3),
        "h.backlog": count.lines - 1,
        "h.recover_ms": recovered_s * 1e3,
        "h.reason": _reason(count.response),
    }


def _reason(response: Mapping[str, object]) -> str:
    result = response.get("result")
    if not isinstance(result, dict):
        raise AgentFailed(f"a stalled turn was answered with {orjson.dumps(response)[:200]!r}")
    return str(result.get("stopReason"))
