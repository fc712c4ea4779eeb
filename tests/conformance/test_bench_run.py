"""The benchmark runs: over the floor agent and ours, and over agents that fail in every way they can."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import psutil
import pytest

import agent_server.examples.counting_client as counting_client
from conformance.bench import proc
from conformance.bench.contenders import CONTENDERS, PEERS, REQUIREMENTS, contender
from conformance.bench.counting import AgentFailed, Count
from conformance.bench.driver import Agent
from conformance.bench.figures import Setting, Sizes, Subject
from conformance.bench.metrics import METRICS
from conformance.bench.record import Record
from conformance.bench.run import Plan, steps
from conformance.bench.sections.clients import received_updates
from conformance.bench.start import Start

ROOT = Path(__file__).parents[2]
BENCH_S = 50
FLOOR = Start((sys.executable, str(PEERS / "floor.py")), timeout_s=20)
OUR_CLIENT = Start((sys.executable, "-m", counting_client.__name__), timeout_s=20)

needs_proc = pytest.mark.skipif(not proc.KNOWN, reason="this system has no /proc")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conformance.bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=BENCH_S, check=False)


@needs_proc
def test_a_quick_run_measures_ours_and_the_floor_and_writes_the_results(tmp_path: Path) -> None:
    agent = f"{sys.executable} -m agent_server"
    client = f"{sys.executable} -m {counting_client.__name__}"
    only = ("--only", "acdkm", "--quick", "--rounds", "1", "--against", "floor")
    done = bench("--agent", agent, "--client", client, *only, "--out", str(tmp_path))
    assert done.returncode in (0, 1), done.stderr
    assert "FAILED" not in done.stderr
    record = Record.load(tmp_path / "results.json")
    assert list(record.found) == ["ours", "floor"]
    assert record.found["ours"].failures == record.found["floor"].failures == {}
    measured = {key for key in METRICS if key[0] in "acdjk"}
    assert set(record.found["floor"].figures) == measured | {"d.yield_mb_per_s", "d.yield_driver_share"}
    assert set(record.found["ours"].figures) == {*record.found["floor"].figures, "m.received_per_s"}
    assert "(c) prompt round trip, median, steady, us" in done.stdout
    assert (tmp_path / "results.md").is_file()
    assert (tmp_path / "chart.svg").is_file()


def test_an_agent_that_cannot_be_started_ends_the_run_with_3() -> None:
    done = bench("--agent", "/nowhere/agent", "--against", "floor", "--only", "l", "--quick", "--rounds", "1")
    assert done.returncode == 3, done.stderr
    assert "ours failed (l) shutdown once: it cannot be started" in done.stdout
    assert "ours gave no figure at all" in done.stdout


def test_a_round_goes_the_other_way_than_the_one_before() -> None:
    subjects = [Subject(name, FLOOR) for name in "ABC"]
    plan = Plan(subjects, FLOOR, ["a", "k"], 2, Sizes())
    taken = [(step.section, step.subject.name) for step in steps(plan)]
    assert "".join(name for section, name in taken if section == "a") == "ABCCBA"
    assert [section for section, _ in taken] == ["a"] * 3 + ["k"] * 3 + ["a"] * 3 + ["k"] * 3


def test_a_stream_is_counted_and_looked_at() -> None:
    with Agent(FLOOR) as agent:
        flow = agent.stream(agent.ready(), 3000, 5)
    assert flow.wire_bytes > 3000 * 100
    assert flow.seconds > 0


PRELUDE = """
import json, sys
def say(**what): print(json.dumps({"jsonrpc": "2.0", **what}), flush=True)
def chunk(session_id, text):
    update = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}
    say(method="session/update", params={"sessionId": session_id, "update": update})
for line in sys.stdin:
    message = json.loads(line)
    if message["method"] == "initialize": say(id=message["id"], result={"protocolVersion": 1})
    elif message["method"] == "session/new": say(id=message["id"], result={"sessionId": "s"})
    else:
