"""Starts agents by forking: a process that has read all the code already. Told over the socket on descriptor 0.

A message is JSON (``arguments``, ``cwd``, ``environment``) with four descriptors: the agent's stdin, stdout and stderr,
and one to which its exit status is written. Each is answered with the agent's process id.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from typing import Any

if not __package__:  # run by its path, which starts faster than a module does
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import conformance.mutants.table
from conformance.mutants.agent import made, run

assert conformance.mutants.table.MUTANTS, "all mutants are read before the first fork"

MESSAGE_BYTES = 65536
DESCRIPTORS = 4
HIGHEST_DESCRIPTOR = 1024


def serve(control: socket.socket) -> None:
    """Fork until nobody is there any more."""
    waiting: dict[int, int] = {}
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    gc.freeze()
    while True:
        ready = select.select([control.fileno(), woken], [], [])[0]
        if woken in ready:
            os.read(woken, MESSAGE_BYTES)
            reap(waiting)
        if control.fileno() in ready:
            data, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, DESCRIPTORS)
            if not data:
                return
            *standard, status = descriptors
            pid = os.fork()
            if pid == 0:
                become(json.loads(data), standard)
            waiting[pid] = status
            for descriptor in standard:
                os.close(descriptor)
            control.send(str(pid).encode())


def reap(waiting: dict[int, int]) -> None:
    while waiting:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        descriptor = waiting.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
            os.write(descriptor, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(descriptor)


def become(wanted: dict[str, Any], standard: list[int]) -> None:
    """Turn this process into an agent; it does not come back."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for number, descriptor in enumerate(standard):
            os.dup2(descriptor, number)
        os.closerange(3, HIGHEST_DESCRIPTOR)
        os.environ.update(wanted["environment"])
        if wanted["cwd"] is not None:
            os.chdir(wanted["cwd"])
        status = run(made(wanted["arguments"]))
    except BaseException:  # noqa: BLE001  as an uncaught exception ends any program
        sys.excepthook(*sys.exc_info())
        status = 1
    os._exit(status)


if __name__ == "__main__":
    serve(socket.socket(fileno=os.dup(0)))
