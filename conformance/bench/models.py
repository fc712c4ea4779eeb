"""How quickly an agent gets to its language model, and how quickly what the model says gets to the client.

    python -m conformance.bench.models --agent "agent-server --model openai:bench" [--sdk-python PYTHON]

The agent is told of a server of OpenAI's API on loopback by ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY``. Measured are:
the time from the agent's start to the first byte of its request, beside a ten-line program on the ``openai`` package;
how much later than to whoever reads the server directly its events come to the agent's stdout, at 100 a second; 100
sessions that stream at once; and how long the agent answers nobody while its first request is under way. Exit status: 0
all goals are reached, 1 not, 2 wrong use, 3 the agent could not be run.
"""

from __future__ import annotations

import argparse
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Final

import orjson

from conformance.bench.counting import BLOCK_BYTES, AgentFailed
from conformance.bench.driver import Agent
from conformance.bench.figures import percentile
from conformance.bench.model_server import STAMP, ModelServer, now_us
from conformance.bench.start import Start

SDK_PROGRAM: Final = """\
from openai import OpenAI

client = OpenAI()
stream = client.chat.completions.create(
    model="bench",
    messages=[{"role": "user", "content": "stream 1 0 sdk"}],
    stream=True,
)
for chunk in stream:
    print(chunk.choices[0].delta.content)
"""
START_RATIO: Final = 0.5
LATENCY_MS: Final = 1.0
SILENCE_MS: Final = 100.0
STARVED_RATIO: Final = 2.0
EVENTS: Final = 500
EVERY_MS: Final = 10.0
SESSIONS: Final = 100
CROWD_EVENTS: Final = 50


