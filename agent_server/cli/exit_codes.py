"""What ``agent-server exec`` tells its caller by its exit code."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from agent_server.protocol.v1.prompt import StopReason


class ExitCode(IntEnum):
    """The exit codes of ``exec``."""

    END_TURN = 0
    FAILED = 1
    USAGE = 2
    AGENT_LOST = 3
    REFUSAL = 4
    DENIED = 5
    LIMIT = 6
    TIMED_OUT = 124
    CANCELLED = 130


DESCRIPTION: Final = """\
exit codes:
    0  the turn ended normally
    1  the turn failed, or the agent answered with an error
    2  the command line is wrong
    3  the agent could not be started, broke off, or speaks another protocol version
    4  the model refused
    5  the turn ended normally, but a permission was denied
    6  the turn stopped at a limit of tokens or requests
  124  timed out (--timeout)
  130  cancelled: Ctrl-C, a signal, or nobody reads the output any more
"""
"""For ``--help``."""


def exit_code_of(stop_reason: StopReason, *, denied: bool) -> ExitCode:
    """The code for a turn that ended; ``denied`` says whether a permission was refused in it."""
    if stop_reason == "end_turn":
        return ExitCode.DENIED if denied else ExitCode.END_TURN
    if stop_reason == "refusal":
        return ExitCode.REFUSAL
    if stop_reason == "cancelled":
        return ExitCode.CANCELLED
    return ExitCode.LIMIT
