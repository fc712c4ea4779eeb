"""How an agent comes and goes, and what it does while nobody asks: sections a, k and l."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from time import perf_counter
from typing import Final

from conformance.bench import proc
from conformance.bench.counting import AgentFailed
from conformance.bench.driver import Agent
from conformance.bench.figures import Figure, Setting, median, scaled

EXIT_S: Final = 10.0
SETTLE_S: Final = 0.3


def cold_start(setting: Setting) -> Mapping[str, Figure | None]:
    """Time the first answer and the first chunk, from the start of the process."""
    answered: list[float] = []
    spoken: list[float] = []
    cpu: list[float | None] = []
    resident: list[float | None] = []
    for _ in range(setting.sizes.spawns):
        with Agent(setting.subject.agent) as agent:
            agent.initialize()
            answered.append(agent.heard - agent.born)
            cpu.append(proc.cpu_s(agent.pid))
            resident.append(proc.resident_kib(agent.pid))
            session_id = agent.new_session()
            agent.send(agent.prompt(session_id, "stream 1 32"))
            agent.next_chunk()
            spoken.append(perf_counter() - agent.born)
    return {
        "a.init_ms": scaled(median(answered), 1e3),
        "a.first_chunk_ms": scaled(median(spoken), 1e3),
        "a.cpu_ms": scaled(median(cpu), 1e3),
        "a.rss_mib": scaled(median(resident), 1 / 1024),
    }


def idle(setting: Setting) -> Mapping[str, Figure | None]:
    """Count what an agent does with a session open and nothing to do."""
    window_s = setting.sizes.idle_s
    with Agent(setting.subject.agent) as agent:
        agent.ready()
        time.sleep(SETTLE_S)
        cpu_s, woken = proc.cpu_s(agent.pid), proc.wakeups(agent.pid)
        time.sleep(window_s)
        spent_s, woken_since = proc.spent_s(agent.pid, cpu_s), proc.wakeups(agent.pid)
    wakeups = None if woken is None or woken_since is None else (woken_since - woken) / window_s
    return {"k.cpu_ms_per_s": scaled(spent_s, 1e3 / window_s), "k.wakeups_per_s": wakeups}


def shutdown(setting: Setting) -> Mapping[str, Figure | None]:
    """Time the exit, from the moment that the client closes the pipe."""
    seconds: list[float] = []
    statuses: set[int] = set()
    for _ in range(setting.sizes.exits):
        with Agent(setting.subject.agent) as agent:
            agent.ready()
            assert agent.process.stdin is not None
            # Waiting with a limit polls, up to 50 ms late; without one it does not.
            limit = threading.Timer(EXIT_S, agent.process.kill)
            limit.start()
            begun = perf_counter()
            agent.process.stdin.close()
            status = agent.process.wait()
            seconds.append(perf_counter() - begun)
            limit.cancel()
            if seconds[-1] >= EXIT_S:
                raise AgentFailed(f"still running {EXIT_S:g} s after its input was closed")
            statuses.add(status)
    return {"l.exit_ms": scaled(median(seconds), 1e3), "l.statuses": ",".join(map(str, sorted(statuses)))}
