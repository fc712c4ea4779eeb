"""Putting the wire out of everybody's reach. Imports nothing but the operating system: it comes before all else."""

from __future__ import annotations

import os


def divert_stdio(*, prints_to_stderr: bool = False) -> tuple[int, int]:
    """Private duplicates of descriptors 0 and 1, in whose places the null device stands from now on.

    A stray print, a library or a child process can then neither read nor write the wire (promise P2).
    ``prints_to_stderr`` sends what is printed to stderr instead of nowhere.
    """
    wire_in, wire_out = os.dup(0), os.dup(1)  # os.dup makes them non-inheritable
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2 if prints_to_stderr else null, 1)
    os.close(null)
    return wire_in, wire_out
