"""What a durable log costs: the same agent with and without one, in turns, next to the official SDKs.

    python -m conformance.bench.durable --agent "CMD" --memory "CMD that keeps nothing" --rounds 5 --out results

Sessions and prompts (b, c), streams (d, j), crowds (f), big prompts (g) and the end (l), as in ``conformance.bench``.
Every process gets an empty store directory of its own, below --store-root, so that none cleans up after another.
Exit status: 0 all gates (durable_gates.toml) are met, 1 one is missed, 2 wrong use, 3 an agent could not be run at all.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from conformance.bench import __main__ as bench

GATES: Final = Path(__file__).with_name("durable_gates.toml")
SECTIONS: Final = "bcdfgl"
FRESH: Final = '"$(mktemp -d "$0/XXXXXXXX")"'


def with_store(command: str, root: str, flag: str, variable: str | None) -> str:
    """A command that starts an agent on a fresh store directory below a root, in the same process."""
    script = f'export {variable}={FRESH}; exec "$@"' if variable else f'exec "$@" {shlex.quote(flag)} {FRESH}'
    return shlex.join(["sh", "-c", script, root, *shlex.split(command)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status is said above."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.bench.durable",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--agent", metavar="CMD", required=True, help="the agent; it gets a store directory")
    parser.add_argument("--memory", metavar="CMD", required=True, help="the same agent without a durable log")
    parser.add_argument(
        "--store-flag", metavar="FLAG", default="--store-dir", help="before its directory (%(default)s)"
    )
    parser.add_argument("--store-variable", metavar="NAME", help="or the variable that holds it")
    parser.add_argument("--store-root", type=Path, metavar="DIR", help="where the stores are (a temporary directory)")
    parser.add_argument("--against", default="pysdk,tssdk", metavar="NAMES", help="(%(default)s)")
    parser.add_argument("--only", default=SECTIONS, metavar="LETTERS", help="sections (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="(%(default)s)")
    parser.add_argument("--quick", action="store_true", help="shows that it runs, not how fast")
    parser.add_argument("--gates", type=Path, default=GATES, metavar="FILE", help="what must be reached")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for results.json, results.md and chart.svg")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="stores-", dir=given.store_root) as root:
        durable = with_store(given.agent, root, given.store_flag, given.store_variable)
        words = ["--agent", f"durable={durable}", "--also", f"memory={given.memory}", "--against", given.against]
        words += ["--only", given.only, "--rounds", str(given.rounds), "--gates", str(given.gates)]
        words += ["--out", str(given.out)] if given.out else []
        return bench.main([*words, "--quick"] if given.quick else words)


if __name__ == "__main__":
    sys.exit(main())
