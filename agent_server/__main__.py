"""The entry point: before anything else is imported, the wire is put out of everybody's reach.

While serving, descriptor 0 becomes the null device and descriptor 1 too (or stderr, when logging there was asked for),
and the real ones are private duplicates: a stray print, a library or a child process cannot touch the wire (P2).
"""

from __future__ import annotations

import os
import sys

_COMMANDS = ("exec", "--version", "-V", "--help", "-h")


def divert_stdio() -> tuple[int, int]:
    """Private duplicates of descriptors 0 and 1, in whose places the null device stands from now on."""
    wire_in, wire_out = os.dup(0), os.dup(1)  # os.dup makes them non-inheritable
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2 if _stderr_wanted() else null, 1)
    os.close(null)
    return wire_in, wire_out


def _stderr_wanted() -> bool:
    return "--log-stderr" in sys.argv


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if any(argument in _COMMANDS for argument in arguments):
        from agent_server.cli.main import run_command

        sys.exit(run_command(arguments))
    wire = divert_stdio()
    from agent_server.cli.main import run_serve

    code = run_serve(arguments, wire)
    os._exit(code)  # everything is flushed; the interpreter's own clean-up would take ten times as long as ours


if __name__ == "__main__":
    main()
