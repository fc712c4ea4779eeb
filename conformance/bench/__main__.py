"""Measures an agent next to the official SDKs' and to the least that CPython can do.

    python -m conformance.bench --agent "CMD" --against pysdk,tssdk,floor --rounds 5 --out results

The agent must understand these prompts, each behind --prefix: "stream N S [Y]" (N chunks of S bytes; with Y, its event
loop gets a turn after every Y of them), "fs N" and "perm N" (N questions to the client, one after another), and "noop".
Exit status: 0 all gates are met, 1 one is missed, 2 wrong use, 3 an agent could not be run at all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance.bench.chart import as_svg
from conformance.bench.contenders import CONTENDERS, contender, floor, versions
from conformance.bench.figures import Sizes, Subject
from conformance.bench.gates import GATES_FILE, BadGates, Gate, all_met, judge, load_gates
from conformance.bench.record import BadRecord, Record
from conformance.bench.run import Plan, run
from conformance.bench.sections import SECTIONS
from conformance.bench.start import BadCommand, Start
from conformance.bench.table import as_markdown, as_text
from conformance.installing import NotInstalled
from conformance.private_state import give_private_state

MET, MISSED, WRONG_USE, BROKEN = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments say and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        gates = load_gates(options.gates)
        record = Record.load(options.results) if options.results else _measure(parser, options, gates)
    except (BadGates, BadRecord, BadCommand) as bad:
        parser.error(str(bad))
    except NotInstalled as missing:
        print(f"a peer cannot be installed: {missing}", file=sys.stderr)
        return BROKEN
    if options.results and options.out:
        _write(record, gates, options.out)
    judged = judge(gates, record)
    print(as_text(record, judged), end="")
    if record.broken:
        return BROKEN
    return MET if all_met(judged) else MISSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m conformance.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--agent", metavar="[NAME=]CMD", help="the agent that is judged; NAME is ours if left out")
    what.add_argument("--results", type=Path, metavar="FILE", help="measure nothing, show a results.json again")
    parser.add_argument("--client", metavar="CMD", help="its client program, for section m")
    parser.add_argument(
        "--against", default="pysdk,tssdk,floor", metavar="NAMES", help="of pysdk, tssdk, floor (default: all)"
    )
    parser.add_argument(
        "--also", action="append", default=[], metavar="NAME=CMD", help="one more agent to be measured; repeatable"
    )
    parser.add_argument("--prefix", default="/test ", help="what stands before test commands (default: %(default)r)")
    parser.add_argument("--only", default="".join(SECTIONS), metavar="LETTERS", help="sections (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="an eighth of the work: shows that it runs, not how fast")
    parser.add_argument("--no-pin", action="store_true", help="let driver and agent run on different CPUs everywhere")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS", help="for one measurement")
    parser.add_argument("--gates", type=Path, default=GATES_FILE, metavar="FILE", help="what must be reached")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for results.json, results.md and chart.svg")
    return parser


def _measure(parser: argparse.ArgumentParser, options: argparse.Namespace, gates: Sequence[Gate]) -> Record:
    plan = _plan(parser, options)

    def after_round(record: Record) -> None:
        if options.out:
            _write(record, gates, options.out)

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    names = [subject.name for subject in plan.subjects]
    return run(plan, versions(names), tell, after_round)


def _plan(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Plan:
    sections = list(dict.fromkeys(options.only.replace("j", "d")))
    against = list(filter(None, options.against.split(",")))
    if unknown := set(sections) - set(SECTIONS):
        parser.error(f"there are no sections {sorted(unknown)}; there are {', '.join(SECTIONS)} (j is measured with d)")
    if unknown := set(against) - set(CONTENDERS):
        parser.error(f"{sorted(unknown)} cannot be started by name; {', '.join(CONTENDERS)} can, others with --also")
    if options.rounds < 1:
        parser.error("there must be a round")
    name, command = _named(options.agent) or ("ours", options.agent)
    client = Start.parse(options.client, options.prefix, options.timeout) if options.client else None
    subjects = [Subject(name, Start.parse(command, options.prefix, options.timeout), client)]
    subjects += [contender(name, options.timeout) for name in against]
    for spec in options.also:
        named = _named(spec) or parser.error(f"{spec!r} is not NAME=CMD")
        subjects.append(Subject(named[0], Start.parse(named[1], options.prefix, options.timeout)))
    names = [subject.name for subject in subjects]
    if len(set(names)) < len(names):
        parser.error(f"two agents have the same name: {', '.join(names)}")
    sizes = Sizes().quick() if options.quick else Sizes()
    return Plan(subjects, floor(options.timeout).agent, sections, options.rounds, sizes, not options.no_pin)


def _named(spec: str) -> tuple[str, str] | None:
    name, equals, command = spec.partition("=")
    return (name, command) if equals and name.replace("-", "").replace("_", "").isalnum() else None


def _write(record: Record, gates: Sequence[Gate], directory: Path) -> None:
    judged = judge(gates, record)
    directory.mkdir(parents=True, exist_ok=True)
    record.save(directory / "results.json")
    (directory / "results.md").write_text(as_markdown(record, judged), encoding="utf-8")
    (directory / "chart.svg").write_text(as_svg(record, judged), encoding="utf-8")


if __name__ == "__main__":
    give_private_state()
    sys.exit(main())
