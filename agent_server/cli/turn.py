"""One turn run from the command line: its agent, what stops it, and what it was worth."""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import anyio

from agent_server.cli.exit_codes import ExitCode, exit_code_of
from agent_server.cli.show import Show
from agent_server.cli.style import one_line
from agent_server.client.client import RemoteAgent
from agent_server.client.errors import UnsupportedAgent
from agent_server.client.joining import spawn
from agent_server.client.session import RemoteSession
from agent_server.errors import AgentServerError, ConnectionClosed, RpcError
from agent_server.protocol.v1.session import SessionConfigSelect, SessionConfigSelectOption

if TYPE_CHECKING:
    from agent_server.cli.exec_command import Job

Cause: TypeAlias = Literal["signal", "timeout", "broken pipe"]

CANCEL_GRACE_S: Final = 2.0
"""How long the agent may take to answer a cancelled turn when nobody is there to be patient."""

FINISH_S: Final = 1.0
"""How long the output of a turn that was stopped may take to be written."""

STDERR_TAIL_BYTES: Final = 4096


class Turn:
    """What is running, and how it is told to stop: asked first, then by force."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.cause: Cause | None = None
        self.session: RemoteSession | None = None
        self.output: Show | None = None

    def new_scope(self) -> anyio.CancelScope:
        """The scope of what comes next: what `stop` ends."""
        self.scope = anyio.CancelScope()
        return self.scope

    def stop(self, cause: Cause, grace_s: float | None = None) -> None:
        """Cancel the turn; told again, or after ``grace_s`` seconds, or if there is no turn yet, end everything."""
        if self.cause is not None or self.session is None:
            self.cause = self.cause or cause
            self.scope.cancel()
            return
        self.cause = cause
        self.session.cancel()
        if self.output is not None:
            self.output.unblock()
        if self.output is not None and cause == "signal":
            self.output.say("cancelling; once more to end the agent at once")
        if grace_s is not None:
            asyncio.get_running_loop().call_later(grace_s, self.scope.cancel)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Ctrl-C stops the turn; a signal to end or a lost terminal too, without patience."""
        loop = asyncio.get_running_loop()
        graces = {"SIGINT": None, "SIGTERM": CANCEL_GRACE_S, "SIGHUP": CANCEL_GRACE_S}
        numbers = {getattr(signal, name): grace for name, grace in graces.items() if hasattr(signal, name)}
        installed: list[int] = []
        try:
            for number, grace_s in numbers.items():
                try:
                    loop.add_signal_handler(number, self.stop, "signal", grace_s)
                    installed.append(number)
                except (NotImplementedError, RuntimeError):  # not on this platform, or not in the main thread
                    break
            yield
        finally:
            for number in installed:
                loop.remove_signal_handler(number)


async def run_turn(turn: Turn, job: Job) -> ExitCode:
    """Start the agent, take the turn, and leave nothing behind."""
    show = turn.output = Show(job, lambda: turn.stop("broken pipe", CANCEL_GRACE_S))
    code = ExitCode.CANCELLED
    try:
        with turn.new_scope():
            if job.timeout_s is not None:
                asyncio.get_running_loop().call_later(job.timeout_s, turn.stop, "timeout", CANCEL_GRACE_S)
            code = await _run(turn, job, show)
        code = _stopped_code(turn, code)
        show.result(code, quiet=turn.cause == "broken pipe")
    finally:
        await _finish(turn, show)
    return code


async def _finish(turn: Turn, show: Show) -> None:
    """Write out what is left. Nobody has to wait for that: any signal ends it, and a turn that was stopped is over."""
    turn.session = None
    with turn.new_scope() as scope:
        if turn.cause is not None:
            scope.deadline = anyio.current_time() + FINISH_S
        await show.finish()


def _stopped_code(turn: Turn, code: ExitCode) -> ExitCode:
    """What stopped the turn counts, unless it had ended by then."""
    if turn.cause is None or code in (ExitCode.END_TURN, ExitCode.DENIED, ExitCode.REFUSAL, ExitCode.LIMIT):
        return code
    return ExitCode.TIMED_OUT if turn.cause == "timeout" else ExitCode.CANCELLED


async def _run(turn: Turn, job: Job, show: Show) -> ExitCode:
    stderr = _Tail()
    try:
        async with spawn(
            job.argv, show.services, cwd=job.cwd, stderr=stderr.add, observer=show.observer if job.json else None
        ) as agent:
            show.agent = agent
            session = await _prepare(agent, job, show)
            turn.session = session
            show.begin()
            response = await session.prompt(job.prompt)
            show.stop_reason = response.stop_reason
            return exit_code_of(response.stop_reason, denied=show.denied)
    except RpcError as error:
        show.fail(error.message, error)
        return ExitCode.FAILED
    except (ConnectionClosed, UnsupportedAgent) as error:
        show.fail(f"the agent broke off: {error}" if isinstance(error, ConnectionClosed) else str(error), None)
        show.say_tail(stderr.text)
        return ExitCode.AGENT_LOST
    except (OSError, ValueError) as error:
        show.fail(f"the agent {job.argv[0]!r} could not be started: {getattr(error, 'strerror', None) or error}", None)
        return ExitCode.AGENT_LOST
    except _ModelUnknown as error:
        show.fail(str(error), None)
        return ExitCode.USAGE


class _ModelUnknown(AgentServerError):
    """The agent does not offer the model that was asked for."""


async def _prepare(agent: RemoteAgent, job: Job, show: Show) -> RemoteSession:
    session = await agent.new_session(job.cwd, listener=show.listener)
    if job.model is not None:
        await _choose_model(session, job.model)
    modes = session.transcript.modes
    if job.read_only and modes is not None and any(mode.id == "plan" for mode in modes.available_modes):
        await session.set_mode("plan")
    return session


async def _choose_model(session: RemoteSession, model: str) -> None:
    for option in session.transcript.config_options:
        if isinstance(option, SessionConfigSelect) and option.category == "model":
            if model not in _values(option):
                raise _ModelUnknown(f"--model: the agent offers {', '.join(map(one_line, _values(option)))}")
            await session.set_config_option(option.id, model)
            return
    raise _ModelUnknown("--model: this agent offers no choice of models")


def _values(option: SessionConfigSelect) -> list[str]:
    values: list[str] = []
    for entry in option.options:
        choices = [entry] if isinstance(entry, SessionConfigSelectOption) else entry.options
        values.extend(choice.value for choice in choices)
    return values


class _Tail:
    """The last part of what an agent wrote to stderr."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        while self._size - len(self._pieces[0]) >= STDERR_TAIL_BYTES:
            self._size -= len(self._pieces.popleft())

    @property
    def text(self) -> str:
        return b"".join(self._pieces)[-STDERR_TAIL_BYTES:].decode("utf-8", "replace")
