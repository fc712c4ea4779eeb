"""How long it takes to load a long session, and whether others wait meanwhile.

    python -m conformance.bench.load --agent "CMD" --events 10000

One session is prompted until its log has so many lines. Then, in each round, a fresh agent loads it. The time to the
last update is held against a plain read of the same files (read, split into lines, CRC-32 and JSON of each line;
``crc32hex SP json`` or bare JSON), twice, plus the time to write the bytes of the updates to a pipe. Meanwhile another
session is prompted again and again. Exit status: 0 the load is fast enough and nobody waited for long, 1 not, 2 wrong
use.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import statistics
import sys
import tempfile
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import orjson

from conformance.bench import proc
from conformance.bench.counting import BLOCK_BYTES, AgentFailed
from conformance.bench.driver import WORKSPACE, Agent
from conformance.bench.figures import percentile
from conformance.bench.start import Start

EVENTS: Final = 10_000
ROUNDS: Final = 5
PROMPT: Final = "/read note.txt:1-2"
PROBE: Final = "/test noop"
READS: Final = 2.0
PROBE_MS: Final = 50.0
CRC_CHARS: Final = 8
LOG: Final = re.compile(rb"([0-9a-f]{8} )?[{\[]")


@dataclass(frozen=True)
class Load:
    """One round; seconds and bytes. ``probes``: how long the other session's prompts took."""

    load_s: float
    read_s: float
    write_s: float
    wire_bytes: int
    updates: int
    probes: Sequence[float]
    grown_mib: float | None

    @property
    def allowed_s(self) -> float:
        """How long the load may take."""
        return READS * self.read_s + self.write_s


def logs(store: Path) -> list[Path]:
    """The files of lines in a store, which are its logs."""
    return [path for path in sorted(store.rglob("*")) if path.is_file() and LOG.match(path.read_bytes()[:16])]


def plain_read_s(paths: Sequence[Path]) -> tuple[float, int]:
    """Read the files as plainly as it can be done; the seconds and the number of lines."""
    begun = perf_counter()
    count = 0
    for path in paths:
        for line in path.read_bytes().split(b"\n"):
            if not line:
                continue
            count += 1
            text = line if line[:1] in (b"{", b"[") else line[CRC_CHARS + 1 :]
            zlib.crc32(text)
            orjson.loads(text)
    return perf_counter() - begun, count


def pipe_s(data: bytes) -> float:
    """The seconds to write the bytes to a pipe that somebody reads."""
    reading, writing = os.pipe()

    def drain() -> None:
        while os.read(reading, BLOCK_BYTES):
            pass

    reader = threading.Thread(target=drain)
    reader.start()
    begun = perf_counter()
    with open(writing, "wb", buffering=0) as pipe:
        view = memoryview(data)
        while view:
            view = view[pipe.write(view[:BLOCK_BYTES]) :]
    reader.join()
    seconds = perf_counter() - begun
    os.close(reading)
    return seconds


