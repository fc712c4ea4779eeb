"""One child process: started without an await, its exit noticed without polling, its exit status never guessed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from agent_server.processes.family import Family, adopt_orphans, marked, new_mark


@dataclass(frozen=True, slots=True)
class ChildExit:
    """How a child ended: its exit code, or the name of the signal that ended it (``SIGKILL``).

    Both are None only when somebody else took the status from the kernel, so that nobody can know.
    """

    exit_code: int | None
    signal: str | None = None


class Child:
    """A running or ended child process.

    It stays in the kernel's table, its pid and group number reserved, until `reap` is called: give every child to
    `tree.running` or `tree.kill_tree`, which do.

    Attributes:
        pid: the process id, and the id of its group and session (not on Windows).
        stdin: our end of its standard input, unbuffered, where a pipe was asked for; likewise stdout and stderr.
        family: its descendants.
    """

    def __init__(self, popen: subprocess.Popen[bytes], family: Family) -> None:
        self.pid = popen.pid
        self.stdin: IO[bytes] | None = popen.stdin
        self.stdout: IO[bytes] | None = popen.stdout
        self.stderr: IO[bytes] | None = popen.stderr
        self.family = family
        self._popen = popen
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._exit: ChildExit | None = None
        self._pidfd = -1
        self._is_reaped = False
        self._reap_when_ended = False
        self._watch()

    @property
    def exit(self) -> ChildExit | None:
        """How it ended; None while it runs."""
        if self._exit is None and _CAN_PEEK:
            self._note_exit(_peek(self.pid))
        return self._exit

    @property
    def is_reaped(self) -> bool:
        """Whether the kernel has forgotten it, so that its pid may be somebody else's."""
        return self._is_reaped

    async def wait(self) -> ChildExit:
        """Wait until the process itself has ended; what it started may run on."""
        await self._ended.wait()
        if self._exit is None:
            raise RuntimeError("the end of a child was announced before it was known")
        return self._exit

    def kill_alone(self) -> None:
        """End the process itself, at once; for systems where a tree cannot be signalled."""
        self._popen.kill()

    def reap(self) -> None:
        """Let the kernel forget it: now, or as soon as it has ended."""
        self._reap_when_ended = True
        if self.exit is not None and not self._is_reaped:
            self._reap_now()

    def close_pipes(self) -> None:
        """Close our ends of its pipes."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                pipe.close()

    def _watch(self) -> None:
        if sys.platform == "linux":
            try:
                self._pidfd = os.pidfd_open(self.pid)
            except OSError:  # no descriptor left, an old kernel, a strict sandbox
                pass
            else:
                self._loop.add_reader(self._pidfd, self._on_pidfd)
                return
        threading.Thread(target=self._wait_in_thread, name=f"wait-for-{self.pid}", daemon=True).start()

    def _on_pidfd(self) -> None:
        self._note_exit(_peek(self.pid))

    def _wait_in_thread(self) -> None:
        ended = _wait_blocking(self._popen)
        try:
            self._loop.call_soon_threadsafe(self._note_exit, ended)
        except RuntimeError:  # the loop is closed: nobody waits any more
            pass

    def _note_exit(self, ended: ChildExit | None) -> None:
        if ended is None or self._exit is not None:
            return
        self._exit = ended
        self._stop_watching()
        # Its orphans have just become ours. Remember them while their marks can be read: the dead show none.
        self.family.living()
        self._ended.set()
        if self._reap_when_ended:
            self._reap_now()

    def _stop_watching(self) -> None:
        if self._pidfd >= 0:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _reap_now(self) -> None:
        self._is_reaped = True
        self.family.forget()
        # Popen.poll would turn a status that it cannot read into 0; only its bookkeeping is wanted here.
        self._popen.poll()


def spawn(
    argv: Sequence[str],
    *,
    cwd: str | None = None,
    env: Mapping[str, str],
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = subprocess.DEVNULL,
    stderr: int | None = subprocess.DEVNULL,
) -> Child:
    """Start a program in a session of its own; needs a running asyncio loop, and does not await.

    ``env`` is its whole environment (see `environment.child_environment`). The standard streams take
    ``subprocess.PIPE``, ``DEVNULL``, a descriptor, ``STDOUT`` (stderr only), or None to share ours.

    Raises:
        OSError: the program or ``cwd`` is missing or may not be used, or the machine has no room for a process.
        ValueError: an argument cannot be passed to a program (a NUL, a lone surrogate).
    """
    adopt_orphans()
    mark = new_mark()
    popen = subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=marked(env, mark),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        bufsize=0,
        close_fds=True,
        start_new_session=True,
    )
    try:
        return Child(popen, Family(popen.pid, mark))
    except BaseException:
        with popen:
            popen.kill()
        raise


_CAN_PEEK = hasattr(os, "waitid")


def _peek(pid: int) -> ChildExit | None:
    """How a child ended, leaving it in the table; None while it runs."""
    return _waitid(pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)


def _waitid(pid: int, options: int) -> ChildExit | None:
    try:
        result = os.waitid(os.P_PID, pid, options)
    except ChildProcessError:
        return ChildExit(None)
    if result is None:
        return None
    if result.si_code == os.CLD_EXITED:
        return ChildExit(result.si_status)
    return ChildExit(None, signal_name(result.si_status))


def _wait_blocking(popen: subprocess.Popen[bytes]) -> ChildExit | None:
    if _CAN_PEEK:
        return _waitid(popen.pid, os.WEXITED | os.WNOWAIT)
    if sys.platform == "win32":
        return ChildExit(popen.wait())
    # Not Popen.wait: it answers 0 when somebody else has taken the status.
    try:
        _, status = os.waitpid(popen.pid, 0)
    except ChildProcessError:
        return ChildExit(None)
    code = os.waitstatus_to_exitcode(status)
    return ChildExit(code) if code >= 0 else ChildExit(None, signal_name(-code))


def signal_name(number: int) -> str:
    """``SIGTERM`` for 15; a number without a name of its own is counted from SIGRTMIN."""
    try:
        return signal.Signals(number).name
    except ValueError:
        first = getattr(signal, "SIGRTMIN", None)
        return f"SIG{number}" if first is None else f"SIGRTMIN+{number - first}"
