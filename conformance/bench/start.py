"""How an agent or a client program is started."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class BadCommand(Exception):
    """A command line that no shell would run."""


@dataclass(frozen=True)
class Start:
    """How an agent is started and spoken to: its command, its variables, what stands before every test command."""

    command: Sequence[str]
    env: Mapping[str, str] | None = None
    prefix: str = "/test "
    timeout_s: float = 120.0

    @classmethod
    def parse(cls, command: str, prefix: str, timeout_s: float) -> Start:
        """Read a command as a shell would.

        Raises:
            BadCommand: there is none, or its quotes have no end.
        """
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise BadCommand(f"the command {command!r} cannot be read: {error}") from None
        if not words:
            raise BadCommand("a command is empty")
        return cls(words, None, prefix, timeout_s)