def grow(start: Start, store: Path, prompt: str, events: int) -> str:
    """Prompt a session until the logs have so many lines; its id.

    Raises:
        AgentFailed: the agent does not take the prompts, or its logs do not grow.
    """
    with Agent(start) as agent:
        session_id = agent.ready()
        each, taken = 1, 0
        while (lines := plain_read_s(logs(store))[1]) < events:
            if taken > events:
                raise AgentFailed(f"{taken} prompts made {lines} lines")
            for _ in range(each):
                agent.send(agent.prompt_text(session_id, prompt))
                agent.answer()
            taken += each
            each = max(1, min(200, (events - lines) * taken // max(lines, 1) // 2))
        assert agent.process.stdin is not None
        agent.process.stdin.close()
        agent.process.wait()
    return session_id


def measure(start: Start, store: Path, session_id: str, probe: str) -> Load:
    """Load the session once.

    Raises:
        AgentFailed: it cannot be loaded.
    """
    with Agent(start) as agent:
        agent.initialize()
        other = agent.new_session()
        for _ in range(20):
            agent.ask(agent.prompt_text(other, probe))
        proc.forget_peak(agent.pid)
        before_kib = proc.peak_kib(agent.pid)
        data = agent.request("session/load", {"sessionId": session_id, "cwd": WORKSPACE, "mcpServers": []})
        loader = _Loader(agent, session_id, agent.last_id, other, probe)
        loader.run(data)
        grown_mib = proc.grown_mib(before_kib, proc.peak_kib(agent.pid))
    read_s = statistics.median(plain_read_s(logs(store))[0] for _ in range(3))
    write_s = statistics.median(pipe_s(loader.wire) for _ in range(3))
    return Load(loader.load_s, read_s, write_s, len(loader.wire), loader.updates, loader.probes, grown_mib)


class _Loader:
    """Reads what a load brings, while another session is prompted."""

    def __init__(self, agent: Agent, session_id: str, load_id: int, other: str, probe: str) -> None:
        self._agent = agent
        self._session_id = session_id.encode()
        self._load_id = load_id
        self._other = other
        self._probe = probe
        self._asked: dict[int, float] = {}
        self.load_s = 0.0
        self.updates = 0
        self.wire = b""
        self.probes: list[float] = []

    def run(self, request: bytes) -> None:
        """Ask, and read to the answer."""
        agent = self._agent
        kept: list[bytes] = []
        rest = b""
        begun = perf_counter()
        agent.send(request + self._ask())
        while not self.load_s or self._asked:
            data = agent.read()
            now = perf_counter()
            kept.append(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if b'"session/update"' in line:
                    self.updates += self._session_id in line
                elif b'"id"' in line:
                    self._answered(orjson.loads(line), now, begun)
            if not self.load_s and not self._asked:
                agent.send(self._ask())
        self.wire = b"".join(kept)

    def _ask(self) -> bytes:
        data = self._agent.prompt_text(self._other, self._probe)
        self._asked[self._agent.last_id] = perf_counter()
        return data

    def _answered(self, message: dict[str, object], now: float, begun: float) -> None:
        if "error" in message:
            raise AgentFailed(f"it answered with an error: {message['error']}")
        request_id = message.get("id")
        if request_id == self._load_id:
            self.load_s = now - begun
        elif isinstance(request_id, int) and request_id in self._asked:
            self.probes.append(now - self._asked.pop(request_id))


def told(rounds: Sequence[Load]) -> tuple[str, bool]:
    """What the rounds say, and whether it is good enough."""
    load, read, write, allowed = (
        1e3 * statistics.median(values)
        for values in zip(*((one.load_s, one.read_s, one.write_s, one.allowed_s) for one in rounds), strict=True)
    )
    worst = 1e3 * statistics.median(percentile(one.probes, 100) for one in rounds)
    known = [one.grown_mib for one in rounds if one.grown_mib is not None]
    one = rounds[0]
    lines = [
        f"{one.updates} updates, {one.wire_bytes / 1e6:.2f} MB on the wire",
        f"plain read {read:.1f} ms, writing to a pipe {write:.1f} ms",
        f"load {load:.1f} ms, allowed {allowed:.1f} ms: {'met' if load <= allowed else 'MISSED'}",
        f"another session's prompt waited {worst:.1f} ms at worst, allowed {PROBE_MS:g} ms: "
        f"{'met' if worst <= PROBE_MS else 'MISSED'} ({len(one.probes)} prompts meanwhile)",
    ]
    if known:
        lines.append(f"growth of the peak of memory {statistics.median(known):.1f} MiB")
    return "\n".join(lines), load <= allowed and worst <= PROBE_MS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status is said above."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.bench.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--agent", metavar="CMD", required=True)
    parser.add_argument("--store-flag", metavar="FLAG", default="--store-dir", help="(%(default)s)")
    parser.add_argument("--events", type=int, default=EVENTS, metavar="N", help="lines in the logs (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="(%(default)s)")
    parser.add_argument("--prompt", default=PROMPT, help="makes several events (%(default)s)")
    parser.add_argument("--probe", default=PROBE, help="makes few (%(default)s)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="long-") as directory:
        store = Path(directory) / "store"
        start = Start([*shlex.split(given.agent), given.store_flag, str(store)])
        session_id = grow(start, store, given.prompt, given.events)
        print(
            f"{plain_read_s(logs(store))[1]} lines in {sum(path.stat().st_size for path in logs(store)) / 1e6:.2f} MB"
        )
        text, good = told([measure(start, store, session_id, given.probe) for _ in range(given.rounds)])
    print(text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