"""


def agent_that(does: str, timeout_s: float = 20) -> Agent:
    return Agent(Start((sys.executable, "-c", f"{PRELUDE}        {does}"), timeout_s=timeout_s))


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("chunk('s', 'xx'); say(id=message['id'], result={'stopReason': 'end_turn'})", "1 updates came instead of 2"),
        ("[chunk('s', 'x') for _ in 'ab']; say(id=message['id'], result={'stopReason': 'end_turn'})", "a chunk is not"),
        (
            "[chunk('t', 'xx') for _ in 'ab']; say(id=message['id'], result={'stopReason': 'end_turn'})",
            "a chunk is not",
        ),
        ("[chunk('s', 'xx') for _ in 'ab']; say(id=message['id'], result={'stopReason': 'refusal'})", "'refusal'"),
        ("say(id=message['id'], error={'code': -32000, 'message': 'no'})", "answered with an error"),
        ("sys.exit('out of memory')", r"closed its output \(exit status 1\); stderr: out of memory"),
    ],
)
def test_a_stream_that_is_not_what_was_asked_for_is_a_failure(does: str, why: str) -> None:
    with agent_that(does) as agent, pytest.raises(AgentFailed, match=why):
        agent.stream(agent.ready(), 2, 2)


def test_an_agent_that_hangs_is_ended() -> None:
    with agent_that("pass", timeout_s=1.5) as agent, pytest.raises(AgentFailed, match=r"no answer within 1\.5 s"):
        agent.turn(agent.ready(), "noop")
    assert agent.process.returncode is not None


@pytest.mark.parametrize("block_bytes", [1, 7, 100, 5000])
def test_lines_are_counted_however_they_are_cut(block_bytes: int) -> None:
    update = b'{"method":"session/update","params":{"kind":"agent_message_chunk"}}\n'
    data = update * 40 + b'{"id":7,"result":{"stopReason":"end_turn"}}\n'
    count = Count(40)
    for at in range(0, len(data), block_bytes):
        assert count.response is None
        count.add(data[at : at + block_bytes])
    assert (count.lines, count.wire_bytes) == (41, len(data))
    assert count.response == {"id": 7, "result": {"stopReason": "end_turn"}}
    assert count.sample + b"\n" == update


@needs_proc
def test_the_cpu_time_of_a_process_counts_what_it_works() -> None:
    with Agent(FLOOR) as agent:
        session_id = agent.ready()
        before_s = proc.cpu_s(agent.pid)
        flow = agent.stream(session_id, 50_000, 32)
        spent_s = proc.spent_s(agent.pid, before_s)
    assert flow.agent_cpu_s is not None and spent_s is not None
    assert 0 < flow.agent_cpu_s <= spent_s < 20


@needs_proc
def test_the_peak_of_memory_grows_with_a_message() -> None:
    with Agent(FLOOR) as agent:
        session_id = agent.ready()
        proc.forget_peak(agent.pid)
        before = proc.peak_kib(agent.pid)
        agent.ask(agent.prompt(session_id, "x" * 8_000_000))
        grown = proc.grown_mib(before, proc.peak_kib(agent.pid))
    assert grown is not None and grown > 7


CARELESS_CLIENT = """
import pathlib, subprocess, sys
silent = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], **silent)
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
"""


def client_setting(client: Sequence[str], timeout_s: float = 20) -> Setting:
    sizes = Sizes().quick()
    return Setting(Subject("some", FLOOR, Start(client, timeout_s=timeout_s)), sizes, FLOOR)


def test_our_client_receives_every_update() -> None:
    told = received_updates(client_setting(OUR_CLIENT.command))
    rate = told["m.received_per_s"]
    assert isinstance(rate, float) and rate > 0


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ('print(\'{"updates": 1, "characters": 32, "seconds": 1}\')', "saw 1 updates"),
        ("print('nonsense')", "said nonsense"),
        ("raise SystemExit('no such agent')", r"exit status 1\) said no such agent"),
    ],
)
def test_a_client_program_that_does_not_count_right_is_a_failure(program: str, why: str) -> None:
    with pytest.raises(AgentFailed, match=why):
        received_updates(client_setting((sys.executable, "-c", program)))


def test_a_client_program_that_hangs_is_a_failure() -> None:
    setting = client_setting((sys.executable, "-c", "import signal; signal.pause()"), timeout_s=0.5)
    with pytest.raises(AgentFailed, match=r"did not end within 0\.5 s"):
        received_updates(setting)


def test_what_a_client_program_leaves_behind_is_ended(tmp_path: Path) -> None:
    with pytest.raises(AgentFailed, match="said nothing"):
        received_updates(client_setting((sys.executable, "-c", CARELESS_CLIENT, str(tmp_path / "pid"))))
    try:
        left = psutil.Process(int((tmp_path / "pid").read_text()))
        left.wait(timeout=10)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        assert left.status() == psutil.STATUS_ZOMBIE, "it goes on running"


def test_the_python_sdk_is_pinned_to_the_same_version_everywhere() -> None:
    assert REQUIREMENTS.read_text().strip() in (ROOT / "pyproject.toml").read_text()


@pytest.fixture(params=CONTENDERS)
def peer(request: pytest.FixtureRequest) -> Subject:
    if request.param == "tssdk":
        request.getfixturevalue("sdk_root")  # skips where there is no node
    return contender(request.param, timeout_s=30)


def test_a_peer_understands_every_command_of_the_benchmark(peer: Subject) -> None:
    with Agent(peer.agent) as agent:
        session_id = agent.ready()
        for command in ("noop", "fs 3", "perm 3"):
            agent.turn(session_id, command)
        agent.stream(session_id, 30, 32)
        agent.stream(session_id, 30, 32, every=1)
        agent.send(agent.prompt(session_id, "stream 100000 32 1"))
        agent.next_chunk()
        agent.send(agent.cancel(session_id))
        assert agent.answer() == {"stopReason": "cancelled"}


def test_the_client_of_a_peer_receives_every_update(peer: Subject) -> None:
    told = received_updates(Setting(peer, replace(Sizes(), warm=100, client=500), FLOOR))
    assert set(told) == (set() if peer.name == "floor" else {"m.received_per_s"})


def test_messages_are_json_rpc() -> None:
    with Agent(FLOOR) as agent:
        first, second = (orjson.loads(agent.prompt("s", "noop")) for _ in range(2))
    assert first["params"]["prompt"] == [{"type": "text", "text": "/test noop"}]
    assert (first["jsonrpc"], second["id"] - first["id"]) == ("2.0", 1)
