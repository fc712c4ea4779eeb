"""One run: every measurement of every subject, once per round, in turns."""

from __future__ import annotations

import gc
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.bench import proc
from conformance.bench.counting import AgentFailed
from conformance.bench.figures import Setting, Sizes, Subject
from conformance.bench.metrics import METRICS
from conformance.bench.placement import one_cpu
from conformance.bench.record import Found, Record
from conformance.bench.sections import SECTIONS, TAKING_TURNS, Part
from conformance.bench.start import Start


@dataclass(frozen=True)
class Plan:
    """What is to be run. ``subjects`` has the judged agent first."""

    subjects: Sequence[Subject]
    streamer: Start
    sections: Sequence[str]
    rounds: int
    sizes: Sizes
    pinned: bool = True


@dataclass(frozen=True)
class Step:
    """One measurement of one subject in one round."""

    round_number: int
    section: str
    part: Part
    subject: Subject

    @property
    def title(self) -> str:
        """The section and what is measured there."""
        return f"({self.section}) {self.part.measure.__name__}"


def steps(plan: Plan) -> Iterator[Step]:
    """Yield every step in the order of the run: A B C in one round, C B A in the next.

    So whatever else the machine does, and whatever the one before left behind, meets all alike.
    """
    for number in range(plan.rounds):
        for section in plan.sections:
            for part in SECTIONS[section]:
                for subject in plan.subjects if number % 2 == 0 else reversed(plan.subjects):
                    yield Step(number, section, part, subject)


def run(
    plan: Plan,
    versions: Mapping[str, str],
    tell: Callable[[str], None],
    after_round: Callable[[Record], None],
) -> Record:
    """Run the plan and return what it found.

    ``tell`` hears of each step, ``after_round`` sees after each round what was found so far.
    """
    found = {subject.name: Found() for subject in plan.subjects}
    record = Record(found, {**circumstances(plan), "versions": dict(versions)})
    loads: list[float] = record.circumstances["load_average"]
    round_number = -1
    for step in steps(plan):
        if step.round_number != round_number:
            if round_number >= 0:
                after_round(record)
            round_number = step.round_number
            loads.append(os.getloadavg()[0])
        begun = time.perf_counter()
        failure = _take(step, plan, record.found[step.subject.name])
        took_s = time.perf_counter() - begun
        said = f"  FAILED: {failure}" if failure else ""
        tell(f"round {round_number + 1}/{plan.rounds} {step.title:26} {step.subject.name:10} {took_s:5.1f} s{said}")
    after_round(record)
    return record


def _take(step: Step, plan: Plan, found: Found) -> str | None:
    setting = Setting(step.subject, plan.sizes, plan.streamer)
    gc.collect()
    gc.disable()  # the driver's own garbage is no part of anybody's latency
    try:
        with one_cpu(plan.pinned and step.section in TAKING_TURNS, step.round_number):
            found.add(step.part.measure(setting))
    except AgentFailed as failure:
        why = str(failure)
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        why = f"what it wrote cannot be read: {error!r}"
    else:
        return None
    finally:
        gc.enable()
    found.add_failure(step.title, _keys(step.part), why)
    return why


def _keys(part: Part) -> list[str]:
    return [key for key in METRICS if key.startswith(part.gives)]


def circumstances(plan: Plan) -> dict[str, Any]:
    """Return what a reader of the figures should know of the machine and the run."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
        "rounds": plan.rounds,
        "sections": list(plan.sections),
        "sizes": plan.sizes.described(),
        "pinned": plan.pinned,
        "proc": proc.KNOWN,
        "commands": {subject.name: list(subject.agent.command) for subject in plan.subjects},
        "load_average": [],
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            named = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        named = []
    return named[0] if named else platform.processor()
