"""The agent whose store is tried, as the command line names it, and where its store is to be."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.faults.story import write_scenario

SCENARIO: Final = "{scenario}"
MOST_LOSSES: Final = 40


class NotPossible(Exception):
    """This machine lacks what the program needs; the text says what."""


@dataclass(frozen=True)
class Subject:
    """An agent whose store directory is told by ``flag`` (behind its command) or in the environment (``variable``)."""

    words: Sequence[str]
    flag: str | None = "--store-dir"
    variable: str | None = None

    def command(self, store: Path | str) -> list[str]:
        """The words that start it on a store directory."""
        if self.variable is not None:
            return ["env", f"{self.variable}={store}", *self.words]
        return [*self.words, *([self.flag] if self.flag else []), str(store)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every program on stores is told."""
    parser.add_argument(
        "--agent",
        metavar="CMD",
        required=True,
        help="the agent; {scenario} in it becomes the path of a scenario for agent-server that answers the prompts",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--store-flag", metavar="FLAG", default="--store-dir", help="the flag before its store directory (%(default)s)"
    )
    where.add_argument("--store-variable", metavar="NAME", help="or the variable that holds its store directory")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of everything that is random (%(default)s)")


def subject(given: argparse.Namespace, directory: Path) -> Subject:
    """The agent that the arguments name. ``directory``: takes the scenario file, and outlives the agent."""
    flag = None if given.store_variable else given.store_flag
    return Subject(told(given.agent, directory), flag, given.store_variable)


def print_losses(lost: Sequence[str]) -> None:
    """Name the losses, a line each; of very many only the first."""
    for loss in lost[:MOST_LOSSES]:
        print(f"LOST     {loss}")
    if len(lost) > MOST_LOSSES:
        print(f"LOST     and {len(lost) - MOST_LOSSES} more")


def told(command: str, directory: Path) -> list[str]:
    """The words of a command, its placeholder filled in, paths of files that are there absolute."""
    if SCENARIO in command:
        command = command.replace(SCENARIO, str(write_scenario(directory)))
    return [os.path.abspath(word) if "/" in word and os.path.exists(word) else word for word in shlex.split(command)]
