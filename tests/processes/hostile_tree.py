"""A program that does what it can to leave something behind. Prints ``up`` and the pids of all it consists of.

One child in its group, one in a session of its own, one double-forked daemon, one in a background process group. All
ignore SIGTERM and hold stdout open. With ``--leave`` the program itself ends, with 7, once the others are in place.
"""

from __future__ import annotations

import os
import signal
import sys
import time


def stay(ready: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(ready, b"%d " % os.getpid())
    os.close(ready)
    time.sleep(600)
    os._exit(0)


def main() -> None:
    pids, ready = os.pipe()
    if os.fork() == 0:
        stay(ready)
    if os.fork() == 0:
        os.setsid()
        stay(ready)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            stay(ready)
        os._exit(0)
    if os.fork() == 0:
        os.setpgid(0, 0)
        stay(ready)
    os.close(ready)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Each of them closes its end when it is in place.
    with os.fdopen(pids) as lines:
        print("up", os.getpid(), lines.read(), flush=True)
    if "--leave" in sys.argv:
        os._exit(7)
    time.sleep(600)


if __name__ == "__main__":
    main()
