"""Many sessions that stream at once, and a prompt of somebody else's now and then: section f."""

from __future__ import annotations

import select
from collections.abc import Mapping
from time import perf_counter
from typing import Final

import orjson

from conformance.bench.counting import AgentFailed
from conformance.bench.driver import Agent
from conformance.bench.figures import Figure, Setting, median, percentile, scaled

PROBE_EVERY_S: Final = 0.002
SIZE: Final = 32


def yielding_crowd(setting: Setting) -> Mapping[str, Figure | None]:
    """Let streams of an agent that yields after each chunk run beside each other."""
    return _crowd(setting, "f.yield", every=1)


def tight_crowd(setting: Setting) -> Mapping[str, Figure | None]:
    """Let streams of an agent that never yields by itself run beside each other."""
    return _crowd(setting, "f.tight", every=0)


def _crowd(setting: Setting, name: str, every: int) -> Mapping[str, Figure | None]:
    sizes = setting.sizes
    command = f"stream {sizes.crowd_chunks} {SIZE}" + (f" {every}" if every else "")
    totals: list[float] = []
    spreads: list[float] = []
    probes: list[float] = []
    with Agent(setting.subject.agent) as agent:
        agent.initialize()
        *crowd, bystander = [agent.new_session() for _ in range(sizes.crowd + 1)]
        agent.stream(bystander, max(sizes.warm, 100), SIZE, every)
        for _ in range(sizes.crowd_rounds):
            rush = _Rush(agent, bystander)
            ended = rush.run([agent.prompt(session_id, command) for session_id in crowd])
            totals.append(ended[-1])
            spreads.append(ended[-1] / ended[0])
            probes += rush.latencies
    return {
        f"{name}_total_ms": scaled(median(totals), 1e3),
        f"{name}_unfairness": median(spreads),
        f"{name}_probe_p50_ms": percentile(probes, 50) * 1e3 if probes else None,
        f"{name}_probe_p99_ms": percentile(probes, 99) * 1e3 if probes else None,
    }


class _Rush:
    """All prompts at once, and a probe when it is due, whether or not the one before was answered.

    The latency of a probe counts from when it was due, so a driver that comes late does not hide a wait.
    """

    def __init__(self, agent: Agent, bystander: str) -> None:
        self.latencies: list[float] = []
        self._agent = agent
        self._bystander = bystander
        self._due: dict[int, float] = {}
        self._streams: set[int] = set()
        self._ended: list[float] = []
        self._begun = 0.0

    def run(self, prompts: list[bytes]) -> list[float]:
        """Return the seconds after which the turns ended, in that order."""
        agent = self._agent
        poller = select.poll()
        poller.register(agent.output, select.POLLIN)
        self._streams = set(range(agent.last_id - len(prompts) + 1, agent.last_id + 1))
        rest = b""
        self._begun = perf_counter()
        agent.send(b"".join(prompts))
        due = self._begun + PROBE_EVERY_S
        while self._streams or self._due:
            if self._streams and perf_counter() >= due:
                data = agent.prompt(self._bystander, "noop")
                self._due[agent.last_id] = due
                agent.send(data)
                due += PROBE_EVERY_S
            # Without a stream there is no further probe, and the agent's own time limit ends the wait.
            wait_ms = max(0.0, due - perf_counter()) * 1e3 if self._streams else None
            if poller.poll(wait_ms):
                data = rest + agent.read()
                end = data.rfind(b"\n") + 1
                self._take(data[:end])
                rest = data[end:]
        return self._ended

    def _take(self, lines: bytes) -> None:
        now = perf_counter()
        if b'"error"' in lines:
            at = lines.find(b'"error"')
            raise AgentFailed(f"it answered with an error: {lines[at : at + 200]!r}")
        found = lines.find(b'"stopReason"')
        while found >= 0:
            begin, end = lines.rfind(b"\n", 0, found) + 1, lines.find(b"\n", found)
            self._answered(orjson.loads(lines[begin:end])["id"], now)
            found = lines.find(b'"stopReason"', end)

    def _answered(self, request_id: int, now: float) -> None:
        if request_id in self._streams:
            self._streams.remove(request_id)
            self._ended.append(now - self._begun)
        elif request_id in self._due:
            self.latencies.append(now - self._due.pop(request_id))