@dataclass(frozen=True)
class Goal:
    """One figure and what it may be at most."""

    name: str
    figure: float
    most: float
    unit: str
    more: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is."""
        return self.figure <= self.most

    def __str__(self) -> str:
        word = "ok" if self.reached else "MISSED"
        more = f"  ({self.more})" if self.more else ""
        return f"{word:7}{self.name}: {self.figure:.3g} {self.unit}, at most {self.most:g}{more}"


class Bench:
    """All measurements of one agent."""

    def __init__(self, command: Sequence[str], server: ModelServer, home: str) -> None:
        environment = {**server.environment, "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home, "HOME": home}
        self._start = Start(command, environment, timeout_s=120)
        self._server = server

    def first_byte_s(self) -> float:
        """From the start of the agent to the first byte of its request for an answer."""
        begun_us = now_us()
        with Agent(self._start) as agent:
            session_id = agent.ready()
            agent.send(agent.prompt_text(session_id, "stream 1 0 x"))
            agent.answer()
            return (self._server.first_byte_us() - begun_us) / 1e6

    def sdk_first_byte_s(self, python: str) -> float:
        """The same of the program on the SDK."""
        begun_us = now_us()
        environment = {**os.environ, **self._server.environment}
        subprocess.run([python, "-c", SDK_PROGRAM], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)
        return (self._server.first_byte_us() - begun_us) / 1e6

    def latencies_ms(self, events: int, every_ms: float) -> list[float]:
        """From the server's stamp in each event to the line that tells it; the first tenth is left out."""
        with Agent(self._start) as agent:
            session_id = agent.ready()
            agent.send(agent.prompt_text(session_id, "stream 1 0 warm"))
            agent.answer()
            agent.send(agent.prompt_text(session_id, f"stream {events} {every_ms} x"))
            late: list[float] = []
            while len(late) < events:
                line = agent.line()
                heard_us = now_us()
                late += [(heard_us - int(at_us)) / 1000 for at_us, _ in STAMP.findall(line)]
            agent.answer()
        return late[events // 10 :]

    def direct_ms(self, events: int, every_ms: float) -> list[float]:
        """The same without any agent: from the server's stamp to whoever reads the server's answer."""
        host, _, port = self._server.url.removeprefix("http://").removesuffix("/v1").partition(":")
        body = orjson.dumps({"model": "bench", "messages": [{"content": f"stream {events} {every_ms} x"}]})
        late: list[float] = []
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            while said := connection.recv(BLOCK_BYTES):
                heard_us = now_us()
                late += [(heard_us - int(at_us)) / 1000 for at_us, _ in STAMP.findall(said)]
        return late[events // 10 :]

    def crowd(self, sessions: int, events: int) -> tuple[float, float, float]:
        """Let many sessions stream at once; the seconds until the first and the last of them had everything, and the
        longest silence of one that was not done, in milliseconds.
        """
        with Agent(self._start) as agent:
            ids = [agent.ready()]
            for _ in range(sessions - 1):
                agent.send(agent.request("session/new", {"cwd": tempfile.gettempdir(), "mcpServers": []}))
                ids.append(agent.answer()["sessionId"])
            agent.send(b"".join(agent.prompt_text(name, f"stream {events} 20 s{i}") for i, name in enumerate(ids)))
            begun = perf_counter()
            left = {f"s{i}".encode(): events for i in range(sessions)}
            heard = dict.fromkeys(left, 0.0)
            done: list[float] = []
            silence_s = 0.0
            while len(done) < sessions:
                for _, name in STAMP.findall(agent.line()):
                    at = perf_counter()
                    if heard[name]:
                        silence_s = max(silence_s, at - heard[name])
                    heard[name] = at
                    left[name] -= 1
                    if not left[name]:
                        done.append(at - begun)
            return done[0], done[-1], silence_s * 1000

    def silence_ms(self) -> float:
        """How long the agent keeps others waiting at most while its very first request begins and is answered."""
        with Agent(self._start) as agent:
            session_id = agent.ready()
            agent.send(agent.prompt_text(session_id, "stream 10 20 x"))
            prompt_id, worst_s = agent.last_id, 0.0
            while True:
                asked = agent.request("_bench/nothing", {})
                begun = perf_counter()
                agent.send(asked)
                answered = _answers(agent, agent.last_id, prompt_id)
                worst_s = max(worst_s, perf_counter() - begun)
                if answered:
                    return worst_s * 1000


def _answers(agent: Agent, probe_id: int, prompt_id: int) -> bool:
    """Read until the probe is answered; whether the prompt was too."""
    prompt_answered = False
    while True:
        line = agent.line()
        if b'"id"' not in line:
            continue
        message = orjson.loads(line)
        prompt_answered = prompt_answered or message.get("id") == prompt_id
        if message.get("id") == probe_id:
            return prompt_answered


def measure(bench: Bench, sdk_python: str | None, rounds: int, *, quick: bool) -> list[Goal]:
    """All goals, in the order in which they are measured."""
    goals: list[Goal] = []
    ours: list[float] = []
    sdk: list[float] = []
    for _ in range(rounds):
        ours.append(bench.first_byte_s())
        if sdk_python is not None:
            sdk.append(bench.sdk_first_byte_s(sdk_python))
    told = f"{median(ours) * 1000:.0f} ms"
    if sdk:
        more = f"{told}; the SDK's program {median(sdk) * 1000:.0f} ms"
        ratio = median(ours) / median(sdk)
        goals.append(Goal("start to first request byte, of the SDK's", ratio, START_RATIO, "x", more))
    else:
        print(f"start to first request byte: {told}; no openai package to hold it against")
    direct = median(bench.direct_ms(50 if quick else EVENTS, EVERY_MS))
    late = sorted(bench.latencies_ms(50 if quick else EVENTS, EVERY_MS))
    more = f"{direct:.2f} without, {median(late):.2f} with it: p90 {percentile(late, 90):.2f}, most {late[-1]:.2f}"
    goals.append(Goal("added latency, median", median(late) - direct, LATENCY_MS, "ms", more))
    sessions, events = (10, 10) if quick else (SESSIONS, CROWD_EVENTS)
    first_s, last_s, silence_ms = bench.crowd(sessions, events)
    more = f"{sessions} sessions; first done after {first_s:.2f} s, longest silence of one {silence_ms:.0f} ms"
    goals.append(Goal("crowd, last done by first done", last_s / first_s, STARVED_RATIO, "x", more))
    goals.append(Goal("longest wait during the first request", bench.silence_ms(), SILENCE_MS, "ms"))
    return goals


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status is said above."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.bench.models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--agent", metavar="CMD", required=True, help="the agent, told which model to ask")
    parser.add_argument("--sdk-python", metavar="PYTHON", default=_with_openai(), help="with openai (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="starts of each (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="shows that it runs, not how fast")
    given = parser.parse_args(arguments)
    try:
        with ModelServer() as server, tempfile.TemporaryDirectory(prefix="bench-") as home:
            bench = Bench(shlex.split(given.agent), server, home)
            goals = measure(bench, given.sdk_python, 1 if given.quick else given.rounds, quick=given.quick)
    except AgentFailed as failure:
        print(f"the agent could not be measured: {failure}", file=sys.stderr)
        return 3
    print("\n".join(map(str, goals)))
    return 0 if given.quick or all(goal.reached for goal in goals) else 1


def _with_openai() -> str | None:
    from importlib.util import find_spec

    return sys.executable if find_spec("openai") is not None else None


if __name__ == "__main__":
    sys.exit(main())
