"""The server, telling of itself while it starts: on stderr what is loaded when it first writes; at imports, mischief.

    watched_server.py MODULE MISCHIEF [ARGUMENT]...

MISCHIEF is done when MODULE is first looked for: ``noise`` prints and runs a child that prints, ``wait`` says so on
stderr and goes on with the first byte from the descriptor in WATCHED_GATE, a number is a signal to itself. (This file
imports next to nothing, so that what is loaded says something of the server.)
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _typeshed import ReadableBuffer

really_write = os.write


def watched_write(descriptor: int, data: ReadableBuffer) -> int:
    os.write = really_write
    loaded = set(sys.modules) - AT_FIRST
    really_write(2, (" ".join(sorted(loaded)) + "\n").encode())
    return really_write(descriptor, data)


class Mischief:
    """Finds nothing, but looks who is looked for."""

    def __init__(self, module: str, what: str) -> None:
        self.module = module
        self.what = what

    def find_spec(self, name: str, *_: Any) -> None:
        if name != self.module:
            return
        sys.meta_path.remove(self)
        if self.what == "noise":
            print("noise", flush=True)
            os.system("echo noise; read line; echo got $line")
        elif self.what == "wait":
            really_write(2, b"waiting\n")
            os.read(int(os.environ["WATCHED_GATE"]), 1)
        else:
            os.kill(os.getpid(), int(self.what))


if __name__ == "__main__":
    module, what = sys.argv[1:3]
    del sys.argv[1:3]
    sys.meta_path.insert(0, Mischief(module, what))
    os.write = watched_write
    AT_FIRST = set(sys.modules)
    from agent_server.__main__ import main

    main()
