"""What this process was given, and its children are not to find in it: they have the same user.

A child's own environment holds no secret (`agent_server.processes.environment`). But on Linux it could read ours, as
long as the kernel shows that: in ``/proc``, where it stands as it was at the start.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Final

from agent_server.processes.environment import looks_secret

_PR_SET_DUMPABLE: Final = 4
_PASSWORD_IN_URL: Final = re.compile(rb"://[^/\s@]*@")

_wanted = False


def begin() -> None:
    """Withhold it, from the first child on. For a process that is ours alone: its environment is overwritten."""
    global _wanted
    _wanted = True


def withhold() -> None:
    """Do so now, if it is wanted and was not done before. ``os.environ`` stays as it is."""
    global _wanted
    if not _wanted or sys.platform != "linux":
        return
    _wanted = False
    import ctypes

    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # our memory, and all that /proc shows of us, is root's alone
    variables = ctypes.POINTER(ctypes.c_void_p).in_dll(libc, "environ")
    index = 0
    while variables and (address := variables[index]) is not None:
        name, _, value = ctypes.string_at(address).partition(b"=")
        if looks_secret(os.fsdecode(name)) or _PASSWORD_IN_URL.search(value):
            ctypes.memset(address + len(name) + 1, 0, len(value))
        index += 1
