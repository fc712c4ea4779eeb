"""Whole conversations that go wrong: cuts, floods, endless lines, clients that do not read, and broken pipes."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from conformance.faults.raw_agent import KIB, PROBE, Lost, RawAgent

MIB = 1024 * KIB
GROWTH_LIMIT_MIB = 64
ENDLESS_BYTES = 192 * MIB
ENDLESS_GROWTH_MIB = 160
EXIT_S = 2.0
FLOOD = 10_000
STALL_S = 1.0
CUT_PAUSE_S = 0.0005

Attack = Callable[[RawAgent], str | None]
"""Attacks an agent that is initialized; says what is wrong, None if nothing is. Raises `Lost` if it was lost."""

ATTACKS: dict[str, Attack] = {}


@dataclass(frozen=True, slots=True)
class AttackResult:
    """``defect``: what went wrong, None if nothing did. ``lost``: the process or the connection is gone."""

    name: str
    defect: str | None
    lost: bool = False
    seconds: float = 0.0


def attack(name: str) -> Callable[[Attack], Attack]:
    """Give the attack its name."""

    def register(function: Attack) -> Attack:
        ATTACKS[name] = function
        return function

    return register


def carried_out(name: str, command: Sequence[str], stream_prompt: str) -> AttackResult:
    """Start an agent, initialize it, attack it. ``stream_prompt``: a prompt that streams tens of megabytes."""
    began = time.monotonic()
    try:
        with RawAgent(command) as agent:
            agent.initialize()
            agent.stream_prompt = stream_prompt
            defect, lost = ATTACKS[name](agent), False
    except Lost as error:
        defect, lost = str(error), True
    return AttackResult(name, defect, lost, time.monotonic() - began)


def _request(request_id: int, params: object = None, method: str = PROBE) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}) + b"\n"


def _miscounted(agent: RawAgent, ids: Sequence[int]) -> str | None:
    """What is wrong with the answers to these requests: each is to have exactly one."""
    counts = Counter(line.get("id") for line in agent.lines if isinstance(line, dict) and "method" not in line)
    missing = sum(counts[request_id] == 0 for request_id in ids)
    doubled = sum(counts[request_id] > 1 for request_id in ids)
    return f"{missing} unanswered, {doubled} answered more than once, of {len(ids)}" if missing or doubled else None


def _grown(agent: RawAgent, before_kib: int | None, limit_mib: int = GROWTH_LIMIT_MIB) -> str | None:
    """What is wrong with the memory: it grew by more than the limit. Nothing where the system tells no sizes."""
    after = agent.memory_kib()
    if before_kib is None or after is None or after - before_kib <= limit_mib * KIB:
        return None
    return f"memory grew by {(after - before_kib) // KIB} MiB"


# -- cuts


@attack("a byte at a time")
def byte_by_byte(agent: RawAgent) -> str | None:
    ids = [agent.next_id() for _ in range(3)]
    for byte in b"".join(_request(request_id, {"text": "ä\u2028😀"}) for request_id in ids):
        agent.send(bytes([byte]))
    agent.answer(ids[-1])
    return _miscounted(agent, ids)


@attack("cut at every byte")
def cut_at_every_byte(agent: RawAgent) -> str | None:
    length = len(_request(agent.next_id(), {"text": "ä\u2028😀"}))
    ids = [agent.next_id() for _ in range(length)]
    for cut, request_id in enumerate(ids):
        line = _request(request_id, {"text": "ä\u2028😀"})
        agent.send(line[:cut])
        time.sleep(CUT_PAUSE_S)  # so that the pieces are read apart; nothing hangs on how long it is
        agent.send(line[cut:])
    agent.answer(ids[-1])
    return _miscounted(agent, ids)


@attack("cut at every byte of the line end")
def carriage_returns(agent: RawAgent) -> str | None:
    ids = [agent.next_id() for _ in range(20)]
    for request_id in ids:
        agent.send(_request(request_id)[:-1])
        agent.send(b"\r" if request_id % 2 else b" ")
        agent.send(b"\n")
    agent.answer(ids[-1])
    return _miscounted(agent, ids)


# -- floods


@attack("10,000 requests in one breath")
def flood_of_requests(agent: RawAgent) -> str | None:
    before = agent.memory_kib()
    ids = [agent.next_id() for _ in range(FLOOD)]
    agent.send(b"".join(map(_request, ids)), deadline_s=60)
    agent.wait(lambda: sum(isinstance(line, dict) for line in agent.lines) > FLOOD, 60)
    return _miscounted(agent, ids) or _grown(agent, before)


@attack("100,000 notifications")
def flood_of_notifications(agent: RawAgent) -> str | None:
    before, begin = agent.memory_kib(), len(agent.lines)
    note = b'{"jsonrpc":"2.0","method":"session/cancel","params":{"sessionId":"none"}}\n'
    agent.send(note * 100_000, deadline_s=60)
    agent.request(PROBE, {}, deadline_s=60)
    extra = len(agent.lines) - begin - 1
    return f"{extra} lines came for notifications" if extra else _grown(agent, before)


@attack("10,000 lines of garbage between requests")
def flood_of_garbage(agent: RawAgent) -> str | None:
    before = agent.memory_kib()
    ids = [agent.next_id() for _ in range(1_000)]
    agent.send(b"".join(b"{nope\n" * 10 + _request(request_id) for request_id in ids), deadline_s=60)
    agent.answer(ids[-1], deadline_s=60)
    return _miscounted(agent, ids) or _grown(agent, before)


@attack("8 MiB of noise")
def noise(agent: RawAgent) -> str | None:
    before = agent.memory_kib()
    agent.send(random.Random(1).randbytes(8 * MIB), deadline_s=60)  # the same noise every time
    agent.send(b"\n")
    agent.request(PROBE, {}, deadline_s=60)
    return _grown(agent, before)


@attack("a line of 1 MiB in pieces")
def long_line(agent: RawAgent) -> str | None:
    request_id = agent.next_id()
    agent.send(_request(request_id, {"text": "x" * MIB}))
    agent.answer(request_id)
    return None


@attack("a line without an end")
def endless_line(agent: RawAgent) -> str | None:
    before = agent.memory_kib()
    block = b"x" * MIB
    for _ in range(ENDLESS_BYTES // MIB):
        if agent.send(block, deadline_s=30) < MIB:
            raise Lost("the agent stopped reading in the middle of a line")
    agent.send(b"\n")
    agent.request(PROBE, {}, deadline_s=60)
    return _grown(agent, before, ENDLESS_GROWTH_MIB)


@attack("200 sessions that are never used")
def many_sessions(agent: RawAgent) -> str | None:
    before = agent.memory_kib()
    ids = [agent.next_id() for _ in range(200)]
    agent.send(b"".join(_request(one, {"cwd": "/tmp", "mcpServers": []}, "session/new") for one in ids))
    agent.answer(ids[-1], deadline_s=60)
    agent.wait(lambda: _miscounted(agent, ids) is None, 10)
    return _grown(agent, before)


# -- clients that do not read


@attack("requests without reading the answers")
def unread_answers(agent: RawAgent) -> str | None:
    before = agent.memory_kib()
    ids = [agent.next_id() for _ in range(200_000)]
    data = b"".join(map(_request, ids))
    sent = agent.send(data, reading=False, deadline_s=STALL_S)
    growth = _grown(agent, before)
    agent.send(data[sent:], deadline_s=60)
    agent.wait(lambda: len(agent.lines) > len(ids), 60)
    return growth or _miscounted(agent, ids)


@attack("a stream that nobody reads for a while")
def unread_stream(agent: RawAgent) -> str | None:
    session, before = agent.new_session(), agent.memory_kib()
    prompt = _prompt(agent, session)
    agent.send(prompt[1])
    time.sleep(STALL_S)  # the stall is what is tested
    busy = agent.cpu_s()
    time.sleep(STALL_S)
    idle = agent.cpu_s()
    growth = _grown(agent, before)
    agent.send(orjson.dumps({"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": session}}) + b"\n")
    agent.answer(prompt[0], deadline_s=30)
    if busy is not None and idle is not None and idle - busy > STALL_S / 2:
        return f"{idle - busy:.1f} s of processor time were burnt while nobody read"
    return growth


@attack("a stream that nobody reads any more, then the end of the input")
def unread_and_closed(agent: RawAgent) -> str | None:
    agent.send(_prompt(agent, agent.new_session())[1])
    time.sleep(STALL_S / 2)
    agent.close_input()
    return None if agent.exited(EXIT_S) is not None else f"it still runs {EXIT_S:g} s after the end of its input"


def _prompt(agent: RawAgent, session: str) -> tuple[int, bytes]:
    request_id = agent.next_id()
    params = {"sessionId": session, "prompt": [{"type": "text", "text": agent.stream_prompt}]}
    return request_id, _request(request_id, params, "session/prompt")


# -- broken pipes


@attack("the output is closed while it writes")
def closed_output(agent: RawAgent) -> str | None:
    agent.send(_prompt(agent, agent.new_session())[1])
    agent.close_output()
    return None if agent.exited(EXIT_S) is not None else f"it still runs {EXIT_S:g} s after its output was closed"


@attack("the input ends in the middle of a line")
def cut_off(agent: RawAgent) -> str | None:
    agent.send(_request(agent.next_id())[:20])
    return _ended_well(agent)


@attack("the input ends behind requests")
def asked_and_closed(agent: RawAgent) -> str | None:
    ids = [agent.next_id() for _ in range(100)]
    agent.send(b"".join(map(_request, ids)))
    agent.close_input()
    agent.drain()
    return _miscounted(agent, ids) or _ended_well(agent)


@attack("the last request has no newline")
def no_newline(agent: RawAgent) -> str | None:
    agent.send(_request(agent.next_id())[:-1])
    return _ended_well(agent)


def _ended_well(agent: RawAgent) -> str | None:
    agent.close_input()
    status = agent.exited(EXIT_S)
    if status is None:
        return f"it still runs {EXIT_S:g} s after the end of its input"
    return None if status == 0 else f"it exited with {status}"


@attack("SIGTERM in the middle of a stream")
def terminated(agent: RawAgent) -> str | None:
    agent.send(_prompt(agent, agent.new_session())[1])
    agent.terminate()
    agent.drain()
    return None if agent.exited(EXIT_S) is not None else f"it still runs {EXIT_S:g} s after SIGTERM"
