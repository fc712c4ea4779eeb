"""One question at a time, either way: sections b, c and e.

The first thousand are reported apart from the steady state: a just-in-time compiler needs thousands of calls, and a
process that an editor keeps for a day may never make them.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

from conformance.bench import proc
from conformance.bench.driver import Agent
from conformance.bench.figures import Figure, Setting, percentile, scaled

US = 1e6


def new_sessions(setting: Setting) -> Mapping[str, Figure | None]:
    """Time ``session/new``, and what sessions cost in memory while they lie there."""
    calls = setting.sizes.calls
    resident: dict[int, int | None] = {}
    with Agent(setting.subject.agent) as agent:
        agent.initialize()

        def one() -> float:
            return agent.ask(agent.new_session_request())

        cold: list[float] = []
        cpu_s = proc.cpu_s(agent.pid)
        for number in range(1, calls + 1):
            cold.append(one())
            if number in (1, calls // 10, calls):
                resident[number] = proc.resident_kib(agent.pid)
        cold_cpu_s = proc.spent_s(agent.pid, cpu_s)
        for _ in range(setting.sizes.warm):
            one()
        cpu_s = proc.cpu_s(agent.pid)
        warm = [one() for _ in range(calls)]
        warm_cpu_s = proc.spent_s(agent.pid, cpu_s)
    grown_mib = proc.grown_mib(resident[1], resident[calls])
    return {
        **_latency("b.cold", cold),
        **_latency("b.warm", warm),
        "b.cold_cpu_us": scaled(cold_cpu_s, US / calls),
        "b.warm_cpu_us": scaled(warm_cpu_s, US / calls),
        "b.rss_first_mib": scaled(resident[1], 1 / 1024),
        "b.rss_all_mib": scaled(resident[calls], 1 / 1024),
        "b.kib_per_session": scaled(grown_mib, 1024 / (calls - 1)),
    }


def prompts(setting: Setting) -> Mapping[str, Figure | None]:
    """Time turns in which nothing is said, and the first chunk of turns in which one is."""
    calls = setting.sizes.calls
    with Agent(setting.subject.agent) as agent:
        session_id = agent.ready()
        cold = [agent.turn(session_id, "noop") for _ in range(calls)]
        for _ in range(setting.sizes.warm):
            agent.turn(session_id, "noop")
        cpu_s = proc.cpu_s(agent.pid)
        warm = [agent.turn(session_id, "noop") for _ in range(calls)]
        spent_s = proc.spent_s(agent.pid, cpu_s)
        spoken = [_first_chunk(agent, session_id) for _ in range(calls // 4)]
    return {
        **_latency("c.cold", cold),
        **_latency("c.warm", warm),
        "c.cpu_us": scaled(spent_s, US / calls),
        "c.first_chunk_us": percentile(spoken, 50) * US,
    }


def client_requests(setting: Setting) -> Mapping[str, Figure | None]:
    """Time what the agent asks the client, one question after another in one turn."""
    calls = setting.sizes.calls
    figures: dict[str, Figure | None] = {}
    for kind in ("fs", "perm"):
        with Agent(setting.subject.agent) as agent:
            session_id = agent.ready()
            figures[f"e.{kind}_cold_per_s"] = calls / agent.turn(session_id, f"{kind} {calls}")
            agent.turn(session_id, f"{kind} {setting.sizes.warm}")
            cpu_s = proc.cpu_s(agent.pid)
            figures[f"e.{kind}_per_s"] = calls / agent.turn(session_id, f"{kind} {calls}")
            figures[f"e.{kind}_cpu_us"] = scaled(proc.spent_s(agent.pid, cpu_s), US / calls)
    return figures


def _first_chunk(agent: Agent, session_id: str) -> float:
    data = agent.prompt(session_id, "stream 1 32")
    begun = perf_counter()
    agent.send(data)
    agent.next_chunk()
    seconds = perf_counter() - begun
    agent.answer()
    return seconds


def _latency(name: str, seconds: list[float]) -> dict[str, float]:
    return {f"{name}_p50_us": percentile(seconds, 50) * US, f"{name}_p99_us": percentile(seconds, 99) * US}
