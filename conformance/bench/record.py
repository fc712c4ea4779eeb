"""What a run found out, and the file that keeps it (``results.json``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from conformance.bench.figures import FAILED, Figure, settle


class BadRecord(Exception):
    """The file holds no results of this benchmark."""


@dataclass
class Found:
    """What was found out about one subject.

    Attributes:
        figures: per metric, one figure for each round that gave one.
        failures: per measurement, why it failed, once for each round in which it did.
    """

    figures: dict[str, list[Figure]] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)

    def figure(self, key: str) -> Figure | None:
        """Return what the rounds say together."""
        return settle(self.figures.get(key, ()))

    @property
    def ran(self) -> bool:
        """Whether any measurement gave a number."""
        return any(not isinstance(figure, str) for figures in self.figures.values() for figure in figures)

    def add(self, figures: Mapping[str, Figure | None]) -> None:
        """Take the figures of one measurement."""
        for key, figure in figures.items():
            if figure is not None:
                self.figures.setdefault(key, []).append(figure)

    def add_failure(self, measurement: str, keys: Iterable[str], why: str) -> None:
        """Take the failure of one measurement, for all metrics that it would have given."""
        self.failures.setdefault(measurement, []).append(why)
        for key in keys:
            self.figures.setdefault(key, []).append(f"{FAILED}{why}")


@dataclass
class Record:
    """A whole run. ``found`` has the judged agent first; ``circumstances`` is for the reader."""

    found: dict[str, Found]
    circumstances: dict[str, Any]

    @property
    def ours(self) -> str:
        """The name of the judged agent."""
        return next(iter(self.found))

    @property
    def peers(self) -> list[str]:
        """The names of the others."""
        return list(self.found)[1:]

    @property
    def broken(self) -> list[str]:
        """The names of those of which there is not a single number."""
        return [name for name, of in self.found.items() if not of.ran]

    def figure(self, name: str, key: str) -> Figure | None:
        """Return what the rounds say of a subject, None if they say nothing."""
        return self.found[name].figure(key) if name in self.found else None

    def save(self, path: Path) -> None:
        """Write the file."""
        found = {name: {"figures": of.figures, "failures": of.failures} for name, of in self.found.items()}
        whole = {"circumstances": self.circumstances, "found": found}
        path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            BadRecord: it is not there, or something else.
        """
        try:
            whole = json.loads(path.read_text(encoding="utf-8"))
            found = {name: Found(dict(of["figures"]), dict(of["failures"])) for name, of in whole["found"].items()}
            if not found:
                raise BadRecord(f"{path} has no results")
            return cls(found, dict(whole["circumstances"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadRecord(f"{path} holds no results of this benchmark: {error!r}") from None
