"""``python -m conformance.faults.fuzz --agent CMD --seed N``: random damage to good and bad frames.

Every line is followed by a request that must be answered, so that a loss is laid at the door of the line that caused
it. The same seed makes the same lines.
"""

from __future__ import annotations

import argparse
import random
import shlex
import sys
from collections.abc import Iterator, Sequence

from conformance.faults.documents import DOCUMENTS
from conformance.faults.frames import FRAMES
from conformance.faults.single import Lines

LONGEST_SEED_BYTES = 20_000
TOKENS = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\\",
    b"null",
    b"-",
    b"1e9",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b'"id":',
    b"\x00",
]
GOOD = [
    b'{"jsonrpc":"2.0","id":1,"method":"session/new","params":{"cwd":"/tmp","mcpServers":[]}}',
    b'{"jsonrpc":"2.0","id":2,"method":"session/prompt","params":{"sessionId":"s","prompt":[{"type":"text","text":"hi"}]}}',
    b'{"jsonrpc":"2.0","method":"session/cancel","params":{"sessionId":"s"}}',
    b'{"jsonrpc":"2.0","id":3,"method":"session/set_mode","params":{"sessionId":"s","modeId":"ask"}}',
    b'{"jsonrpc":"2.0","id":4,"method":"session/list","params":{"cursor":"x"}}',
    b'{"jsonrpc":"2.0","id":5,"result":{"outcome":{"outcome":"selected","optionId":"x"}}}',
    b'{"jsonrpc":"2.0","method":"$/cancel_request","params":{"requestId":1}}',
]


def damaged(seed: int) -> Iterator[bytes]:
    """Lines without end, without newlines in them; the same for the same seed."""
    dice = random.Random(seed)
    seeds = [frame.line for frame in FRAMES] + [document.text for document in DOCUMENTS]
    seeds = GOOD * 20 + [line for line in seeds if len(line) <= LONGEST_SEED_BYTES]
    while True:
        line = bytearray(dice.choice(seeds))
        for _ in range(dice.randint(1, 4)):
            _damage(line, dice, seeds)
        yield bytes(line.replace(b"\n", b" "))


def _damage(line: bytearray, dice: random.Random, seeds: Sequence[bytes]) -> None:
    at = dice.randint(0, len(line))
    match dice.randrange(6):
        case 0:
            line[at : at + 1] = bytes([dice.randrange(256)])
        case 1:
            del line[at : at + dice.randint(1, 8)]
        case 2:
            line[at:at] = dice.choice(TOKENS)
        case 3:
            line[at:at] = line[at : at + dice.randint(1, 40)]
        case 4:
            line[at:] = dice.choice(seeds)[:2000]
        case _:
            line[at:at] = dice.choice(TOKENS) * dice.randint(2, 300)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0: the agent answered to the last, 1: it was lost."""
    parser = argparse.ArgumentParser(prog="python -m conformance.faults.fuzz", description=__doc__, allow_abbrev=False)
    parser.add_argument("--agent", metavar="CMD", required=True)
    parser.add_argument("--seed", metavar="N", type=int, default=1)
    parser.add_argument("--lines", metavar="N", type=int, default=20_000)
    given = parser.parse_args(arguments)
    losses = 0
    with Lines(shlex.split(given.agent)) as lines:
        for number, line in zip(range(given.lines), damaged(given.seed), strict=False):
            lost = lines.survives(line)
            if lost is not None:
                losses += 1
                print(f"line {number} of seed {given.seed}: {lost}\n  {line[:2000]!r}", flush=True)
    print(f"{given.lines} lines, {losses} losses")
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
